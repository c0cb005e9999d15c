-- What a channel was last told of a content of a state record (a price list's entry, ...). An empty "hash" says that
-- nobody knows what it holds: a call is under way, or its outcome is not known. "body" is the last that is known.
CREATE TABLE content (
    system          TEXT NOT NULL,
    kind            TEXT NOT NULL,
    key             TEXT NOT NULL,
    hash            TEXT NOT NULL,
    body            TEXT NOT NULL,
    confirmed_at_ms INTEGER NOT NULL,
    PRIMARY KEY (system, kind, key)
) WITHOUT ROWID, STRICT;

-- Contents that are to be computed again, since the oldest change that asked for it; or, where time alone will change
-- them, from the moment on at which it does.
CREATE TABLE state_mark (
    route         TEXT NOT NULL,
    key           TEXT NOT NULL,
    seq           INTEGER NOT NULL,
    changed_at_ms INTEGER NOT NULL,
    not_before_ms INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (route, key)
) WITHOUT ROWID, STRICT;
CREATE INDEX state_mark_oldest ON state_mark (changed_at_ms, route, key);
CREATE INDEX state_mark_later ON state_mark (not_before_ms) WHERE not_before_ms > 0;
