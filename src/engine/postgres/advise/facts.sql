-- Since when the statistics count, in microseconds since 1970: since they were last reset, and where they never were at least since
-- the server was started, or threw them away after it had broken down, which the statistics of the background writer tell. Whether the
-- server is a replica. The schemas of the two extensions, and whether the one of statements is loaded. Whether the user sees
-- statements of others. PostgreSQL 13 to 18.
SELECT (extract(epoch FROM coalesce(
           (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()),
           (SELECT greatest(pg_postmaster_start_time(), stats_reset) FROM pg_stat_bgwriter))) * 1000000)::int8 AS since,
       pg_is_in_recovery() AS is_replica,
       (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname = 'pg_stat_statements') AS statements_schema,
       EXISTS (SELECT FROM pg_settings WHERE name = 'pg_stat_statements.max') AS statements_loaded,
       pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
       (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname = 'hypopg') AS hypopg_schema,
       EXISTS (SELECT FROM pg_available_extensions WHERE name = 'hypopg') AS hypopg_available
