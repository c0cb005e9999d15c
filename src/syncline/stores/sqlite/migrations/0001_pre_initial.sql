-- The history: append-only, offsets in the order of commits. Bodies are zstd frames.
CREATE TABLE event (
    "offset"       INTEGER PRIMARY KEY AUTOINCREMENT,
    system         TEXT NOT NULL,
    topic          TEXT NOT NULL,
    event_id       TEXT NOT NULL,
    via            TEXT NOT NULL,
    occurred_at_ms INTEGER NOT NULL,
    received_at_ms INTEGER NOT NULL,
    body           BLOB NOT NULL
) STRICT;

-- Which event ids were seen, by 16-day bucket: a random key costs a page of a small table, not of
-- the whole history, and old buckets are dropped whole.
CREATE TABLE event_seen (
    bucket INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (bucket, digest)
) WITHOUT ROWID, STRICT;

CREATE TABLE cursor (
    system        TEXT NOT NULL,
    stream        TEXT NOT NULL,
    position      TEXT NOT NULL,
    covers_ms     INTEGER NOT NULL,
    PRIMARY KEY (system, stream)
) WITHOUT ROWID, STRICT;

-- How far a consumer of the log has come; moves with what it wrote.
CREATE TABLE progress (
    consumer TEXT PRIMARY KEY,
    "offset" INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

-- Who owns what, and the fence that makes a former owner's writes fail.
CREATE TABLE lease (
    name          TEXT PRIMARY KEY,
    owner         TEXT NOT NULL,
    fence         INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

-- Canonical records, newest version each.
CREATE TABLE record (
    system         TEXT NOT NULL,
    kind           TEXT NOT NULL,
    key            TEXT NOT NULL,
    version        INTEGER NOT NULL,
    tiebreak       INTEGER NOT NULL,
    changed_at_ms  INTEGER NOT NULL,
    observed_at_ms INTEGER NOT NULL,
    "offset"       INTEGER NOT NULL,
    hash           TEXT NOT NULL,
    body           TEXT NOT NULL,
    PRIMARY KEY (system, kind, key)
) WITHOUT ROWID, STRICT;

CREATE INDEX record_order_number ON record (json_extract(body, '$.number')) WHERE kind = 'order';

-- Our record <-> a system's id for it, what was last sent, and for stock what the channel holds.
CREATE TABLE binding (
    system          TEXT NOT NULL,
    kind            TEXT NOT NULL,
    key             TEXT NOT NULL,
    external_id     TEXT NOT NULL DEFAULT '',
    version         INTEGER NOT NULL DEFAULT 0,
    hash            TEXT NOT NULL DEFAULT '',
    held            INTEGER,
    unseen          INTEGER NOT NULL DEFAULT 0,
    stale           INTEGER NOT NULL DEFAULT 0,  -- "held" was refuted and has to be read again
    rev             INTEGER NOT NULL DEFAULT 0,
    confirmed_at_ms INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (system, kind, key)
) WITHOUT ROWID, STRICT;

CREATE INDEX binding_external ON binding (external_id) WHERE external_id <> '';
CREATE INDEX binding_unseen ON binding (system, key) WHERE kind = 'stock' AND unseen > 0;

-- Units that a channel has promised to a buyer, until the ERP's figures account for them.
CREATE TABLE demand (
    channel       TEXT NOT NULL,
    order_key     TEXT NOT NULL,
    line_id       TEXT NOT NULL,
    location      TEXT NOT NULL,
    sku           TEXT NOT NULL,
    quantity      INTEGER NOT NULL,
    taken         INTEGER NOT NULL,
    erp_before    INTEGER NOT NULL DEFAULT 0,
    erp_quantity  INTEGER NOT NULL DEFAULT 0,
    erp_stamp_ms  INTEGER,
    our_stamp_ms  INTEGER,
    settled       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, order_key, line_id, location)
) WITHOUT ROWID, STRICT;
CREATE INDEX demand_open ON demand (sku) WHERE settled = 0;

-- What can be promised of a SKU from a set of locations (a pool) before anybody holds any of it. A change of
-- what it was computed from makes it stale; a hold is taken from no stale number.
CREATE TABLE shelf (
    sku      TEXT NOT NULL,
    pool     TEXT NOT NULL,
    free     INTEGER NOT NULL,
    as_of_ms INTEGER NOT NULL,
    stale    INTEGER NOT NULL,
    rev      INTEGER NOT NULL,
    PRIMARY KEY (sku, pool)
) WITHOUT ROWID, STRICT;

-- Units that a checkout holds: one row for each line and each pool that it counts in. The pool that the line
-- asked for is its "main" one; one that does not bind is another channel's, which may keep back more.
CREATE TABLE hold (
    reference       TEXT NOT NULL,
    line            INTEGER NOT NULL,
    pool            TEXT NOT NULL,
    channel         TEXT NOT NULL,
    sku             TEXT NOT NULL,
    location        TEXT NOT NULL,
    asked           INTEGER NOT NULL,
    quantity        INTEGER NOT NULL,
    state           TEXT NOT NULL,
    main            INTEGER NOT NULL,
    binds           INTEGER NOT NULL,
    order_key       TEXT NOT NULL,
    made_by         TEXT NOT NULL,
    created_at_ms   INTEGER NOT NULL,
    expires_at_ms   INTEGER NOT NULL,
    confirmed_at_ms INTEGER NOT NULL,
    PRIMARY KEY (reference, line, pool)
) WITHOUT ROWID, STRICT;
CREATE INDEX hold_open ON hold (sku, pool) WHERE state IN ('open', 'confirmed');
CREATE INDEX hold_due ON hold (expires_at_ms) WHERE state IN ('open', 'confirmed');
CREATE INDEX hold_over ON hold (expires_at_ms) WHERE state NOT IN ('open', 'confirmed');
CREATE INDEX hold_order ON hold (channel, order_key) WHERE order_key <> '';

-- What is known of the demand for each SKU that ever sold, at all of its channels, and of each category (the key
-- begins with char(31)). The bytes are those of `syncline.freshness.demand`.
CREATE TABLE velocity (
    key   TEXT PRIMARY KEY,
    state BLOB NOT NULL
) WITHOUT ROWID, STRICT;

-- SKUs whose shown numbers are to be computed again, since the oldest change that asked for it.
CREATE TABLE dirty (
    sku           TEXT PRIMARY KEY,
    seq           INTEGER NOT NULL,
    changed_at_ms INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX dirty_oldest ON dirty (changed_at_ms);

-- One row for each intended effect: the latest value of a record (state), or a fact.
CREATE TABLE delivery (
    system              TEXT NOT NULL,
    operation           TEXT NOT NULL,
    key                 TEXT NOT NULL,
    route               TEXT NOT NULL,
    state               TEXT NOT NULL,
    generation          INTEGER NOT NULL,
    first_changed_at_ms INTEGER NOT NULL,
    next_changed_at_ms  INTEGER NOT NULL DEFAULT 0,
    deliver_by_ms       INTEGER NOT NULL,
    not_before_ms       INTEGER NOT NULL,
    attempts            INTEGER NOT NULL,
    reason              TEXT NOT NULL,
    updated_at_ms       INTEGER NOT NULL,
    PRIMARY KEY (system, operation, key)
) WITHOUT ROWID, STRICT;
CREATE INDEX delivery_open ON delivery (system, state)
    WHERE state IN ('available', 'scheduled', 'retryable', 'running', 'parked');

-- Written before every external effect; finished after it. Unfinished means unknown.
CREATE TABLE intent (
    id             TEXT PRIMARY KEY,
    system         TEXT NOT NULL,
    operation      TEXT NOT NULL,
    items          TEXT NOT NULL,
    started_at_ms  INTEGER NOT NULL,
    finished_at_ms INTEGER,
    result         TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID, STRICT;
CREATE INDEX intent_unfinished ON intent (system) WHERE finished_at_ms IS NULL;

-- Which delivery took part in which call: the life of a record, and the audit of every effect.
CREATE TABLE attempt (
    intent      TEXT NOT NULL,
    system      TEXT NOT NULL,
    operation   TEXT NOT NULL,
    key         TEXT NOT NULL,
    generation  INTEGER NOT NULL,
    result      TEXT NOT NULL DEFAULT '',
    message     TEXT NOT NULL DEFAULT '',
    at_ms       INTEGER NOT NULL,
    PRIMARY KEY (intent, key)
) WITHOUT ROWID, STRICT;
CREATE INDEX attempt_by_key ON attempt (key, intent);

-- What became of each captured order or shipment fact: applied, or why it changed nothing.
CREATE TABLE trace (
    kind     TEXT NOT NULL,
    key      TEXT NOT NULL,
    "offset" INTEGER NOT NULL,
    system   TEXT NOT NULL,
    via      TEXT NOT NULL,
    verdict  TEXT NOT NULL,
    at_ms    INTEGER NOT NULL,
    PRIMARY KEY (kind, key, "offset")
) WITHOUT ROWID, STRICT;

-- Work that needs a person, with everything needed to decide and to try again.
CREATE TABLE parked (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    system         TEXT NOT NULL,
    operation      TEXT NOT NULL,
    key            TEXT NOT NULL,
    reason         TEXT NOT NULL,
    detail         TEXT NOT NULL,
    payload        TEXT NOT NULL,
    parked_at_ms   INTEGER NOT NULL,
    resolved_at_ms INTEGER,
    resolution     TEXT NOT NULL DEFAULT '',
    resolved_by    TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE UNIQUE INDEX parked_open ON parked (system, operation, key) WHERE resolved_at_ms IS NULL;

-- One dot on the strip for every delivered change: how old it was when it landed.
CREATE TABLE lag (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    route           TEXT NOT NULL,
    key             TEXT NOT NULL,
    delivered_at_ms INTEGER NOT NULL,
    lag_ms          INTEGER NOT NULL,
    kept            INTEGER NOT NULL
) STRICT;
CREATE INDEX lag_by_route ON lag (route, delivered_at_ms);

-- Who did what, chained by hash so that a missing or altered row shows.
CREATE TABLE audit (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms     INTEGER NOT NULL,
    actor     TEXT NOT NULL,
    action    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    before    TEXT NOT NULL,
    after     TEXT NOT NULL,
    chain     TEXT NOT NULL
) STRICT;

CREATE TABLE account (
    name       TEXT PRIMARY KEY,
    role       TEXT NOT NULL,
    token_hash TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
