-- Each reading of both sides of a route. `position` is up to where everything was judged, so that a restart goes on
-- there; `body` is JSON: differences by cause, and what became of them.
CREATE TABLE proof (
    id            text COLLATE "C" PRIMARY KEY,
    route         text COLLATE "C" NOT NULL,
    state         text COLLATE "C" NOT NULL,
    asked_by      text COLLATE "C" NOT NULL,
    dry_run       bigint NOT NULL,
    started_at_ms bigint NOT NULL,
    ended_at_ms   bigint,
    position      text COLLATE "C" NOT NULL,
    rows          bigint NOT NULL,
    body          text COLLATE "C" NOT NULL
);
CREATE INDEX proof_by_route ON proof (route, started_at_ms);

-- What was not the same on both sides, and why: open until a proof does not find it any more.
CREATE TABLE difference (
    route        text COLLATE "C" NOT NULL,
    key          text COLLATE "C" NOT NULL,
    cause        text COLLATE "C" NOT NULL,
    subject      text COLLATE "C" NOT NULL,
    detail       text COLLATE "C" NOT NULL,
    units        bigint NOT NULL,
    state        text COLLATE "C" NOT NULL,
    proof        text COLLATE "C" NOT NULL,
    first_at_ms  bigint NOT NULL,
    seen_at_ms   bigint NOT NULL,
    times        bigint NOT NULL,
    decided_by   text COLLATE "C" NOT NULL DEFAULT '',
    closed_at_ms bigint,
    PRIMARY KEY (route, key, cause)
);
CREATE INDEX difference_closed ON difference (closed_at_ms) WHERE closed_at_ms IS NOT NULL;
