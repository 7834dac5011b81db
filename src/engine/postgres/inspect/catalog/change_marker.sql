-- How many rows were written in the catalogs that hold definitions, since when they are counted, and since when the server runs.
-- NULL where writes are not counted, or where they are another server's. A few look-ups in shared memory. PostgreSQL counts a
-- change when its session is next idle, but at most once a second, and after ten seconds at the latest (until 14: half a
-- second after it has ended). PostgreSQL 13 to 18.
SELECT CASE WHEN NOT pg_is_in_recovery() AND current_setting('track_counts')::bool THEN concat_ws(
    ' ',
    (SELECT sum(pg_stat_get_tuples_inserted(c) + pg_stat_get_tuples_updated(c) + pg_stat_get_tuples_deleted(c))
     FROM unnest('{pg_class, pg_attribute, pg_attrdef, pg_constraint, pg_index, pg_inherits, pg_partitioned_table, pg_trigger,
                   pg_rewrite, pg_policy, pg_proc, pg_aggregate, pg_type, pg_enum, pg_range, pg_sequence, pg_namespace,
                   pg_description, pg_depend, pg_collation, pg_extension, pg_publication, pg_publication_rel,
                   pg_foreign_table, pg_foreign_server, pg_user_mapping, pg_statistic_ext, pg_default_acl,
                   pg_publication_namespace, -- 15+
                   pg_operator, pg_opclass, pg_cast}'::regclass[]) AS c),
    (SELECT extract(epoch FROM stats_reset) FROM pg_stat_database WHERE datname = current_database()),
    extract(epoch FROM pg_postmaster_start_time())) END
