//! The history table in the target.
//!
//! It stands in the schema `public`, or, where a database has none, in the first schema of the user's search path; a table
//! that is there already is found in the same order. It is always named with its schema, for a migration may change the path.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection, Row, postgres::PgRow};

use super::words::literal;
use crate::{
    engine::migrate::HISTORY_TABLE,
    model::{
        MigrationSetId, Timestamp,
        migration::{Direction, HistoryEntry, IncompleteRun, MigrationStep, Version},
        name::Identifier,
    },
};

const FIND: &str = "SELECT n.nspname::text FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relname = $1::name AND c.relkind IN ('r', 'p') AND (n.nspname = 'public' OR n.nspname = current_schema()) \
    ORDER BY n.nspname <> 'public' LIMIT 1";
const HOME: &str = "SELECT coalesce((SELECT nspname::text FROM pg_catalog.pg_namespace WHERE nspname = 'public'), \
    current_schema()::text)";
/// Relation, type or key exists: another server made the table at the same moment.
const MADE_MEANWHILE: [&str; 3] = ["42P07", "42710", "23505"];

/// The name of the history table, quoted and with its schema.
#[derive(Clone)]
pub(super) struct HistoryTable(String);

impl HistoryTable {
    fn in_schema(schema: &str) -> Option<Self> {
        let schema = Identifier::parse(schema, "schema").ok()?;
        let name = Identifier::constant(HISTORY_TABLE);
        Some(Self(format!("{}.{}", schema.double_quoted(), name.double_quoted())))
    }

    /// Adds the row of a whole migration.
    pub(super) fn insert_applied(&self, step: &MigrationStep, duration: Duration) -> String {
        format!(
            "INSERT INTO {} (migration_set, version, title, checksum, applied_at, duration_us) \
             VALUES ({}, {}, {}, {}, now(), {})",
            self.0,
            literal(step.set.as_str()),
            literal(step.version.as_str()),
            literal(&step.title),
            literal(&step.checksum),
            duration.as_micros()
        )
    }

    /// Takes the row of a migration away.
    pub(super) fn delete(&self, step: &MigrationStep) -> String {
        format!("DELETE FROM {} WHERE {}", self.0, key(step))
    }

    /// Adds or turns the row of a migration that begins to run by statements.
    pub(super) fn open_journal(&self, step: &MigrationStep) -> String {
        format!(
            "INSERT INTO {} (migration_set, version, title, checksum, applied_at, duration_us, \
             direction, statements_done, statements_total, statement_open, fingerprint) \
             VALUES ({}, {}, {}, {}, clock_timestamp(), 0, {}, 0, {}, false, '') \
             ON CONFLICT (migration_set, version) DO UPDATE SET direction = EXCLUDED.direction, statements_done = 0, \
             statements_total = EXCLUDED.statements_total, statement_open = false, fingerprint = ''",
            self.0,
            literal(step.set.as_str()),
            literal(step.version.as_str()),
            literal(&step.title),
            literal(&step.checksum),
            literal(direction_text(step.direction)),
            step.statements.len()
        )
    }

    /// Notes that a statement is about to run outside of a transaction.
    pub(super) fn open_statement(&self, step: &MigrationStep, fingerprint: &str) -> String {
        let fingerprint = literal(fingerprint);
        format!("UPDATE {} SET statement_open = true, fingerprint = {fingerprint} WHERE {}", self.0, key(step))
    }

    /// Notes how many statements are done.
    pub(super) fn note_done(&self, step: &MigrationStep, done: usize) -> String {
        format!(
            "UPDATE {} SET statements_done = {done}, statement_open = false, fingerprint = '' WHERE {}",
            self.0,
            key(step)
        )
    }

    /// Makes the row whole: the migration has run up.
    pub(super) fn close_journal(&self, step: &MigrationStep) -> String {
        format!(
            "UPDATE {} SET direction = NULL, statements_done = NULL, statements_total = NULL, statement_open = NULL, \
             fingerprint = NULL, duration_us = (extract(epoch FROM clock_timestamp() - applied_at) * 1000000)::int8 \
             WHERE {}",
            self.0,
            key(step)
        )
    }
}

/// Finds the table where there is one.
pub(super) async fn find_table(connection: &mut PgConnection) -> Result<Option<HistoryTable>, sqlx::Error> {
    let schema: Option<String> = sqlx::query_scalar(FIND).bind(HISTORY_TABLE).fetch_optional(connection).await?;
    Ok(schema.as_deref().and_then(HistoryTable::in_schema))
}

/// Finds the table or makes it. Absent where the database has no schema to make it in.
pub(super) async fn prepare(connection: &mut PgConnection) -> Result<Option<HistoryTable>, sqlx::Error> {
    if let Some(table) = find_table(connection).await? {
        return Ok(Some(table));
    }
    let home: Option<String> = sqlx::query_scalar(HOME).fetch_one(&mut *connection).await?;
    let Some(table) = home.as_deref().and_then(HistoryTable::in_schema) else {
        return Ok(None);
    };
    let create = format!(
        "CREATE TABLE {} (migration_set text NOT NULL, version text NOT NULL, title text NOT NULL, \
         checksum text NOT NULL, applied_at timestamptz NOT NULL, duration_us bigint NOT NULL, \
         direction text, statements_done integer, statements_total integer, statement_open boolean, fingerprint text, \
         PRIMARY KEY (migration_set, version))",
        table.0
    );
    match sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *connection).await {
        Ok(_) => Ok(Some(table)),
        Err(error) => {
            let state = super::failure::sql_state(&error).unwrap_or_default();
            if MADE_MEANWHILE.contains(&state.as_str()) { find_table(connection).await } else { Err(error) }
        }
    }
}

/// All rows, by set and version.
pub(super) async fn read(
    connection: &mut PgConnection,
    table: &HistoryTable,
) -> Result<Vec<HistoryEntry>, sqlx::Error> {
    let sql = format!(
        "SELECT migration_set, version, title, checksum, (extract(epoch FROM applied_at) * 1000000)::int8, duration_us, \
         direction, statements_done, statements_total, statement_open, fingerprint FROM {}",
        table.0
    );
    // Not prepared for the next time: the table may have been made anew by then.
    let rows = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_all(connection).await?;
    let mut entries: Vec<HistoryEntry> = rows.iter().map(entry).collect();
    entries.sort_by(|left, right| (&left.set, &left.version).cmp(&(&right.set, &right.version)));
    Ok(entries)
}

fn entry(row: &PgRow) -> HistoryEntry {
    let count = |column: usize| u32::try_from(row.get::<Option<i32>, _>(column).unwrap_or(0)).unwrap_or(0);
    let direction: Option<String> = row.get(6);
    let incomplete = direction.map(|direction| IncompleteRun {
        direction: if direction == direction_text(Direction::Down) { Direction::Down } else { Direction::Up },
        statements_done: count(7),
        statements_total: count(8),
        statement_open: row.get::<Option<bool>, _>(9).unwrap_or(false),
        fingerprint: row.get::<Option<String>, _>(10).unwrap_or_default(),
    });
    HistoryEntry {
        set: MigrationSetId::from_stored(row.get(0)),
        version: Version::from_stored(row.get(1)),
        title: row.get(2),
        checksum: row.get(3),
        applied: Timestamp::from_micros(row.get(4)),
        duration: Duration::from_micros(u64::try_from(row.get::<i64, _>(5)).unwrap_or(0)),
        incomplete,
    }
}

fn key(step: &MigrationStep) -> String {
    format!("migration_set = {} AND version = {}", literal(step.set.as_str()), literal(step.version.as_str()))
}

fn direction_text(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "up",
        Direction::Down => "down",
    }
}
