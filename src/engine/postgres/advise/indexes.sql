-- How often each index was scanned. One row an index, out of shared memory. PostgreSQL 13 to 18.
SELECT schemaname::text AS schema, relname::text AS name, indexrelname::text AS index, idx_scan
FROM pg_stat_user_indexes
