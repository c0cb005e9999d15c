-- What a full read says beside its figures: when a record was last in one although it told nothing newer, when the
-- first began that no longer contained it, and whether a person has said that nothing is there.
ALTER TABLE record ADD COLUMN seen_ms bigint NOT NULL DEFAULT 0;
ALTER TABLE record ADD COLUMN vanished_ms bigint NOT NULL DEFAULT 0;
ALTER TABLE record ADD COLUMN gone bigint NOT NULL DEFAULT 0;
CREATE INDEX record_vanished ON record (system, kind, key) WHERE vanished_ms > 0;

-- Figures of a full read under way that take away so much that they wait until it has ended.
CREATE TABLE doubted (
    system         text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    version        bigint NOT NULL,
    tiebreak       bigint NOT NULL,
    changed_at_ms  bigint NOT NULL,
    observed_at_ms bigint NOT NULL,
    "offset"       bigint NOT NULL,
    body           text COLLATE "C" NOT NULL,
    PRIMARY KEY (system, key)
);

-- When a channel's number was last asked for: what moved later cannot be what that reading found missing.
ALTER TABLE binding ADD COLUMN asked_ms bigint NOT NULL DEFAULT 0;
UPDATE binding SET asked_ms = confirmed_at_ms WHERE kind = 'stock' AND unseen > 0;
