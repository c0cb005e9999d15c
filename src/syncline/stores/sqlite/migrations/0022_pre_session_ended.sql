-- Sessions that were logged out of before their end, by a hash of each: a copy of one stays dead over a restart.
CREATE TABLE session_ended (
    hash       TEXT PRIMARY KEY,
    ends_at_ms INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
