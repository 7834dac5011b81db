-- Relations on which somebody holds or waits for an AccessExclusive lock, the tables of such indexes, and the views over
-- them: the functions that print definitions and sizes would wait for that lock. PostgreSQL 13 to 18.
WITH RECURSIVE held AS (
    SELECT l.relation AS oid FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_backend_pid()
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
), blocked AS (
    SELECT oid FROM held
    UNION
    SELECT i.indrelid FROM held JOIN pg_index i ON i.indexrelid = held.oid
    UNION
    SELECT r.ev_class FROM blocked
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = blocked.oid
                    AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite r ON r.oid = d.objid
)
SELECT coalesce(array_agg(oid), '{}') FROM blocked
