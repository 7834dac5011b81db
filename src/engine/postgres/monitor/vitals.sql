-- How the server is, in one row. PostgreSQL 13 to 18.
SELECT (extract(epoch FROM now() - pg_postmaster_start_time()) * 1000)::int8, pg_is_in_recovery(),
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
       current_setting('max_connections')::int8,
       current_setting('max_connections')::int8 - current_setting('superuser_reserved_connections')::int8,
       (SELECT max(age(datfrozenxid))::int8 FROM pg_database),
       (SELECT max(mxid_age(datminmxid))::int8 FROM pg_database)
