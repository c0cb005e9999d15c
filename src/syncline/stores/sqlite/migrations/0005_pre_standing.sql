-- What the hourly survey found of each SKU that is not as most are: faster than low, or with an `auto` buffer.
-- `buffers` are units by inventory route, as configured, such as `3,,12`. `slow_since_ms`: since when it has been too slow for its class.
CREATE TABLE standing (
    sku           TEXT PRIMARY KEY,
    velocity      TEXT NOT NULL,
    slow_since_ms INTEGER,
    buffers       TEXT NOT NULL
) WITHOUT ROWID, STRICT;

-- What each survey found on the whole, as JSON: one row for a subject and hour.
CREATE TABLE survey (
    subject TEXT NOT NULL,
    at_ms   INTEGER NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (subject, at_ms)
) WITHOUT ROWID, STRICT;
