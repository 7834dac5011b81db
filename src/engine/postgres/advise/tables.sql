-- How often each table was scanned, by index and as a whole, and what was written to it. One row a table, out of shared memory.
-- PostgreSQL 13 to 18.
SELECT schemaname::text AS schema, relname::text AS name, seq_scan, seq_tup_read, coalesce(idx_scan, 0) AS idx_scan,
       n_tup_ins, n_tup_upd, n_tup_hot_upd, n_tup_del
FROM pg_stat_user_tables
