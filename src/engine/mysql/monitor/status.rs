//! SHOW GLOBAL STATUS, and which of its variables are metrics.

use std::collections::BTreeMap;

use sqlx::MySqlConnection;

use crate::{
    engine::mysql::row,
    model::{
        Timestamp,
        metric::{MetricKind, Point},
    },
};

/// A status variable as a metric.
struct StatusMetric(&'static str, &'static str, &'static str, MetricKind);

const GAUGES: &[StatusMetric] = &[
    StatusMetric("Threads_connected", "mysql.threads.connected", "{thread}", MetricKind::Gauge),
    StatusMetric("Threads_running", "mysql.threads.running", "{thread}", MetricKind::Gauge),
    StatusMetric("Threads_cached", "mysql.threads.cached", "{thread}", MetricKind::Gauge),
    StatusMetric("Max_used_connections", "mysql.connection.max_used", "{connection}", MetricKind::Gauge),
    StatusMetric("Uptime", "mysql.uptime", "s", MetricKind::Gauge),
    StatusMetric("Innodb_buffer_pool_pages_total", "mysql.buffer_pool.pages.total", "{page}", MetricKind::Gauge),
    StatusMetric("Innodb_buffer_pool_pages_free", "mysql.buffer_pool.pages.free", "{page}", MetricKind::Gauge),
    StatusMetric("Innodb_buffer_pool_pages_dirty", "mysql.buffer_pool.pages.dirty", "{page}", MetricKind::Gauge),
    StatusMetric("Innodb_row_lock_current_waits", "mysql.row_lock.current_waits", "{wait}", MetricKind::Gauge),
    StatusMetric("Open_tables", "mysql.open_tables", "{table}", MetricKind::Gauge),
];

const COUNTERS: &[StatusMetric] = &[
    StatusMetric("Questions", "mysql.questions", "{statement}", MetricKind::Counter),
    StatusMetric("Slow_queries", "mysql.slow_queries", "{statement}", MetricKind::Counter),
    StatusMetric("Connections", "mysql.connections", "{connection}", MetricKind::Counter),
    StatusMetric("Aborted_connects", "mysql.aborted_connects", "{connection}", MetricKind::Counter),
    StatusMetric("Aborted_clients", "mysql.aborted_clients", "{connection}", MetricKind::Counter),
    StatusMetric("Connection_errors_max_connections", "mysql.connection.refused", "{connection}", MetricKind::Counter),
    StatusMetric("Bytes_received", "mysql.bytes_received", "By", MetricKind::Counter),
    StatusMetric("Bytes_sent", "mysql.bytes_sent", "By", MetricKind::Counter),
    StatusMetric("Com_commit", "mysql.commits", "{transaction}", MetricKind::Counter),
    StatusMetric("Com_rollback", "mysql.rollbacks", "{transaction}", MetricKind::Counter),
    StatusMetric("Created_tmp_tables", "mysql.tmp_tables", "{table}", MetricKind::Counter),
    StatusMetric("Created_tmp_disk_tables", "mysql.tmp_disk_tables", "{table}", MetricKind::Counter),
    StatusMetric("Select_full_join", "mysql.full_joins", "{statement}", MetricKind::Counter),
    StatusMetric("Select_scan", "mysql.full_scans", "{statement}", MetricKind::Counter),
    StatusMetric("Sort_merge_passes", "mysql.sort_merge_passes", "{pass}", MetricKind::Counter),
    StatusMetric("Table_locks_waited", "mysql.table_lock.waits", "{wait}", MetricKind::Counter),
    StatusMetric("Innodb_buffer_pool_read_requests", "mysql.buffer_pool.read_requests", "{page}", MetricKind::Counter),
    StatusMetric("Innodb_buffer_pool_reads", "mysql.buffer_pool.reads", "{page}", MetricKind::Counter),
    StatusMetric("Innodb_buffer_pool_wait_free", "mysql.buffer_pool.wait_free", "{wait}", MetricKind::Counter),
    StatusMetric("Innodb_data_read", "mysql.innodb.data_read", "By", MetricKind::Counter),
    StatusMetric("Innodb_data_written", "mysql.innodb.data_written", "By", MetricKind::Counter),
    StatusMetric("Innodb_log_waits", "mysql.innodb.log_waits", "{wait}", MetricKind::Counter),
    StatusMetric("Innodb_os_log_written", "mysql.innodb.log_written", "By", MetricKind::Counter),
    StatusMetric("Innodb_row_lock_waits", "mysql.row_lock.waits", "{wait}", MetricKind::Counter),
    StatusMetric("Innodb_row_lock_time", "mysql.row_lock.time", "ms", MetricKind::Counter),
    StatusMetric("Innodb_deadlocks", "mysql.deadlocks", "{deadlock}", MetricKind::Counter),
];

/// Statements by their command.
const COMMANDS: &[(&str, &str)] = &[
    ("Com_select", "select"),
    ("Com_insert", "insert"),
    ("Com_update", "update"),
    ("Com_delete", "delete"),
    ("Com_replace", "replace"),
    ("Com_call_procedure", "call"),
];

/// Rows by what the storage engines did with them.
const HANDLERS: &[(&str, &str)] = &[
    ("Innodb_rows_read", "read"),
    ("Innodb_rows_inserted", "insert"),
    ("Innodb_rows_updated", "update"),
    ("Innodb_rows_deleted", "delete"),
];

/// All status variables of a server.
pub(super) struct Status(BTreeMap<String, String>);

impl Status {
    /// One query, whatever is looked at afterwards.
    pub(super) async fn read(connection: &mut MySqlConnection) -> Result<Self, sqlx::Error> {
        let rows = sqlx::query("SHOW GLOBAL STATUS").fetch_all(connection).await?;
        let pairs = rows.iter().map(|found| Ok((row::text(found, 0)?, row::text(found, 1)?)));
        Ok(Self(pairs.collect::<Result<_, sqlx::Error>>()?))
    }

    /// A variable that is a number.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.0.get(name)?.parse().ok()
    }

    /// When the counters began, to the second: at the server's start, or at a later FLUSH STATUS.
    pub(super) fn epoch(&self, now: Timestamp) -> Option<Timestamp> {
        let seconds = self.number("Uptime_since_flush_status").or_else(|| self.number("Uptime"))?;
        Some(Timestamp::from_micros(now.as_micros() - (seconds * 1e6) as i64))
    }

    /// The variables that are metrics. Those that a version lacks are left out.
    pub(super) fn points(&self, epoch: Option<Timestamp>) -> Vec<Point> {
        let plain = GAUGES.iter().chain(COUNTERS).filter_map(|StatusMetric(variable, name, unit, kind)| {
            Some(Point {
                name,
                unit,
                kind: *kind,
                attributes: Vec::new(),
                value: self.number(variable)?,
                epoch: if *kind == MetricKind::Counter { epoch } else { None },
            })
        });
        let by_word = |name: &'static str, unit: &'static str, key: &'static str, words: &'static [(&str, &str)]| {
            words.iter().filter_map(move |(variable, word)| {
                let attributes = vec![(key, (*word).to_owned())];
                Some(Point { name, unit, kind: MetricKind::Counter, attributes, value: self.number(variable)?, epoch })
            })
        };
        plain
            .chain(by_word("mysql.commands", "{statement}", "command", COMMANDS))
            .chain(by_word("mysql.rows", "{row}", "operation", HANDLERS))
            .collect()
    }
}
