-- When a channel's number was read for the first time, and the units that this reading may contain already.
ALTER TABLE binding ADD COLUMN first_read_ms bigint NOT NULL DEFAULT 0;
ALTER TABLE binding ADD COLUMN doubt bigint NOT NULL DEFAULT 0;
-- Until when a marked SKU may wait for what is being read; a new mark ends the wait.
ALTER TABLE dirty ADD COLUMN not_before_ms bigint NOT NULL DEFAULT 0;
