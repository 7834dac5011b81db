//! Statements and the use of indexes, from the best source that a server has.
//!
//! `performance_schema` counts by database, but MariaDB has it off by default and it cannot be switched on while the server
//! runs. MariaDB's user statistics stand in where they are on: they count the whole server, and know of an index only
//! once it was read. Which source served is an attribute of the series, because their counts are not comparable.

use sqlx::{MySqlConnection, mysql::MySqlRow};

use crate::{
    engine::{
        monitor::MAX_TABLE_SERIES,
        mysql::{database::MysqlDatabase, error, row},
    },
    model::{
        Timestamp,
        metric::{MetricKind, Point, RawSample},
        schema::Skipped,
    },
};

/// The digests of one database; the consumers and instruments without which they stand still. Reads a table in memory of
/// `performance_schema_digests_size` rows, 10,000 at most by default. MariaDB from 10.0, MySQL from 5.6.
const DIGESTS: &str = "SELECT CAST(COALESCE(SUM(COUNT_STAR), 0) AS SIGNED), CAST(COALESCE(SUM(SUM_TIMER_WAIT), 0) / 1000000 AS SIGNED), \
    CAST(COALESCE(SUM(SUM_ROWS_SENT + SUM_ROWS_AFFECTED), 0) AS SIGNED), CAST(COALESCE(SUM(SUM_ERRORS), 0) AS SIGNED), \
    (SELECT CAST(COUNT(*) AS SIGNED) FROM performance_schema.setup_consumers \
     WHERE NAME IN ('global_instrumentation', 'thread_instrumentation', 'statements_digest') AND ENABLED = 'YES') \
    FROM performance_schema.events_statements_summary_by_digest WHERE SCHEMA_NAME = ?";

/// Needs PROCESS: without it there is no row, not even of the one who asks. MariaDB from 10.1.
const USER_STATISTICS: &str = "SELECT CAST(COALESCE(SUM(SELECT_COMMANDS + UPDATE_COMMANDS + OTHER_COMMANDS), 0) AS SIGNED), \
    CAST(COALESCE(SUM(BUSY_TIME), 0) * 1000000 AS SIGNED), \
    CAST(COALESCE(SUM(ROWS_SENT + ROWS_INSERTED + ROWS_UPDATED + ROWS_DELETED), 0) AS SIGNED), CAST(COUNT(*) AS SIGNED) \
    FROM information_schema.USER_STATISTICS";

/// The indexes that are read most. Waits of tables are kept in memory, by open table.
const INDEX_WAITS: &str = "SELECT OBJECT_NAME, INDEX_NAME, CAST(COUNT_FETCH AS SIGNED) \
    FROM performance_schema.table_io_waits_summary_by_index_usage \
    WHERE OBJECT_SCHEMA = ? AND INDEX_NAME IS NOT NULL ORDER BY COUNT_FETCH DESC, OBJECT_NAME, INDEX_NAME LIMIT ?";

/// The same from user statistics; every user sees the indexes of the tables that it may read.
const INDEX_STATISTICS: &str = "SELECT TABLE_NAME, INDEX_NAME, CAST(ROWS_READ AS SIGNED) \
    FROM information_schema.INDEX_STATISTICS \
    WHERE TABLE_SCHEMA = ? ORDER BY ROWS_READ DESC, TABLE_NAME, INDEX_NAME LIMIT ?";

const CONSUMERS_REMEDY: &str = "UPDATE performance_schema.setup_consumers SET ENABLED = 'YES' \
    WHERE NAME IN ('global_instrumentation', 'thread_instrumentation', 'statements_digest');";
const USER_STATISTICS_REMEDY: &str = "SET GLOBAL userstat = 1;";
const OFF: &str = "performance_schema is off; set performance_schema=ON in the server's configuration and restart it";

/// What a server has switched on.
#[derive(Clone, Copy)]
pub(super) struct Sources {
    performance_schema: bool,
    user_statistics: bool,
}

/// Why digests are not there, and what mends it.
struct Missing {
    reason: String,
    remedy: String,
}

impl Sources {
    pub(super) async fn read(connection: &mut MySqlConnection, database: &MysqlDatabase) -> Result<Self, sqlx::Error> {
        let sql = if database.server.is_mariadb() {
            "SELECT CAST(@@performance_schema AS SIGNED), CAST(@@userstat AS SIGNED)"
        } else {
            "SELECT CAST(@@performance_schema AS SIGNED), 0"
        };
        let found = sqlx::query(sql).fetch_one(connection).await?;
        Ok(Self { performance_schema: row::number(&found, 0)? == 1, user_statistics: row::number(&found, 1)? == 1 })
    }
}

/// Adds calls, time, rows and errors of all statements.
pub(super) async fn add_statements(
    connection: &mut MySqlConnection,
    database: &MysqlDatabase,
    sources: Sources,
    epoch: Option<Timestamp>,
    sample: &mut RawSample,
) -> Result<(), sqlx::Error> {
    let missing = match digests(connection, database, sources).await? {
        Ok(found) => {
            sample.points.extend(totals("digests", epoch, &found)?);
            sample.points.push(counter(
                "mysql.statements.errors",
                "{error}",
                "digests",
                epoch,
                row::number(&found, 3)? as f64,
            ));
            return Ok(());
        }
        Err(missing) => missing,
    };
    let (stand_in, remedy) = if !sources.user_statistics {
        let remedy = if database.server.is_mariadb() { USER_STATISTICS_REMEDY } else { "" };
        ("nothing stands in for it", remedy.to_owned())
    } else {
        let found = sqlx::query(USER_STATISTICS).fetch_one(&mut *connection).await?;
        if row::number(&found, 3)? == 0 {
            ("user statistics, which would stand in, are hidden without PROCESS", database.grant("PROCESS"))
        } else {
            sample.points.extend(totals("user_statistics", epoch, &found)?);
            ("user statistics of the whole server stand in for it", String::new())
        }
    };
    sample.skipped.push(Skipped {
        subject: "statement digests".to_owned(),
        reason: format!("{}; {stand_in}", missing.reason),
        remedy: if missing.remedy.is_empty() { remedy } else { missing.remedy },
        ..Skipped::default()
    });
    Ok(())
}

async fn digests(
    connection: &mut MySqlConnection,
    database: &MysqlDatabase,
    sources: Sources,
) -> Result<Result<MySqlRow, Missing>, sqlx::Error> {
    if !sources.performance_schema {
        return Ok(Err(Missing { reason: OFF.to_owned(), remedy: String::new() }));
    }
    let found = match sqlx::query(DIGESTS).bind(&database.settings().database).fetch_one(connection).await {
        Ok(found) => found,
        Err(cause) => return unreadable(database, cause).map(Err),
    };
    if row::number(&found, 4)? < 3 {
        let reason = "the consumers of statement digests are switched off".to_owned();
        return Ok(Err(Missing { reason, remedy: CONSUMERS_REMEDY.to_owned() }));
    }
    Ok(Ok(found))
}

/// Adds how often each index was read, at most [`MAX_TABLE_SERIES`] of them.
pub(super) async fn add_index_use(
    connection: &mut MySqlConnection,
    database: &MysqlDatabase,
    sources: Sources,
    epoch: Option<Timestamp>,
    sample: &mut RawSample,
) -> Result<(), sqlx::Error> {
    let schema = &database.settings().database;
    let mut read = async |sql: &'static str| {
        sqlx::query(sql).bind(schema).bind(MAX_TABLE_SERIES as u64).fetch_all(&mut *connection).await
    };
    let mut missing = Missing { reason: OFF.to_owned(), remedy: String::new() };
    if sources.performance_schema {
        match read(INDEX_WAITS).await {
            Ok(rows) => return add_indexes(&rows, schema, "waits", epoch, sample),
            Err(cause) => missing = unreadable(database, cause)?,
        }
    }
    let (stand_in, remedy) = if sources.user_statistics {
        add_indexes(&read(INDEX_STATISTICS).await?, schema, "user_statistics", epoch, sample)?;
        ("user statistics, which tell of an index only once it was read, stand in for it", "")
    } else if database.server.is_mariadb() {
        ("nothing stands in for it", USER_STATISTICS_REMEDY)
    } else {
        ("nothing stands in for it", "")
    };
    sample.skipped.push(Skipped {
        subject: "index use".to_owned(),
        reason: format!("{}; {stand_in}", missing.reason),
        remedy: if missing.remedy.is_empty() { remedy.to_owned() } else { missing.remedy },
        ..Skipped::default()
    });
    Ok(())
}

fn add_indexes(
    rows: &[MySqlRow],
    schema: &str,
    source: &'static str,
    epoch: Option<Timestamp>,
    sample: &mut RawSample,
) -> Result<(), sqlx::Error> {
    for found in rows {
        let table = format!("{schema}.{}", row::text(found, 0)?);
        let mut point = counter("mysql.index.reads", "{row}", source, epoch, row::number(found, 2)? as f64);
        point.attributes = vec![("index", row::text(found, 1)?), ("source", source.to_owned()), ("table", table)];
        sample.points.push(point);
    }
    Ok(())
}

/// A refusal of the server becomes a missing grant; anything else ends the sample.
fn unreadable(database: &MysqlDatabase, cause: sqlx::Error) -> Result<Missing, sqlx::Error> {
    if error::server_error(&cause).is_none() {
        return Err(cause);
    }
    let remedy = database.grant_on("SELECT", "performance_schema.*");
    Ok(Missing { reason: error::statement_failure(&cause).message, remedy })
}

/// Calls, microseconds and rows in the first three columns.
fn totals(source: &'static str, epoch: Option<Timestamp>, found: &MySqlRow) -> Result<[Point; 3], sqlx::Error> {
    let value = |index| row::number(found, index).map(|number| number as f64);
    Ok([
        counter("mysql.statements.calls", "{call}", source, epoch, value(0)?),
        counter("mysql.statements.time", "ms", source, epoch, value(1)? / 1000.0),
        counter("mysql.statements.rows", "{row}", source, epoch, value(2)?),
    ])
}

fn counter(
    name: &'static str,
    unit: &'static str,
    source: &'static str,
    epoch: Option<Timestamp>,
    value: f64,
) -> Point {
    let attributes = vec![("source", source.to_owned())];
    Point { name, unit, kind: MetricKind::Counter, attributes, value, epoch }
}
