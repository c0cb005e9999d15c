-- What `syncline adopt` has read of both sides, how far it has come, and what a person decided; as JSON.
CREATE TABLE adoption (
    system text COLLATE "C" NOT NULL,
    kind   text COLLATE "C" NOT NULL,
    key    text COLLATE "C" NOT NULL,
    body   text COLLATE "C" NOT NULL,
    PRIMARY KEY (system, kind, key)
);
