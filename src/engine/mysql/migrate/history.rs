//! The history table in the target, which is the journal as well.

use std::time::Duration;

use sqlx::{AssertSqlSafe, MySqlConnection, mysql::MySqlRow};

use crate::{
    engine::{
        migrate::HISTORY_TABLE,
        mysql::{error, row},
    },
    model::{
        MigrationSetId, Timestamp,
        migration::{Direction, HistoryEntry, IncompleteRun, MigrationStep, Version},
    },
};

/// The direction is NULL once a migration is whole. Times are microseconds since the epoch.
const COLUMNS: &str = "(
    migration_set VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    version VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    title TEXT NOT NULL,
    checksum VARCHAR(128) NOT NULL,
    applied_time BIGINT NOT NULL,
    duration BIGINT NOT NULL,
    direction VARCHAR(4) NULL,
    statements_done INT UNSIGNED NOT NULL,
    statements_total INT UNSIGNED NOT NULL,
    statement_open BOOLEAN NOT NULL,
    fingerprint VARCHAR(64) NOT NULL,
    PRIMARY KEY (migration_set, version)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COMMENT = 'Migrations applied by dbkeeper'";

/// Where the history is. Its name carries the database, because a migration may USE another one.
fn table(database: &str) -> String {
    format!("`{}`.`{HISTORY_TABLE}`", database.replace('`', "``"))
}

/// Makes the table where it is missing. The server serialises statements on one table's name, and the loser of two
/// sees that it exists.
pub(super) async fn prepare(connection: &mut MySqlConnection, database: &str) -> Result<(), sqlx::Error> {
    let sql = format!("CREATE TABLE IF NOT EXISTS {} {COLUMNS}", table(database));
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

/// The history of all sets by set and version; empty without the table.
pub(super) async fn read(connection: &mut MySqlConnection, database: &str) -> Result<Vec<HistoryEntry>, sqlx::Error> {
    let sql = format!(
        "SELECT migration_set, version, title, checksum, applied_time, duration, direction, \
         CAST(statements_done AS SIGNED), CAST(statements_total AS SIGNED), CAST(statement_open AS SIGNED), fingerprint \
         FROM {}",
        table(database)
    );
    let rows = match sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await {
        // No such table.
        Err(cause) if error::vendor_code(&cause) == Some(1146) => return Ok(Vec::new()),
        outcome => outcome?,
    };
    let mut entries = rows.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    entries.sort_by(|one, other| (&one.set, &one.version).cmp(&(&other.set, &other.version)));
    Ok(entries)
}

fn entry(found: &MySqlRow) -> Result<HistoryEntry, sqlx::Error> {
    let count = |index| row::number(found, index).map(|count| u32::try_from(count).unwrap_or(0));
    let direction = match row::text(found, 6)?.as_str() {
        "up" => Some(Direction::Up),
        "down" => Some(Direction::Down),
        _ => None,
    };
    let incomplete = match direction {
        Some(direction) => Some(IncompleteRun {
            direction,
            statements_done: count(7)?,
            statements_total: count(8)?,
            statement_open: row::number(found, 9)? == 1,
            fingerprint: row::text(found, 10)?,
        }),
        None => None,
    };
    Ok(HistoryEntry {
        set: MigrationSetId::from_stored(row::text(found, 0)?),
        version: Version::from_stored(row::text(found, 1)?),
        title: row::text(found, 2)?,
        checksum: row::text(found, 3)?,
        applied: Timestamp::from_micros(row::number(found, 4)?),
        duration: Duration::from_micros(u64::try_from(row::number(found, 5)?).unwrap_or(0)),
        incomplete,
    })
}

/// The row of one migration, as the journal writes it.
pub(super) struct JournalRow<'a> {
    pub(super) database: &'a str,
    pub(super) step: &'a MigrationStep,
}

impl JournalRow<'_> {
    /// Begins a run, or takes over one that stopped: what is done stays, the text may have been mended.
    pub(super) async fn begin(&self, connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
        let sql = format!(
            "INSERT INTO {} (migration_set, version, title, checksum, applied_time, duration, direction, \
             statements_done, statements_total, statement_open, fingerprint) \
             VALUES (?, ?, ?, ?, ?, 0, ?, 0, ?, FALSE, '') \
             ON DUPLICATE KEY UPDATE title = VALUES(title), checksum = VALUES(checksum), \
             direction = VALUES(direction), statements_total = VALUES(statements_total)",
            table(self.database)
        );
        let direction = match self.step.direction {
            Direction::Up => "up",
            Direction::Down => "down",
        };
        sqlx::query(AssertSqlSafe(sql))
            .bind(self.step.set.as_str())
            .bind(self.step.version.as_str())
            .bind(&self.step.title)
            .bind(&self.step.checksum)
            .bind(Timestamp::now().as_micros())
            .bind(direction)
            .bind(u32::try_from(self.step.statements.len()).unwrap_or(u32::MAX))
            .execute(connection)
            .await
            .map(drop)
    }

    /// Notes that so many statements are done, and that the next one is begun where a fingerprint is given.
    pub(super) async fn note(
        &self,
        connection: &mut MySqlConnection,
        done: usize,
        open: Option<&str>,
    ) -> Result<(), sqlx::Error> {
        let sql = format!(
            "UPDATE {} SET statements_done = ?, statement_open = ?, fingerprint = ? WHERE migration_set = ? AND version = ?",
            table(self.database)
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(u32::try_from(done).unwrap_or(u32::MAX))
            .bind(open.is_some())
            .bind(open.unwrap_or_default())
            .bind(self.step.set.as_str())
            .bind(self.step.version.as_str())
            .execute(connection)
            .await
            .map(drop)
    }

    /// Ends a run: the row of an applied migration becomes whole, that of a reverted one goes.
    pub(super) async fn finish(&self, connection: &mut MySqlConnection, duration: Duration) -> Result<(), sqlx::Error> {
        let key = "WHERE migration_set = ? AND version = ?";
        let sql = match self.step.direction {
            Direction::Up => format!(
                "UPDATE {} SET direction = NULL, statement_open = FALSE, fingerprint = '', statements_done = 0, \
                 duration = duration + {} {key}",
                table(self.database),
                duration.as_micros()
            ),
            Direction::Down => format!("DELETE FROM {} {key}", table(self.database)),
        };
        sqlx::query(AssertSqlSafe(sql))
            .bind(self.step.set.as_str())
            .bind(self.step.version.as_str())
            .execute(connection)
            .await
            .map(drop)
    }
}
