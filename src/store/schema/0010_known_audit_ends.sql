-- An event is added by what this process knows of the end of the chain, without reading it before. So the trigger looks at all that
-- the reading looked at: the head is the one that was written, seal included, and nothing lies beyond it.
DROP TRIGGER audit_appends_insert;
DROP VIEW audit_appends;

CREATE VIEW audit_appends AS
SELECT e.*, h.seal, NULL AS previous, NULL AS previous_seal
FROM audit_events AS e JOIN audit_heads AS h ON h.account = e.account AND h.sequence = e.sequence;

CREATE TRIGGER audit_appends_insert INSTEAD OF INSERT ON audit_appends
BEGIN
    -- `previous` is absent where the end was read in the same transaction.
    SELECT RAISE(ABORT, 'the end of the audit log has changed')
    WHERE NEW.previous IS NOT NULL
      AND (EXISTS (SELECT 1 FROM audit_heads
                   WHERE account = NEW.account
                     AND (sequence <> NEW.sequence - 1 OR mac <> NEW.previous OR seal <> NEW.previous_seal))
           OR NEW.sequence > 1 AND NOT EXISTS (SELECT 1 FROM audit_heads WHERE account = NEW.account)
           OR EXISTS (SELECT 1 FROM audit_events WHERE account = NEW.account AND sequence >= NEW.sequence)
           OR EXISTS (SELECT 1 FROM audit_checkpoints WHERE account = NEW.account AND sequence >= NEW.sequence));
    INSERT INTO audit_events (account, sequence, time, kind, intent, actor, address, method, request_id, resources,
                              parameters, code, reason, versions, left_out, mac)
    VALUES (NEW.account, NEW.sequence, NEW.time, NEW.kind, NEW.intent, NEW.actor, NEW.address, NEW.method,
            NEW.request_id, NEW.resources, NEW.parameters, NEW.code, NEW.reason, NEW.versions, NEW.left_out, NEW.mac);
    INSERT INTO audit_heads (account, sequence, mac, seal) VALUES (NEW.account, NEW.sequence, NEW.mac, NEW.seal)
    ON CONFLICT (account) DO UPDATE SET sequence = excluded.sequence, mac = excluded.mac, seal = excluded.seal;
END;
