-- Changes of what is known of reaching a database, the newest of each account, so that a watcher that comes back misses
-- none. Without `previous` it was registered then, without `state` it was deleted.
CREATE TABLE connection_transitions (
    account    TEXT NOT NULL,
    sequence   BIGINT NOT NULL,
    connection TEXT NOT NULL,
    previous   TEXT,
    state      TEXT,
    failure    TEXT,
    time       BIGINT NOT NULL,
    PRIMARY KEY (account, sequence)
);

-- What the last test that somebody asked for found, and what last went wrong.
ALTER TABLE connection_statuses ADD COLUMN last_test TEXT;
ALTER TABLE connection_statuses ADD COLUMN last_failure TEXT;
