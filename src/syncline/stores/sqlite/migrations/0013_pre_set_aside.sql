-- Units that were missing and count as explained by what may have been in the first reading already; and units that the
-- channel said were set aside when it was last read: those are still missing.
ALTER TABLE binding ADD COLUMN credited INTEGER NOT NULL DEFAULT 0;
ALTER TABLE binding ADD COLUMN aside INTEGER NOT NULL DEFAULT 0;
