-- Passwords that are about to be set on a database: stored before the database is told, and gone when it is known which
-- password holds. Sealed under (account, connection, field, credential_revision), the revision that they will have.
CREATE TABLE pending_credentials (
    account             TEXT NOT NULL,
    connection          TEXT NOT NULL,
    credential_revision BIGINT NOT NULL,
    sealed_password     BLOB NOT NULL,
    sealed_client_key   BLOB,
    request_id          TEXT,
    request_digest      BLOB,
    created             BIGINT NOT NULL,
    PRIMARY KEY (account, connection),
    FOREIGN KEY (account, connection) REFERENCES connections (account, id) ON DELETE CASCADE
);
