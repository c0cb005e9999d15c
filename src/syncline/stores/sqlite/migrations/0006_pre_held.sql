-- What is held in a pool by holds that have not ended, kept in step by the statements that take and end them: a
-- reservation looks at one row, however many holds are open.
ALTER TABLE shelf ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
UPDATE shelf SET held = (
    SELECT coalesce(sum(h.quantity), 0) FROM hold AS h
    WHERE h.sku = shelf.sku AND h.pool = shelf.pool AND h.state IN ('open', 'confirmed'));
CREATE TRIGGER hold_taken AFTER INSERT ON hold WHEN new.quantity <> 0 AND new.state IN ('open', 'confirmed')
BEGIN
    UPDATE shelf SET held = held + new.quantity WHERE sku = new.sku AND pool = new.pool;
END;
CREATE TRIGGER hold_ended AFTER UPDATE OF state ON hold
WHEN old.quantity <> 0 AND old.state IN ('open', 'confirmed') AND new.state NOT IN ('open', 'confirmed')
BEGIN
    UPDATE shelf SET held = held - old.quantity WHERE sku = old.sku AND pool = old.pool;
END;
CREATE TRIGGER hold_renewed AFTER UPDATE OF state ON hold
WHEN new.quantity <> 0 AND old.state NOT IN ('open', 'confirmed') AND new.state IN ('open', 'confirmed')
BEGIN
    UPDATE shelf SET held = held + new.quantity WHERE sku = new.sku AND pool = new.pool;
END;
-- With the moment of its end, so that the few that are over are found among many.
DROP INDEX hold_open;
CREATE INDEX hold_open ON hold (sku, pool, expires_at_ms) WHERE state IN ('open', 'confirmed');
