-- What the hourly survey found of each SKU that is not as most are: faster than low, or with an `auto` buffer.
-- `buffers` are units by inventory route, as configured, such as `3,,12`. `slow_since_ms`: since when it has been too slow for its class.
CREATE TABLE standing (
    sku           text COLLATE "C" PRIMARY KEY,
    velocity      text COLLATE "C" NOT NULL,
    slow_since_ms bigint,
    buffers       text COLLATE "C" NOT NULL
);

-- What each survey found on the whole, as JSON: one row for a subject and hour.
CREATE TABLE survey (
    subject text COLLATE "C" NOT NULL,
    at_ms   bigint NOT NULL,
    body    text COLLATE "C" NOT NULL,
    PRIMARY KEY (subject, at_ms)
);
