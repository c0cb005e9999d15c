-- The number that a channel told last by itself (an event) or by answer (a write, a reading), with the channel's own
-- stamp of it: an older one told later changes nothing. `number` of NULL: two were told under one stamp. `check_ms`:
-- when to look whether it is what the channel is known to hold; 0: it need not be looked at.
CREATE TABLE heard (
    system   TEXT NOT NULL,
    key      TEXT NOT NULL,
    number   INTEGER,
    stamp_ms INTEGER NOT NULL,
    check_ms INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (system, key)
) WITHOUT ROWID, STRICT;

CREATE INDEX heard_check ON heard (check_ms) WHERE check_ms > 0;
