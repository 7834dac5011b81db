-- Relations on which somebody holds or waits for an AccessExclusive lock, the tables of such indexes, and what reads them by a
-- view, a rule or a policy: the functions that print definitions and sizes would wait for that lock. Of a sequence any lock
-- that keeps it from being read for its last number. PostgreSQL 13 to 18.
WITH RECURSIVE held AS (
    SELECT l.relation AS oid FROM pg_locks l
    LEFT JOIN pg_sequence s ON s.seqrelid = l.relation
    WHERE l.locktype = 'relation' AND l.pid <> pg_backend_pid()
      AND (l.mode = 'AccessExclusiveLock'
           OR s.seqrelid IS NOT NULL AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock'))
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
), blocked AS (
    SELECT oid FROM held
    UNION
    SELECT i.indrelid FROM held JOIN pg_index i ON i.indexrelid = held.oid
    UNION
    SELECT coalesce(r.ev_class, p.polrelid) FROM blocked
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = blocked.oid
                    AND d.classid IN ('pg_rewrite'::regclass, 'pg_policy'::regclass)
    LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
    LEFT JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
)
SELECT coalesce(array_agg(oid), '{}') FROM blocked
