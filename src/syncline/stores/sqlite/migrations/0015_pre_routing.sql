-- What was said about where an order is sent from: decided by us, refused by a location, allowed again by a person.
CREATE TABLE routing (
    channel   TEXT NOT NULL,
    order_key TEXT NOT NULL,
    id        TEXT NOT NULL,
    at_ms     INTEGER NOT NULL,
    said      TEXT NOT NULL,
    body      TEXT NOT NULL,
    PRIMARY KEY (channel, order_key, id)
) STRICT, WITHOUT ROWID;

-- Which orders a location was given, by which its capacity is judged; kept for two days.
CREATE TABLE routing_given (
    channel   TEXT NOT NULL,
    order_key TEXT NOT NULL,
    system    TEXT NOT NULL,
    location  TEXT NOT NULL,
    at_ms     INTEGER NOT NULL,
    PRIMARY KEY (channel, order_key, system, location)
) STRICT, WITHOUT ROWID;
CREATE INDEX routing_given_at ON routing_given (system, at_ms, location);
