-- Units that were missing and count as explained by what may have been in the first reading already; and units that the
-- channel said were set aside when it was last read: those are still missing.
ALTER TABLE binding ADD COLUMN credited bigint NOT NULL DEFAULT 0;
ALTER TABLE binding ADD COLUMN aside bigint NOT NULL DEFAULT 0;
