-- What was said about where an order is sent from: decided by us, refused by a location, allowed again by a person.
CREATE TABLE routing (
    channel   text COLLATE "C" NOT NULL,
    order_key text COLLATE "C" NOT NULL,
    id        text COLLATE "C" NOT NULL,
    at_ms     bigint NOT NULL,
    said      text COLLATE "C" NOT NULL,
    body      text NOT NULL,
    PRIMARY KEY (channel, order_key, id)
);

-- Which orders a location was given, by which its capacity is judged; kept for two days.
CREATE TABLE routing_given (
    channel   text COLLATE "C" NOT NULL,
    order_key text COLLATE "C" NOT NULL,
    system    text COLLATE "C" NOT NULL,
    location  text COLLATE "C" NOT NULL,
    at_ms     bigint NOT NULL,
    PRIMARY KEY (channel, order_key, system, location)
);
CREATE INDEX routing_given_at ON routing_given (system, at_ms, location);
