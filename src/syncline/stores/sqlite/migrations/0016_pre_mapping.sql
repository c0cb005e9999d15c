-- Every version of the mapping that was ever in force; the one with the highest number is.
CREATE TABLE mapping (
    number   INTEGER PRIMARY KEY,
    at_ms    INTEGER NOT NULL,
    actor    TEXT NOT NULL,
    note     TEXT NOT NULL,
    restores INTEGER NOT NULL,
    text     TEXT NOT NULL
) STRICT;
