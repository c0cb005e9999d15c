-- Text is compared byte by byte (COLLATE "C"), as SQLite does: keys are searched by ranges.

-- The history: append-only, offsets in the order of commits. Bodies are zstd frames.
CREATE TABLE event (
    "offset"       bigint PRIMARY KEY,
    system         text COLLATE "C" NOT NULL,
    topic          text COLLATE "C" NOT NULL,
    event_id       text COLLATE "C" NOT NULL,
    via            text COLLATE "C" NOT NULL,
    occurred_at_ms bigint NOT NULL,
    received_at_ms bigint NOT NULL,
    body           bytea NOT NULL
);
-- zstd frames do not get smaller by being compressed again.
ALTER TABLE event ALTER COLUMN body SET STORAGE EXTERNAL;

-- The last offset given out. A transaction that appends keeps this row locked to its end, so offsets
-- become visible in order; a sequence would hand out lower numbers that commit later.
CREATE TABLE event_head (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    "offset" bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO event_head ("offset") VALUES (0);

-- Which event ids were seen, by 16-day bucket: a random key costs a page of a small part of the
-- index, not of the whole history.
CREATE TABLE event_seen (
    bucket bigint NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (bucket, digest)
);

-- The last transaction of each connection. A transaction writes its own number here, so what became of a
-- COMMIT that was never answered can be looked up. (pg_xact_status() cannot say it: after a crash, the
-- server gives the numbers of transactions that it lost to new ones.)
CREATE TABLE session (
    id      text COLLATE "C" PRIMARY KEY,
    step    bigint NOT NULL,
    used_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

CREATE TABLE cursor (
    system    text COLLATE "C" NOT NULL,
    stream    text COLLATE "C" NOT NULL,
    position  text COLLATE "C" NOT NULL,
    covers_ms bigint NOT NULL,
    PRIMARY KEY (system, stream)
);

-- How far a consumer of the log has come; moves with what it wrote.
CREATE TABLE progress (
    consumer text COLLATE "C" PRIMARY KEY,
    "offset" bigint NOT NULL
);

-- Who owns what, and the fence that makes a former owner's writes fail.
CREATE TABLE lease (
    name          text COLLATE "C" PRIMARY KEY,
    owner         text COLLATE "C" NOT NULL,
    fence         bigint NOT NULL,
    expires_at_ms bigint NOT NULL
);

-- Canonical records, newest version each.
CREATE TABLE record (
    system         text COLLATE "C" NOT NULL,
    kind           text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    version        bigint NOT NULL,
    tiebreak       bigint NOT NULL,
    changed_at_ms  bigint NOT NULL,
    observed_at_ms bigint NOT NULL,
    "offset"       bigint NOT NULL,
    hash           text COLLATE "C" NOT NULL,
    body           text COLLATE "C" NOT NULL,
    PRIMARY KEY (system, kind, key)
);
-- What people look orders up by. PostgreSQL reads no JSON that escapes a NUL, wherever in the text it stands.
CREATE INDEX record_order_number ON record ((replace(body, '\u0000', '\u0020')::json ->> 'number'))
    WHERE kind = 'order';

-- Our record <-> a system's id for it, what was last sent, and for stock what the channel holds.
CREATE TABLE binding (
    system          text COLLATE "C" NOT NULL,
    kind            text COLLATE "C" NOT NULL,
    key             text COLLATE "C" NOT NULL,
    external_id     text COLLATE "C" NOT NULL DEFAULT '',
    version         bigint NOT NULL DEFAULT 0,
    hash            text COLLATE "C" NOT NULL DEFAULT '',
    held            bigint,
    unseen          bigint NOT NULL DEFAULT 0,
    stale           bigint NOT NULL DEFAULT 0, -- "held" was refuted and has to be read again
    rev             bigint NOT NULL DEFAULT 0,
    confirmed_at_ms bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (system, kind, key)
);

-- Units that a channel has promised to a buyer, until the ERP's figures account for them.
CREATE TABLE demand (
    channel      text COLLATE "C" NOT NULL,
    order_key    text COLLATE "C" NOT NULL,
    line_id      text COLLATE "C" NOT NULL,
    location     text COLLATE "C" NOT NULL,
    sku          text COLLATE "C" NOT NULL,
    quantity     bigint NOT NULL,
    taken        bigint NOT NULL,
    erp_before   bigint NOT NULL DEFAULT 0,
    erp_quantity bigint NOT NULL DEFAULT 0,
    erp_stamp_ms bigint,
    our_stamp_ms bigint,
    settled      bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, order_key, line_id, location)
);
CREATE INDEX demand_open ON demand (sku) WHERE settled = 0;

-- What can be promised of a SKU from a set of locations (a pool) before anybody holds any of it. A change of
-- what it was computed from makes it stale; a hold is taken from no stale number.
CREATE TABLE shelf (
    sku      text COLLATE "C" NOT NULL,
    pool     text COLLATE "C" NOT NULL,
    free     bigint NOT NULL,
    as_of_ms bigint NOT NULL,
    stale    bigint NOT NULL,
    rev      bigint NOT NULL,
    PRIMARY KEY (sku, pool)
);

-- Units that a checkout holds: one row for each line and each pool that it counts in. The pool that the line
-- asked for is its "main" one; one that does not bind is another channel's, which may keep back more.
CREATE TABLE hold (
    reference       text COLLATE "C" NOT NULL,
    line            bigint NOT NULL,
    pool            text COLLATE "C" NOT NULL,
    channel         text COLLATE "C" NOT NULL,
    sku             text COLLATE "C" NOT NULL,
    location        text COLLATE "C" NOT NULL,
    asked           bigint NOT NULL,
    quantity        bigint NOT NULL,
    state           text COLLATE "C" NOT NULL,
    main            bigint NOT NULL,
    binds           bigint NOT NULL,
    order_key       text COLLATE "C" NOT NULL,
    made_by         text COLLATE "C" NOT NULL,
    created_at_ms   bigint NOT NULL,
    expires_at_ms   bigint NOT NULL,
    confirmed_at_ms bigint NOT NULL,
    PRIMARY KEY (reference, line, pool)
);
CREATE INDEX hold_open ON hold (sku, pool) WHERE state IN ('open', 'confirmed');
CREATE INDEX hold_due ON hold (expires_at_ms) WHERE state IN ('open', 'confirmed');
CREATE INDEX hold_over ON hold (expires_at_ms) WHERE state NOT IN ('open', 'confirmed');
CREATE INDEX hold_order ON hold (channel, order_key) WHERE order_key <> '';

-- What is known of the demand for each SKU that ever sold, at all of its channels, and of each category (the key
-- begins with char(31)). The bytes are those of `syncline.freshness.demand`.
CREATE TABLE velocity (
    key   text COLLATE "C" PRIMARY KEY,
    state bytea NOT NULL
);

-- SKUs whose shown numbers are to be computed again, since the oldest change that asked for it.
CREATE TABLE dirty (
    sku           text COLLATE "C" PRIMARY KEY,
    seq           bigint NOT NULL,
    changed_at_ms bigint NOT NULL
);
CREATE INDEX dirty_oldest ON dirty (changed_at_ms);

-- One row for each intended effect: the latest value of a record (state), or a fact.
CREATE TABLE delivery (
    system              text COLLATE "C" NOT NULL,
    operation           text COLLATE "C" NOT NULL,
    key                 text COLLATE "C" NOT NULL,
    route               text COLLATE "C" NOT NULL,
    state               text COLLATE "C" NOT NULL,
    generation          bigint NOT NULL,
    first_changed_at_ms bigint NOT NULL,
    next_changed_at_ms  bigint NOT NULL DEFAULT 0,
    deliver_by_ms       bigint NOT NULL,
    not_before_ms       bigint NOT NULL,
    attempts            bigint NOT NULL,
    reason              text COLLATE "C" NOT NULL,
    updated_at_ms       bigint NOT NULL,
    PRIMARY KEY (system, operation, key)
);
CREATE INDEX delivery_open ON delivery (system, state)
    WHERE state IN ('available', 'scheduled', 'retryable', 'running', 'parked');

-- Written before every external effect; finished after it. Unfinished means unknown.
CREATE TABLE intent (
    id             text COLLATE "C" PRIMARY KEY,
    system         text COLLATE "C" NOT NULL,
    operation      text COLLATE "C" NOT NULL,
    items          text COLLATE "C" NOT NULL,
    started_at_ms  bigint NOT NULL,
    finished_at_ms bigint,
    result         text COLLATE "C" NOT NULL DEFAULT ''
);
CREATE INDEX intent_unfinished ON intent (system) WHERE finished_at_ms IS NULL;

-- Which delivery took part in which call: the life of a record, and the audit of every effect.
CREATE TABLE attempt (
    intent     text COLLATE "C" NOT NULL,
    system     text COLLATE "C" NOT NULL,
    operation  text COLLATE "C" NOT NULL,
    key        text COLLATE "C" NOT NULL,
    generation bigint NOT NULL,
    result     text COLLATE "C" NOT NULL DEFAULT '',
    message    text COLLATE "C" NOT NULL DEFAULT '',
    at_ms      bigint NOT NULL,
    PRIMARY KEY (intent, key)
);
CREATE INDEX attempt_by_key ON attempt (key, intent);

-- What became of each captured order or shipment fact: applied, or why it changed nothing.
CREATE TABLE trace (
    kind     text COLLATE "C" NOT NULL,
    key      text COLLATE "C" NOT NULL,
    "offset" bigint NOT NULL,
    system   text COLLATE "C" NOT NULL,
    via      text COLLATE "C" NOT NULL,
    verdict  text COLLATE "C" NOT NULL,
    at_ms    bigint NOT NULL,
    PRIMARY KEY (kind, key, "offset")
);

-- Work that needs a person, with everything needed to decide and to try again.
CREATE TABLE parked (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system         text COLLATE "C" NOT NULL,
    operation      text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    reason         text COLLATE "C" NOT NULL,
    detail         text COLLATE "C" NOT NULL,
    payload        text COLLATE "C" NOT NULL,
    parked_at_ms   bigint NOT NULL,
    resolved_at_ms bigint,
    resolution     text COLLATE "C" NOT NULL DEFAULT '',
    resolved_by    text COLLATE "C" NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX parked_open ON parked (system, operation, key) WHERE resolved_at_ms IS NULL;

-- One dot on the strip for every delivered change: how old it was when it landed.
CREATE TABLE lag (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    route           text COLLATE "C" NOT NULL,
    key             text COLLATE "C" NOT NULL,
    delivered_at_ms bigint NOT NULL,
    lag_ms          bigint NOT NULL,
    kept            bigint NOT NULL
);
CREATE INDEX lag_by_route ON lag (route, delivered_at_ms);

-- Who did what, chained by hash so that a missing or altered row shows.
CREATE TABLE audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms   bigint NOT NULL,
    actor   text COLLATE "C" NOT NULL,
    action  text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    before  text COLLATE "C" NOT NULL,
    after   text COLLATE "C" NOT NULL,
    chain   text COLLATE "C" NOT NULL
);

CREATE TABLE account (
    name          text COLLATE "C" PRIMARY KEY,
    role          text COLLATE "C" NOT NULL,
    token_hash    text COLLATE "C" NOT NULL,
    created_at_ms bigint NOT NULL
);
