-- The audit log: one chain of events an account, each authenticated together with the one before. Lists are lines,
-- each ended by a newline and the first one begun by one.
CREATE TABLE audit_events (
    account    TEXT NOT NULL,
    sequence   BIGINT NOT NULL,
    time       BIGINT NOT NULL,
    kind       TEXT NOT NULL,
    intent     BIGINT NOT NULL,
    actor      TEXT NOT NULL,
    address    TEXT NOT NULL,
    method     TEXT NOT NULL,
    request_id TEXT NOT NULL,
    resources  TEXT NOT NULL,
    parameters TEXT NOT NULL,
    code       TEXT NOT NULL,
    reason     TEXT NOT NULL,
    versions   TEXT NOT NULL,
    left_out   BIGINT NOT NULL,
    mac        BLOB NOT NULL,
    PRIMARY KEY (account, sequence)
);
-- An intent has one outcome at most.
CREATE UNIQUE INDEX audit_events_outcomes ON audit_events (account, intent) WHERE intent > 0;

-- The last event of each chain, sealed, so that a chain that was cut short is seen.
CREATE TABLE audit_heads (
    account  TEXT PRIMARY KEY,
    sequence BIGINT NOT NULL,
    mac      BLOB NOT NULL,
    seal     BLOB NOT NULL
);

-- How far old events were removed, sealed: the chain goes on behind the newest of these.
CREATE TABLE audit_checkpoints (
    account  TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    mac      BLOB NOT NULL,
    time     BIGINT NOT NULL,
    seal     BLOB NOT NULL,
    PRIMARY KEY (account, sequence)
);

-- Append only. INSERT OR REPLACE runs no DELETE trigger, so a place that is taken is refused by one of its own.
CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_events_no_replace BEFORE INSERT ON audit_events
WHEN EXISTS (SELECT 1 FROM audit_events WHERE account = NEW.account AND sequence >= NEW.sequence)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
WHEN NOT EXISTS (SELECT 1 FROM audit_checkpoints WHERE account = OLD.account AND sequence >= OLD.sequence)
BEGIN
    SELECT RAISE(ABORT, 'audit events are removed behind a checkpoint only');
END;
CREATE TRIGGER audit_heads_forward BEFORE UPDATE ON audit_heads
WHEN NEW.account <> OLD.account OR NEW.sequence <= OLD.sequence
BEGIN
    SELECT RAISE(ABORT, 'the head of an audit log goes forward only');
END;
CREATE TRIGGER audit_heads_no_delete BEFORE DELETE ON audit_heads
BEGIN
    SELECT RAISE(ABORT, 'the head of an audit log goes forward only');
END;
CREATE TRIGGER audit_checkpoints_no_update BEFORE UPDATE ON audit_checkpoints
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_checkpoints_no_replace BEFORE INSERT ON audit_checkpoints
WHEN EXISTS (SELECT 1 FROM audit_checkpoints WHERE account = NEW.account AND sequence >= NEW.sequence)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_checkpoints_no_delete BEFORE DELETE ON audit_checkpoints
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
