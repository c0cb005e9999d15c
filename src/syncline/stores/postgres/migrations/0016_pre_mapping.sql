-- Every version of the mapping that was ever in force; the one with the highest number is.
CREATE TABLE mapping (
    number   bigint PRIMARY KEY,
    at_ms    bigint NOT NULL,
    actor    text NOT NULL,
    note     text NOT NULL,
    restores bigint NOT NULL,
    text     text NOT NULL
);
