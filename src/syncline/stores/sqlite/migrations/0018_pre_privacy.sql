-- Requests about personal data, as JSON: they are kept, because that something was erased has to be shown.
CREATE TABLE privacy (
    id    TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    body  TEXT NOT NULL
) WITHOUT ROWID, STRICT;

-- Records of somebody who was erased: whatever is told of them later is taken in without the person.
CREATE TABLE erased (
    system TEXT NOT NULL,
    kind   TEXT NOT NULL,
    key    TEXT NOT NULL,
    at_ms  INTEGER NOT NULL,
    PRIMARY KEY (system, kind, key)
) WITHOUT ROWID, STRICT;
