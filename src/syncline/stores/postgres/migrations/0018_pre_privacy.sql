-- Requests about personal data, as JSON: they are kept, because that something was erased has to be shown.
CREATE TABLE privacy (
    id    text COLLATE "C" NOT NULL PRIMARY KEY,
    state text COLLATE "C" NOT NULL,
    body  text COLLATE "C" NOT NULL
);

-- Records of somebody who was erased: whatever is told of them later is taken in without the person.
CREATE TABLE erased (
    system text COLLATE "C" NOT NULL,
    kind   text COLLATE "C" NOT NULL,
    key    text COLLATE "C" NOT NULL,
    at_ms  bigint NOT NULL,
    PRIMARY KEY (system, kind, key)
);
