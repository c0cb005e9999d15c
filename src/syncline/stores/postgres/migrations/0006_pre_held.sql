-- What is held in a pool by holds that have not ended, kept in step by the statements that take and end them: a
-- reservation looks at one row, however many holds are open.
ALTER TABLE shelf ADD COLUMN held bigint NOT NULL DEFAULT 0;
UPDATE shelf SET held = (
    SELECT coalesce(sum(h.quantity), 0) FROM hold AS h
    WHERE h.sku = shelf.sku AND h.pool = shelf.pool AND h.state IN ('open', 'confirmed'));
CREATE FUNCTION hold_counted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    more bigint := 0;
BEGIN
    IF NEW.state IN ('open', 'confirmed') THEN
        more := NEW.quantity;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.state IN ('open', 'confirmed') THEN
        more := more - OLD.quantity;
    END IF;
    IF more <> 0 THEN
        UPDATE shelf SET held = held + more WHERE sku = NEW.sku AND pool = NEW.pool;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER hold_taken AFTER INSERT ON hold FOR EACH ROW EXECUTE FUNCTION hold_counted();
CREATE TRIGGER hold_ended AFTER UPDATE OF state ON hold
FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION hold_counted();
-- With the moment of its end, so that the few that are over are found among many.
DROP INDEX hold_open;
CREATE INDEX hold_open ON hold (sku, pool, expires_at_ms) WHERE state IN ('open', 'confirmed');
