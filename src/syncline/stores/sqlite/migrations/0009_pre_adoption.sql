-- What `syncline adopt` has read of both sides, how far it has come, and what a person decided; as JSON.
CREATE TABLE adoption (
    system TEXT NOT NULL,
    kind   TEXT NOT NULL,
    key    TEXT NOT NULL,
    body   TEXT NOT NULL,
    PRIMARY KEY (system, kind, key)
) WITHOUT ROWID, STRICT;
