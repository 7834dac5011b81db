//! The groups of metrics, each read by itself so that one that fails stops no other.

use std::sync::Mutex;

use sqlx::{MySqlConnection, Row, mysql::MySqlRow};

use super::status::Status;
use crate::{
    engine::{
        monitor::MAX_TABLE_SERIES,
        mysql::{database::MysqlDatabase, error, row},
    },
    model::{
        Result, Timestamp,
        metric::{MetricKind, Point, RawSample, SampleTiers},
        schema::Skipped,
    },
};

/// Uptime counts whole seconds: starts that lie this close are the same.
const SAME_START_MICROS: i64 = 3_000_000;

/// What a group read, or why it could not.
type Group = Result<Vec<Point>, sqlx::Error>;

/// The start of the server as it was first computed, so that counters of one start carry one and the same moment.
#[derive(Default)]
pub(in crate::engine::mysql) struct KnownStart(Mutex<Option<Timestamp>>);

impl KnownStart {
    fn settle(&self, computed: Option<Timestamp>) -> Option<Timestamp> {
        let mut known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match (*known, computed) {
            (Some(before), Some(now)) if (before.as_micros() - now.as_micros()).abs() < SAME_START_MICROS => {}
            (_, Some(now)) => *known = Some(now),
            (_, None) => return None,
        }
        *known
    }
}

pub(super) async fn sample(database: &MysqlDatabase, tiers: SampleTiers) -> Result<RawSample> {
    let mut lease = database.monitor_lease().await?;
    let status = Status::read(&mut lease).await.map_err(|cause| database.failed(cause))?;
    let epoch = database.known_start.settle(status.epoch(Timestamp::now()));
    let mut sample = RawSample { points: status.points(epoch), skipped: Vec::new() };

    let schema = &database.settings().database;
    let mut groups: Vec<(&str, &str, Group)> = vec![
        ("limits", "", limits(&mut lease).await),
        ("transactions", "PROCESS", transactions(&mut lease).await),
        ("history list", "PROCESS", history_list(&mut lease).await),
    ];
    let (replication_grant, replication_sql) = replication(database);
    groups.push(("replication", replication_grant, replicas(&mut lease, replication_sql).await));
    if tiers.tables {
        groups.push(("tables", "", tables(&mut lease, schema).await));
        groups.push(("database size", "", database_size(&mut lease, schema).await));
    }
    for (subject, privilege, outcome) in groups {
        match outcome {
            Ok(points) => sample.points.extend(points),
            Err(cause) if error::server_error(&cause).is_none() => return Err(database.failed(cause)),
            Err(cause) => sample.skipped.push(skipped(database, subject, privilege, cause)),
        }
    }
    lease.give_back().await;
    Ok(sample)
}

fn skipped(database: &MysqlDatabase, subject: &str, privilege: &str, cause: sqlx::Error) -> Skipped {
    let user = database.settings().username.replace('\'', "''");
    let remedy =
        if privilege.is_empty() { String::new() } else { format!("GRANT {privilege} ON *.* TO '{user}'@'%';") };
    Skipped { subject: subject.to_owned(), reason: error::statement_failure(&cause).message, remedy }
}

fn gauge(name: &'static str, unit: &'static str, value: f64) -> Point {
    Point { name, unit, kind: MetricKind::Gauge, attributes: Vec::new(), value, epoch: None }
}

async fn limits(connection: &mut MySqlConnection) -> Group {
    let sql = "SELECT CAST(@@max_connections AS SIGNED), CAST(@@innodb_buffer_pool_size AS SIGNED)";
    let limits = sqlx::query(sql).fetch_one(connection).await?;
    Ok(vec![
        gauge("mysql.connection.max", "{connection}", row::number(&limits, 0)? as f64),
        gauge("mysql.buffer_pool.size", "By", row::number(&limits, 1)? as f64),
    ])
}

async fn transactions(connection: &mut MySqlConnection) -> Group {
    let sql = "SELECT CAST(COUNT(*) AS SIGNED), CAST(COALESCE(MAX(TIMESTAMPDIFF(SECOND, trx_started, NOW())), 0) AS SIGNED), \
               CAST(COALESCE(SUM(trx_state = 'LOCK WAIT'), 0) AS SIGNED) FROM information_schema.INNODB_TRX";
    let found = sqlx::query(sql).fetch_one(connection).await?;
    Ok(vec![
        gauge("mysql.transactions", "{transaction}", row::number(&found, 0)? as f64),
        gauge("mysql.transaction.longest", "s", row::number(&found, 1)? as f64),
        gauge("mysql.transactions.waiting", "{transaction}", row::number(&found, 2)? as f64),
    ])
}

async fn history_list(connection: &mut MySqlConnection) -> Group {
    let sql = "SELECT CAST(COUNT AS SIGNED) FROM information_schema.INNODB_METRICS WHERE NAME = 'trx_rseg_history_len'";
    let found = sqlx::query(sql).fetch_optional(connection).await?;
    let length = found.as_ref().map(|found| row::number(found, 0)).transpose()?;
    Ok(length.map(|length| gauge("mysql.innodb.history_list", "{transaction}", length as f64)).into_iter().collect())
}

/// The privilege and the statement, by product and version.
fn replication(database: &MysqlDatabase) -> (&'static str, &'static str) {
    let server = &database.server;
    if server.is_mariadb() {
        let privilege = if server.mariadb_from(10, 5) { "REPLICA MONITOR" } else { "REPLICATION CLIENT" };
        return (privilege, "SHOW ALL SLAVES STATUS");
    }
    let sql = if server.mysql_from(8, 0) { "SHOW REPLICA STATUS" } else { "SHOW SLAVE STATUS" };
    ("REPLICATION CLIENT", sql)
}

/// One row a channel; none on a server that replicates from nobody.
async fn replicas(connection: &mut MySqlConnection, sql: &'static str) -> Group {
    let channels = sqlx::query(sql).fetch_all(connection).await?;
    let mut points = Vec::new();
    for channel in &channels {
        let name = column(channel, &["Connection_name", "Channel_Name"]).unwrap_or_default();
        let mut push = |metric, unit, value| {
            let attributes = vec![("channel", name.clone())];
            points.push(Point { name: metric, unit, kind: MetricKind::Gauge, attributes, value, epoch: None });
        };
        let runs = |names| f64::from(u8::from(column(channel, names).is_some_and(|text| text == "Yes")));
        push("mysql.replica.io_running", "1", runs(&["Slave_IO_Running", "Replica_IO_Running"]));
        push("mysql.replica.sql_running", "1", runs(&["Slave_SQL_Running", "Replica_SQL_Running"]));
        let lag = column(channel, &["Seconds_Behind_Master", "Seconds_Behind_Source"]);
        if let Some(lag) = lag.and_then(|text| text.parse().ok()) {
            push("mysql.replica.lag", "s", lag);
        }
    }
    Ok(points)
}

/// The text or the number of the first of these columns that the version has.
fn column(found: &MySqlRow, names: &[&str]) -> Option<String> {
    let index = names.iter().find_map(|name| found.columns_position(name))?;
    if let Ok(Some(number)) = found.try_get::<Option<i64>, _>(index) {
        return Some(number.to_string());
    }
    row::optional_text(found, index).ok().flatten()
}

/// Where a column stands.
trait ColumnPosition {
    fn columns_position(&self, name: &str) -> Option<usize>;
}

impl ColumnPosition for MySqlRow {
    fn columns_position(&self, name: &str) -> Option<usize> {
        self.columns().iter().position(|column| sqlx::Column::name(column).eq_ignore_ascii_case(name))
    }
}

async fn tables(connection: &mut MySqlConnection, schema: &str) -> Group {
    let sql = "SELECT TABLE_NAME, CAST(DATA_LENGTH AS SIGNED), CAST(INDEX_LENGTH AS SIGNED), CAST(TABLE_ROWS AS SIGNED), \
               CAST(DATA_FREE AS SIGNED) FROM information_schema.TABLES \
               WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND TABLE_SCHEMA = ? \
               ORDER BY DATA_LENGTH + INDEX_LENGTH DESC, TABLE_NAME LIMIT ?";
    let rows = sqlx::query(sql).bind(schema).bind(MAX_TABLE_SERIES as u64).fetch_all(connection).await?;
    let mut points = Vec::with_capacity(rows.len() * 4);
    for found in &rows {
        let attributes = vec![("table", format!("{schema}.{}", row::text(found, 0)?))];
        let series = [
            ("mysql.table.size", "By", 1),
            ("mysql.index.size", "By", 2),
            ("mysql.table.rows", "{row}", 3),
            ("mysql.table.free", "By", 4),
        ];
        for (name, unit, index) in series {
            let value = row::number(found, index)?;
            if value >= 0 {
                let attributes = attributes.clone();
                points.push(Point {
                    name,
                    unit,
                    kind: MetricKind::Gauge,
                    attributes,
                    value: value as f64,
                    epoch: None,
                });
            }
        }
    }
    Ok(points)
}

async fn database_size(connection: &mut MySqlConnection, schema: &str) -> Group {
    let sql = "SELECT CAST(COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) AS SIGNED) \
               FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?";
    let found = sqlx::query(sql).bind(schema).fetch_one(connection).await?;
    Ok(vec![gauge("mysql.database.size", "By", row::number(&found, 0)? as f64)])
}
