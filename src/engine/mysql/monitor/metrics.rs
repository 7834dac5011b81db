//! The groups of metrics, each read by itself so that one that fails stops no other.

use std::sync::Mutex;

use sqlx::MySqlConnection;

use super::{
    replication::{self, Channel},
    statements::{self, Sources},
    status::Status,
};
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
    pub(in crate::engine::mysql) fn settle(&self, computed: Option<Timestamp>) -> Option<Timestamp> {
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
    let (replication_grant, statement) = replication::statement(&database.server);
    groups.push(("replication", replication_grant, replicas(&mut lease, statement).await));
    if tiers.tables {
        groups.push(("tables", "", tables(&mut lease, schema).await));
        groups.push(("database size", "", database_size(&mut lease, schema).await));
    }
    let mut refused = false;
    for (subject, privilege, outcome) in groups {
        match outcome {
            Ok(points) => sample.points.extend(points),
            Err(cause) if error::server_error(&cause).is_none() => return Err(database.failed(cause)),
            Err(cause) => {
                refused |= !privilege.is_empty();
                sample.skipped.push(skipped(database, subject, privilege, cause));
            }
        }
    }
    let sources = Sources::read(&mut lease, database).await.map_err(|cause| database.failed(cause))?;
    let added = statements::add_statements(&mut lease, database, sources, epoch, &mut sample).await;
    skip_refused(database, "statement digests", added, &mut sample)?;
    if tiers.tables {
        let added = statements::add_index_use(&mut lease, database, sources, epoch, &mut sample).await;
        skip_refused(database, "index use", added, &mut sample)?;
    }
    // The servers look at global privileges when a session begins: only a new one sees what was granted meanwhile.
    if refused && tiers.tables {
        lease.retire().await;
    } else {
        lease.give_back().await;
    }
    Ok(sample)
}

/// What the server refuses is skipped; a lost session ends the sample.
fn skip_refused(
    database: &MysqlDatabase,
    subject: &str,
    outcome: Result<(), sqlx::Error>,
    sample: &mut RawSample,
) -> Result<()> {
    match outcome {
        Ok(()) => Ok(()),
        Err(cause) if error::server_error(&cause).is_none() => Err(database.failed(cause)),
        Err(cause) => {
            sample.skipped.push(skipped(database, subject, "", cause));
            Ok(())
        }
    }
}

fn skipped(database: &MysqlDatabase, subject: &str, privilege: &str, cause: sqlx::Error) -> Skipped {
    let remedy = if privilege.is_empty() { String::new() } else { database.grant(privilege) };
    Skipped {
        subject: subject.to_owned(),
        reason: error::statement_failure(&cause).message,
        remedy,
        ..Skipped::default()
    }
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

async fn replicas(connection: &mut MySqlConnection, statement: &'static str) -> Group {
    let channels = replication::channels(connection, statement).await?;
    Ok(channels.iter().flat_map(Channel::points).collect())
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
