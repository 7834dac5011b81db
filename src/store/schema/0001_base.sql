-- What the server knows of itself: its id, the check value of its master key.
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
);

-- Keys that the server made for itself, sealed by the master key.
CREATE TABLE server_keys (
    name    TEXT PRIMARY KEY,
    sealed  BLOB NOT NULL,
    created BIGINT NOT NULL
);

CREATE TABLE accounts (
    id           TEXT PRIMARY KEY,
    display_name TEXT NOT NULL,
    created      BIGINT NOT NULL
);

-- The secret part of a key is held as an HMAC only.
CREATE TABLE api_keys (
    id           TEXT PRIMARY KEY,
    account      TEXT NOT NULL REFERENCES accounts (id),
    display_name TEXT NOT NULL,
    role         TEXT NOT NULL,
    digest       BLOB NOT NULL,
    created      BIGINT NOT NULL,
    expires      BIGINT,
    revoked      BIGINT
);

-- Registered databases. Secrets are sealed under (account, connection, field, credential_revision).
CREATE TABLE connections (
    account             TEXT NOT NULL REFERENCES accounts (id),
    id                  TEXT NOT NULL,
    engine              TEXT NOT NULL,
    display_name        TEXT NOT NULL,
    settings            TEXT NOT NULL,
    sealed_password     BLOB,
    sealed_client_key   BLOB,
    revision            BIGINT NOT NULL,
    credential_revision BIGINT NOT NULL,
    created             BIGINT NOT NULL,
    updated             BIGINT NOT NULL,
    PRIMARY KEY (account, id)
);

-- What was last seen of a registered database. Apart, so that a look at it does not touch its settings.
CREATE TABLE connection_statuses (
    account        TEXT NOT NULL,
    connection     TEXT NOT NULL,
    revision       BIGINT NOT NULL,
    state          TEXT NOT NULL,
    health         TEXT NOT NULL,
    server_version TEXT NOT NULL,
    last_tested    BIGINT,
    PRIMARY KEY (account, connection),
    FOREIGN KEY (account, connection) REFERENCES connections (account, id) ON DELETE CASCADE
);

-- request_id of calls that made something, with a keyed digest of the body.
CREATE TABLE requests (
    account    TEXT NOT NULL,
    method     TEXT NOT NULL,
    request_id TEXT NOT NULL,
    digest     BLOB NOT NULL,
    resource   TEXT NOT NULL,
    created    BIGINT NOT NULL,
    PRIMARY KEY (account, method, request_id)
);
CREATE INDEX requests_created ON requests (created);

CREATE TABLE migration_sets (
    account      TEXT NOT NULL REFERENCES accounts (id),
    id           TEXT NOT NULL,
    display_name TEXT NOT NULL,
    revision     BIGINT NOT NULL,
    created      BIGINT NOT NULL,
    updated      BIGINT NOT NULL,
    PRIMARY KEY (account, id)
);

-- sort_key orders versions as numbers and is the same for 1 and 01. The texts stand apart from what a list shows.
CREATE TABLE migrations (
    account       TEXT NOT NULL,
    migration_set TEXT NOT NULL,
    sort_key      TEXT NOT NULL,
    version       TEXT NOT NULL,
    title         TEXT NOT NULL,
    checksum      TEXT NOT NULL,
    file          TEXT NOT NULL,
    reversible    BIGINT NOT NULL,
    transactional BIGINT NOT NULL,
    up_size       BIGINT NOT NULL,
    scripts       TEXT NOT NULL,
    PRIMARY KEY (account, migration_set, sort_key),
    FOREIGN KEY (account, migration_set) REFERENCES migration_sets (account, id) ON DELETE CASCADE
);

CREATE TABLE operations (
    account          TEXT NOT NULL,
    id               TEXT NOT NULL,
    kind             TEXT NOT NULL,
    state            TEXT NOT NULL,
    connection       TEXT NOT NULL,
    spec             TEXT NOT NULL,
    backup           TEXT,
    exclusive_key    TEXT,
    progress         TEXT NOT NULL,
    sequence         BIGINT NOT NULL,
    fence            BIGINT NOT NULL,
    cancel_requested BIGINT NOT NULL,
    requested_by     TEXT NOT NULL,
    result           TEXT,
    error            TEXT,
    created          BIGINT NOT NULL,
    started          BIGINT,
    ended            BIGINT,
    PRIMARY KEY (account, id)
);
-- One operation that changes a database at a time, whoever asked for it.
CREATE UNIQUE INDEX operations_exclusive ON operations (exclusive_key)
    WHERE exclusive_key IS NOT NULL AND state IN ('queued', 'running');
CREATE INDEX operations_newest ON operations (account, created, id);
CREATE INDEX operations_active ON operations (state) WHERE state IN ('queued', 'running');

CREATE TABLE operation_logs (
    account   TEXT NOT NULL,
    operation TEXT NOT NULL,
    sequence  BIGINT NOT NULL,
    time      BIGINT NOT NULL,
    text      TEXT NOT NULL,
    PRIMARY KEY (account, operation, sequence)
);
