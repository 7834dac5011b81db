-- An event and the head of its chain that it becomes, added by one statement: an audited call waits for this twice, and each
-- statement more is a change of threads more.
CREATE VIEW audit_appends AS
SELECT e.*, h.seal, NULL AS previous
FROM audit_events AS e JOIN audit_heads AS h ON h.account = e.account AND h.sequence = e.sequence;

CREATE TRIGGER audit_appends_insert INSTEAD OF INSERT ON audit_appends
BEGIN
    -- What was looked at before, outside of a transaction, is still the head; absent where the look was inside.
    SELECT RAISE(ABORT, 'the end of the audit log has changed')
    WHERE EXISTS (SELECT 1 FROM audit_heads WHERE account = NEW.account AND mac <> NEW.previous);
    INSERT INTO audit_events (account, sequence, time, kind, intent, actor, address, method, request_id, resources,
                              parameters, code, reason, versions, left_out, mac)
    VALUES (NEW.account, NEW.sequence, NEW.time, NEW.kind, NEW.intent, NEW.actor, NEW.address, NEW.method,
            NEW.request_id, NEW.resources, NEW.parameters, NEW.code, NEW.reason, NEW.versions, NEW.left_out, NEW.mac);
    INSERT INTO audit_heads (account, sequence, mac, seal) VALUES (NEW.account, NEW.sequence, NEW.mac, NEW.seal)
    ON CONFLICT (account) DO UPDATE SET sequence = excluded.sequence, mac = excluded.mac, seal = excluded.seal;
END;
