-- What is known of backups. A cache: the truth is the manifests in the backup storage.
CREATE TABLE backups (
    account         TEXT NOT NULL REFERENCES accounts (id),
    connection      TEXT NOT NULL,
    id              TEXT NOT NULL,
    state           TEXT NOT NULL,
    engine          TEXT NOT NULL,
    format          TEXT NOT NULL,
    database        TEXT NOT NULL,
    server_version  TEXT NOT NULL,
    tool            TEXT NOT NULL,
    created         BIGINT NOT NULL,
    ended           BIGINT,
    plain_size      BIGINT NOT NULL,
    stored_size     BIGINT NOT NULL,
    chunk_count     BIGINT NOT NULL,
    new_chunk_count BIGINT NOT NULL,
    table_count     BIGINT NOT NULL,
    row_count       BIGINT NOT NULL,
    verified        BIGINT,
    operation       TEXT NOT NULL,
    error           TEXT,
    PRIMARY KEY (account, connection, id)
);
CREATE INDEX backups_newest ON backups (account, created, connection, id);
