-- SQLite's index of the same name got another condition, which it judges faster; this one is as good here.
COMMENT ON INDEX delivery_open IS 'deliveries that are not over';
