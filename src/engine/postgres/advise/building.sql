-- Tables on which an index is being built. The view shows the table to members of pg_read_all_stats alone, its lock shows it to
-- everybody. PostgreSQL 13 to 18.
SELECT DISTINCT n.nspname::text AS schema, c.relname::text AS name
FROM pg_stat_progress_create_index p
JOIN pg_locks l ON l.pid = p.pid AND l.locktype = 'relation' AND l.granted
    AND l.mode IN ('ShareLock', 'ShareUpdateExclusiveLock')
JOIN pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'm', 'p')
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE p.datname = current_database()
