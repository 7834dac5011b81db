//! The history table in a database.

use std::time::Duration;

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use crate::model::{
    MigrationSetId, Timestamp,
    migration::{Direction, HistoryEntry, IncompleteRun, MigrationStep, Version},
};

/// `direction` and what follows it stand for a run without a transaction that has not ended; NULL once it has.
const CREATE: &str = "
CREATE TABLE IF NOT EXISTS dbkeeper_migrations (
    migration_set TEXT NOT NULL,
    version TEXT NOT NULL,
    title TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at_us INTEGER NOT NULL,
    duration_us INTEGER NOT NULL,
    direction TEXT,
    statements_done INTEGER,
    statements_total INTEGER,
    statement_open INTEGER,
    PRIMARY KEY (migration_set, version)
) WITHOUT ROWID";

const EXISTS: &str = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'dbkeeper_migrations'";

const READ: &str = "
SELECT migration_set, version, title, checksum, applied_at_us, duration_us,
    direction, statements_done, statements_total, statement_open
FROM dbkeeper_migrations";

fn entry(row: &SqliteRow) -> Result<HistoryEntry, sqlx::Error> {
    let direction: Option<String> = row.try_get("direction")?;
    let incomplete = match direction {
        None => None,
        Some(direction) => Some(IncompleteRun {
            direction: if direction == "down" { Direction::Down } else { Direction::Up },
            statements_done: row.try_get("statements_done")?,
            statements_total: row.try_get("statements_total")?,
            statement_open: row.try_get("statement_open")?,
            fingerprint: String::new(),
        }),
    };
    let duration: i64 = row.try_get("duration_us")?;
    Ok(HistoryEntry {
        set: MigrationSetId::from_stored(row.try_get("migration_set")?),
        version: Version::from_stored(row.try_get("version")?),
        title: row.try_get("title")?,
        checksum: row.try_get("checksum")?,
        applied: Timestamp::from_micros(row.try_get("applied_at_us")?),
        duration: Duration::from_micros(u64::try_from(duration).unwrap_or(0)),
        incomplete,
    })
}

/// Whether the table is there.
pub(super) async fn exists(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(EXISTS).fetch_one(connection).await
}

/// Makes the table where it is missing.
pub(super) async fn create(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query(CREATE).execute(connection).await.map(drop)
}

/// All entries by set and version; none without the table.
pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Vec<HistoryEntry>, sqlx::Error> {
    if !exists(connection).await? {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(READ).fetch_all(connection).await?;
    let mut entries: Vec<HistoryEntry> = rows.iter().map(entry).collect::<Result<_, _>>()?;
    entries.sort_by(|one, other| (&one.set, &one.version).cmp(&(&other.set, &other.version)));
    Ok(entries)
}

/// The entry of one step.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    step: &MigrationStep,
) -> Result<Option<HistoryEntry>, sqlx::Error> {
    let entries = read(connection).await?;
    Ok(entries.into_iter().find(|entry| entry.set == step.set && entry.version == step.version))
}

/// Writes that a step is applied.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    step: &MigrationStep,
    duration: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO dbkeeper_migrations (migration_set, version, title, checksum, applied_at_us, duration_us)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(step.set.as_str())
    .bind(step.version.as_str())
    .bind(&step.title)
    .bind(&step.checksum)
    .bind(Timestamp::now().as_micros())
    .bind(micros(duration))
    .execute(connection)
    .await
    .map(drop)
}

/// Takes away the entry of a step that is reverted; false where there was none.
pub(super) async fn delete(connection: &mut SqliteConnection, step: &MigrationStep) -> Result<bool, sqlx::Error> {
    let done = sqlx::query("DELETE FROM dbkeeper_migrations WHERE migration_set = ?1 AND version = ?2")
        .bind(step.set.as_str())
        .bind(step.version.as_str())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes how far a run without a transaction is.
pub(super) async fn mark(
    connection: &mut SqliteConnection,
    step: &MigrationStep,
    done: usize,
    open: bool,
) -> Result<(), sqlx::Error> {
    let direction = if step.direction == Direction::Down { "down" } else { "up" };
    sqlx::query(
        "UPDATE dbkeeper_migrations
         SET direction = ?3, statements_done = ?4, statements_total = ?5, statement_open = ?6
         WHERE migration_set = ?1 AND version = ?2",
    )
    .bind(step.set.as_str())
    .bind(step.version.as_str())
    .bind(direction)
    .bind(i64::try_from(done).unwrap_or(i64::MAX))
    .bind(i64::try_from(step.statements.len()).unwrap_or(i64::MAX))
    .bind(open)
    .execute(connection)
    .await
    .map(drop)
}

/// Notes that a run without a transaction is whole.
pub(super) async fn complete(
    connection: &mut SqliteConnection,
    step: &MigrationStep,
    duration: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE dbkeeper_migrations
         SET title = ?3, checksum = ?4, applied_at_us = ?5, duration_us = ?6,
             direction = NULL, statements_done = NULL, statements_total = NULL, statement_open = NULL
         WHERE migration_set = ?1 AND version = ?2",
    )
    .bind(step.set.as_str())
    .bind(step.version.as_str())
    .bind(&step.title)
    .bind(&step.checksum)
    .bind(Timestamp::now().as_micros())
    .bind(micros(duration))
    .execute(connection)
    .await
    .map(drop)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
