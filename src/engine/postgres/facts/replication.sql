-- What this server is among those that copy from each other. PostgreSQL 13 to 18.
-- A standby that has replayed all that it received is not behind, as long as somebody sends; without a sender, or in the
-- middle of replaying, the age of what it replayed last is how far it may be behind.
SELECT (SELECT system_identifier FROM pg_control_system())::text, pg_is_in_recovery(),
       EXISTS (SELECT FROM pg_stat_wal_receiver),
       CASE WHEN NOT pg_is_in_recovery() THEN NULL
            WHEN EXISTS (SELECT FROM pg_stat_wal_receiver)
                 AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())
       END::float8
