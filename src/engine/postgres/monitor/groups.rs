//! The groups of metrics: for each its query and what its columns are. The attributes of a row come first, as text, then the
//! values as float8, then the epoch in microseconds or NULL.

use std::borrow::Cow;

use crate::model::{
    metric::{MetricKind, SampleTiers},
    name::Identifier,
};

/// One query and what its columns are.
pub(super) struct Group {
    pub(super) subject: &'static str,
    pub(super) sql: Cow<'static, str>,
    pub(super) attributes: &'static [&'static str],
    pub(super) values: &'static [Value],
}

/// What a column is.
pub(super) struct Value {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) kind: MetricKind,
    /// Tells it from other columns of the same metric.
    pub(super) attribute: Option<(&'static str, &'static str)>,
}

const fn gauge(name: &'static str, unit: &'static str) -> Value {
    Value { name, unit, kind: MetricKind::Gauge, attribute: None }
}

const fn counter(name: &'static str, unit: &'static str) -> Value {
    Value { name, unit, kind: MetricKind::Counter, attribute: None }
}

const fn with(value: Value, key: &'static str, text: &'static str) -> Value {
    Value { name: value.name, unit: value.unit, kind: value.kind, attribute: Some((key, text)) }
}

const BACKENDS: &[Value] = &[gauge("postgresql.backends", "{backend}")];
const ACTIVITY: &[Value] = &[
    gauge("postgresql.connection.max", "{connection}"),
    gauge("postgresql.transaction.longest", "s"),
    gauge("postgresql.backends.waiting", "{backend}"),
    gauge("postgresql.blocking.edges", "{edge}"),
];
const DATABASE: &[Value] = &[
    counter("postgresql.commits", "{transaction}"),
    counter("postgresql.rollbacks", "{transaction}"),
    counter("postgresql.deadlocks", "{deadlock}"),
    counter("postgresql.temp_files", "{file}"),
    counter("postgresql.temp.bytes", "By"),
    counter("postgresql.blks_hit", "{block}"),
    counter("postgresql.blks_read", "{block}"),
    counter("postgresql.tup_returned", "{row}"),
    counter("postgresql.tup_fetched", "{row}"),
    counter("postgresql.tup_inserted", "{row}"),
    counter("postgresql.tup_updated", "{row}"),
    counter("postgresql.tup_deleted", "{row}"),
];
const LOCKS: &[Value] = &[gauge("postgresql.locks", "{lock}")];
const AGES: &[Value] =
    &[gauge("postgresql.transaction_id.age", "{transaction}"), gauge("postgresql.multixact_id.age", "{multixact}")];
const CHECKPOINTS: &[Value] = &[
    with(counter("postgresql.checkpoints", "{checkpoint}"), "type", "timed"),
    with(counter("postgresql.checkpoints", "{checkpoint}"), "type", "requested"),
    counter("postgresql.checkpoint.write_time", "ms"),
    counter("postgresql.checkpoint.buffers", "{block}"),
];
const ARCHIVER: &[Value] =
    &[counter("postgresql.archiver.archived", "{segment}"), counter("postgresql.archiver.failures", "{failure}")];
const REPLICATION: &[Value] = &[gauge("postgresql.wal.lag", "By"), gauge("postgresql.replication.data_delay", "s")];
const RECOVERY: &[Value] = &[gauge("postgresql.replication.replay_delay", "s")];
const SLOTS: &[Value] = &[
    gauge("postgresql.replication_slot.active", "1"),
    gauge("postgresql.replication_slot.retained", "By"),
    gauge("postgresql.replication_slot.safe_wal_size", "By"),
];
const STATEMENTS: &[Value] = &[
    counter("postgresql.statements.calls", "{call}"),
    counter("postgresql.statements.time", "ms"),
    counter("postgresql.statements.rows", "{row}"),
];
const SIZE: &[Value] = &[gauge("postgresql.db_size", "By")];
const TABLES: &[Value] = &[
    gauge("postgresql.table.size", "By"),
    gauge("postgresql.index.size", "By"),
    with(gauge("postgresql.rows", "{row}"), "state", "live"),
    with(gauge("postgresql.rows", "{row}"), "state", "dead"),
    counter("postgresql.sequential_scans", "{scan}"),
    counter("postgresql.index.scans", "{scan}"),
];

const BACKENDS_SQL: &str = "SELECT coalesce(state, 'unknown'), count(*)::float8, NULL::int8 FROM pg_stat_activity \
    WHERE backend_type = 'client backend' GROUP BY 1";
const ACTIVITY_SQL: &str = "SELECT current_setting('max_connections')::float8, \
    coalesce(extract(epoch FROM max(now() - xact_start) FILTER (WHERE pid <> pg_backend_pid())), 0)::float8, \
    (count(*) FILTER (WHERE wait_event_type = 'Lock'))::float8, \
    coalesce(sum(CASE WHEN wait_event_type = 'Lock' THEN cardinality(pg_blocking_pids(pid)) ELSE 0 END), 0)::float8, \
    NULL::int8 FROM pg_stat_activity WHERE backend_type = 'client backend'";
const DATABASE_SQL: &str = "SELECT xact_commit::float8, xact_rollback::float8, deadlocks::float8, temp_files::float8, \
    temp_bytes::float8, blks_hit::float8, blks_read::float8, tup_returned::float8, tup_fetched::float8, \
    tup_inserted::float8, tup_updated::float8, tup_deleted::float8, \
    (extract(epoch FROM greatest(stats_reset, pg_postmaster_start_time())) * 1000000)::int8 \
    FROM pg_stat_database WHERE datname = current_database()";
const LOCKS_SQL: &str = "SELECT mode, CASE WHEN granted THEN 'held' ELSE 'awaited' END, count(*)::float8, NULL::int8 \
    FROM pg_locks WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()) GROUP BY 1, 2";
const AGES_SQL: &str = "SELECT age(datfrozenxid)::float8, mxid_age(datminmxid)::float8, NULL::int8 \
    FROM pg_database WHERE datname = current_database()";
/// Until version 16.
const BGWRITER_SQL: &str = "SELECT checkpoints_timed::float8, checkpoints_req::float8, checkpoint_write_time::float8, \
    buffers_checkpoint::float8, (extract(epoch FROM greatest(stats_reset, pg_postmaster_start_time())) * 1000000)::int8 \
    FROM pg_stat_bgwriter";
/// From version 17.
const CHECKPOINTER_SQL: &str = "SELECT num_timed::float8, num_requested::float8, write_time::float8, \
    buffers_written::float8, (extract(epoch FROM greatest(stats_reset, pg_postmaster_start_time())) * 1000000)::int8 \
    FROM pg_stat_checkpointer";
const ARCHIVER_SQL: &str = "SELECT archived_count::float8, failed_count::float8, \
    (extract(epoch FROM greatest(stats_reset, pg_postmaster_start_time())) * 1000000)::int8 FROM pg_stat_archiver";
const REPLICATION_SQL: &str = "SELECT coalesce(nullif(application_name, ''), host(client_addr), 'local'), pid::text, \
    pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END, \
                    replay_lsn)::float8, \
    extract(epoch FROM replay_lag)::float8, NULL::int8 FROM pg_stat_replication";
const RECOVERY_SQL: &str = "SELECT CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0 \
    ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp()) END::float8, NULL::int8 WHERE pg_is_in_recovery()";
const SLOTS_SQL: &str = "SELECT slot_name::text, coalesce(wal_status, ''), active::int4::float8, \
    pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END, \
                    restart_lsn)::float8, safe_wal_size::float8, NULL::int8 FROM pg_replication_slots";
const SIZE_SQL: &str = "SELECT pg_database_size(current_database())::float8, NULL::int8";
/// The largest tables by the planner's page counts, so that only theirs are looked at; one that is locked is left out.
const TABLES_SQL: &str = include_str!("tables.sql");

/// The groups of a server's version that are due.
pub(super) fn due_groups(major: u32, tiers: SampleTiers) -> Vec<Group> {
    let group = |subject, sql, attributes, values| Group { subject, sql: Cow::Borrowed(sql), attributes, values };
    let checkpoints = if major >= 17 { CHECKPOINTER_SQL } else { BGWRITER_SQL };
    let mut groups = vec![
        group("backends", BACKENDS_SQL, &["state"], BACKENDS),
        group("activity", ACTIVITY_SQL, &[], ACTIVITY),
        group("database statistics", DATABASE_SQL, &[], DATABASE),
        group("locks", LOCKS_SQL, &["mode", "state"], LOCKS),
        group("transaction id age", AGES_SQL, &[], AGES),
        group("checkpoints", checkpoints, &[], CHECKPOINTS),
        group("archiver", ARCHIVER_SQL, &[], ARCHIVER),
        group("replication", REPLICATION_SQL, &["replica", "session"], REPLICATION),
        group("recovery", RECOVERY_SQL, &[], RECOVERY),
        group("replication slots", SLOTS_SQL, &["slot", "wal_status"], SLOTS),
    ];
    if tiers.tables {
        groups.push(group("database size", SIZE_SQL, &[], SIZE));
        groups.push(group("tables", TABLES_SQL, &["schema", "table"], TABLES));
    }
    groups
}

/// Sums of pg_stat_statements over this database; the extension stands in a schema of the user's choice.
pub(super) fn statements_group(schema: &Identifier) -> Group {
    let sql = format!(
        "SELECT coalesce(sum(s.calls), 0)::float8, coalesce(sum(s.total_exec_time), 0)::float8, \
         coalesce(sum(s.rows), 0)::float8, (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::int8 \
         FROM {}.pg_stat_statements(false) s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = current_database()",
        schema.double_quoted()
    );
    Group { subject: "statement statistics", sql: Cow::Owned(sql), attributes: &[], values: STATEMENTS }
}
