-- What a person has paused or put in shadow: a route by its name, or a system. It lasts until "until_ms"; what is over
-- stays, because changes that waited for it are told apart from those that were late by themselves.
CREATE TABLE mode (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    subject  TEXT NOT NULL,
    mode     TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    until_ms INTEGER,
    actor    TEXT NOT NULL,
    reason   TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX mode_open ON mode (subject, mode) WHERE until_ms IS NULL;
CREATE INDEX mode_of_subject ON mode (subject, since_ms);
