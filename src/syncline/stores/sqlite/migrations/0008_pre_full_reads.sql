-- What a full read says beside its figures: when a record was last in one although it told nothing newer, when the
-- first began that no longer contained it, and whether a person has said that nothing is there.
ALTER TABLE record ADD COLUMN seen_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE record ADD COLUMN vanished_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE record ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;
CREATE INDEX record_vanished ON record (system, kind, key) WHERE vanished_ms > 0;

-- Figures of a full read under way that take away so much that they wait until it has ended.
CREATE TABLE doubted (
    system         TEXT NOT NULL,
    key            TEXT NOT NULL,
    version        INTEGER NOT NULL,
    tiebreak       INTEGER NOT NULL,
    changed_at_ms  INTEGER NOT NULL,
    observed_at_ms INTEGER NOT NULL,
    "offset"       INTEGER NOT NULL,
    body           TEXT NOT NULL,
    PRIMARY KEY (system, key)
) WITHOUT ROWID, STRICT;

-- When a channel's number was last asked for: what moved later cannot be what that reading found missing.
ALTER TABLE binding ADD COLUMN asked_ms INTEGER NOT NULL DEFAULT 0;
UPDATE binding SET asked_ms = confirmed_at_ms WHERE kind = 'stock' AND unseen > 0;
