-- What a person has paused or put in shadow: a route by its name, or a system. It lasts until "until_ms"; what is over
-- stays, because changes that waited for it are told apart from those that were late by themselves.
CREATE TABLE mode (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject  text COLLATE "C" NOT NULL,
    mode     text COLLATE "C" NOT NULL,
    since_ms bigint NOT NULL,
    until_ms bigint,
    actor    text COLLATE "C" NOT NULL,
    reason   text COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX mode_open ON mode (subject, mode) WHERE until_ms IS NULL;
CREATE INDEX mode_of_subject ON mode (subject, since_ms);
