-- The versions of the master key: which one is written with, which are still read. The keys themselves are elsewhere.
CREATE TABLE master_keys (
    version   BIGINT PRIMARY KEY,
    -- The four bytes by which sealed records name the version.
    mark      BLOB NOT NULL,
    state     TEXT NOT NULL,
    key_check BLOB NOT NULL,
    created   BIGINT NOT NULL,
    retired   BIGINT
);
CREATE UNIQUE INDEX master_keys_current ON master_keys (state) WHERE state = 'current';
