-- Sessions of clients and of replication by start. $1 most rows. Who blocks is only asked for those that wait for a lock,
-- for the answer takes the lock table's locks. PostgreSQL 13 to 18.
SELECT a.pid::text, (extract(epoch FROM a.backend_start) * 1000000)::int8, coalesce(a.usename::text, ''),
       coalesce(a.datname::text, ''), coalesce(a.application_name, ''), coalesce(host(a.client_addr), ''),
       coalesce(a.state, ''), coalesce(a.wait_event_type || ': ' || a.wait_event, ''),
       (extract(epoch FROM a.query_start) * 1000000)::int8, (extract(epoch FROM a.xact_start) * 1000000)::int8,
       coalesce(left(a.query, 1000), ''),
       CASE WHEN a.wait_event_type = 'Lock'
            THEN ARRAY (SELECT DISTINCT b::text FROM unnest(pg_blocking_pids(a.pid)) AS b ORDER BY 1) ELSE '{}' END,
       a.usename = current_user AND (a.application_name = 'dbkeeper' OR a.application_name LIKE 'dbkeeper operation/%')
FROM pg_stat_activity a
WHERE a.backend_type IN ('client backend', 'walsender', 'autovacuum worker')
ORDER BY a.backend_start, a.pid
LIMIT $1
