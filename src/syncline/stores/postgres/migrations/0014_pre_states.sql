-- What a channel was last told of a content of a state record (a price list's entry, ...). An empty "hash" says that
-- nobody knows what it holds: a call is under way, or its outcome is not known. "body" is the last that is known.
CREATE TABLE content (
    system          text COLLATE "C" NOT NULL,
    kind            text COLLATE "C" NOT NULL,
    key             text COLLATE "C" NOT NULL,
    hash            text COLLATE "C" NOT NULL,
    body            text COLLATE "C" NOT NULL,
    confirmed_at_ms bigint NOT NULL,
    PRIMARY KEY (system, kind, key)
);

-- Contents that are to be computed again, since the oldest change that asked for it; or, where time alone will change
-- them, from the moment on at which it does.
CREATE TABLE state_mark (
    route         text COLLATE "C" NOT NULL,
    key           text COLLATE "C" NOT NULL,
    seq           bigint NOT NULL,
    changed_at_ms bigint NOT NULL,
    not_before_ms bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (route, key)
);
CREATE INDEX state_mark_oldest ON state_mark (changed_at_ms, route, key);
CREATE INDEX state_mark_later ON state_mark (not_before_ms) WHERE not_before_ms > 0;
