-- The number that a channel told last by itself (an event) or by answer (a write, a reading), with the channel's own
-- stamp of it: an older one told later changes nothing. `number` of NULL: two were told under one stamp. `check_ms`:
-- when to look whether it is what the channel is known to hold; 0: it need not be looked at.
CREATE TABLE heard (
    system   text COLLATE "C" NOT NULL,
    key      text COLLATE "C" NOT NULL,
    number   bigint,
    stamp_ms bigint NOT NULL,
    check_ms bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (system, key)
);

CREATE INDEX heard_check ON heard (check_ms) WHERE check_ms > 0;
