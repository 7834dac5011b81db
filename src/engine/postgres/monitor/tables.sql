-- Statistics of the 100 largest tables by the planner's page counts; a size is asked of those alone, and of none on which
-- somebody holds or waits for an AccessExclusive lock. PostgreSQL 13 to 18.
WITH largest AS (
    SELECT c.oid, n.nspname, c.relname
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_locks l
                      WHERE l.relation = c.oid AND l.mode = 'AccessExclusiveLock' AND l.locktype = 'relation')
    ORDER BY c.relpages DESC, c.oid
    LIMIT 100
)
SELECT t.nspname::text, t.relname::text, pg_table_size(t.oid)::float8, pg_indexes_size(t.oid)::float8,
       s.n_live_tup::float8, s.n_dead_tup::float8, s.seq_scan::float8, s.idx_scan::float8,
       (extract(epoch FROM greatest(pg_postmaster_start_time(),
           (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()))) * 1000000)::int8
FROM largest t
LEFT JOIN pg_stat_all_tables s ON s.relid = t.oid
