-- Each reading of both sides of a route. `position` is up to where everything was judged, so that a restart goes on
-- there; `body` is JSON: differences by cause, and what became of them.
CREATE TABLE proof (
    id            TEXT PRIMARY KEY,
    route         TEXT NOT NULL,
    state         TEXT NOT NULL,
    asked_by      TEXT NOT NULL,
    dry_run       INTEGER NOT NULL,
    started_at_ms INTEGER NOT NULL,
    ended_at_ms   INTEGER,
    position      TEXT NOT NULL,
    rows          INTEGER NOT NULL,
    body          TEXT NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX proof_by_route ON proof (route, started_at_ms);

-- What was not the same on both sides, and why: open until a proof does not find it any more.
CREATE TABLE difference (
    route        TEXT NOT NULL,
    key          TEXT NOT NULL,
    cause        TEXT NOT NULL,
    subject      TEXT NOT NULL,
    detail       TEXT NOT NULL,
    units        INTEGER NOT NULL,
    state        TEXT NOT NULL,
    proof        TEXT NOT NULL,
    first_at_ms  INTEGER NOT NULL,
    seen_at_ms   INTEGER NOT NULL,
    times        INTEGER NOT NULL,
    decided_by   TEXT NOT NULL DEFAULT '',
    closed_at_ms INTEGER,
    PRIMARY KEY (route, key, cause)
) WITHOUT ROWID, STRICT;
CREATE INDEX difference_closed ON difference (closed_at_ms) WHERE closed_at_ms IS NOT NULL;
