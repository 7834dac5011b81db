//! Recommendations: what to change about the indexes of a schema, and the figures that say so.

use std::time::Duration;

use super::{ObjectName, Skipped};
use crate::model::Timestamp;

/// A rule of advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdviceRule {
    /// What it is called in requests and recommendations.
    pub id: &'static str,
    /// Its place in an answer.
    pub rank: u8,
}

/// What a figure tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FigureKind {
    /// Rows of the table by estimate.
    RowEstimate,
    /// Scans of the whole table.
    SequentialScans,
    /// Rows that those scans read.
    SequentialRows,
    /// Scans by the index or the indexes in question.
    IndexScans,
    /// Bytes of the index in question.
    IndexSize,
    /// Bytes of the database.
    DatabaseSize,
    /// Calls of the statements.
    Calls,
    /// Milliseconds of all calls.
    TotalTime,
    /// Rows that the statements read to find theirs.
    RowsExamined,
    /// Average bytes of the column.
    AverageLength,
    /// The last number that was given out.
    LastValue,
    /// The greatest number that the column holds.
    LargestValue,
    /// Calls that read a table without any index.
    CallsWithoutIndex,
}

/// A figure that a recommendation rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What it tells.
    pub kind: FigureKind,
    /// The figure.
    pub value: f64,
    /// Where it comes from.
    pub source: String,
}

/// A statement, and its plans without and with what is recommended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlanComparison {
    /// The statement.
    pub statement: String,
    /// The caller gave it.
    pub own: bool,
    /// Calls that the server counted.
    pub calls: i64,
    /// Mean milliseconds of a call.
    pub mean_time: f64,
    /// The plan as the database is.
    pub before: Plan,
    /// The plan with the change; absent: it was not asked.
    pub after: Option<Plan>,
}

/// What a planner says of a statement.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// Cost in the planner's units; absent: it tells none.
    pub cost: Option<f64>,
    /// The plan as text, where there is no cost.
    pub text: String,
    /// Why there is none; empty: there is one.
    pub missing: String,
}

impl Plan {
    /// No plan, and why.
    pub fn missing(why: impl Into<String>) -> Self {
        Self { missing: why.into(), ..Self::default() }
    }
}

/// Bytes that an index would take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SizeEstimate {
    /// Bytes.
    pub bytes: i64,
    /// How they were found.
    pub method: &'static str,
}

/// What a change costs those who write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteCost {
    /// Entries that each new row writes beyond those of today.
    pub entries_per_row: i32,
    /// What was written since statistics began; absent: not told.
    pub writes: Option<Writes>,
}

/// What was written to a table since statistics began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Writes {
    /// Rows inserted.
    pub inserts: i64,
    /// Rows updated.
    pub updates: i64,
    /// Updates among them that changed no index; absent: the engine has no such thing.
    pub heap_only_updates: Option<i64>,
    /// Rows deleted.
    pub deletes: i64,
}

/// How a table is read and written. A count that the engine does not have is -1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableUse {
    /// The table.
    pub table: ObjectName,
    /// Scans of the whole table.
    pub sequential_scans: i64,
    /// Rows that those read.
    pub sequential_rows: i64,
    /// Scans by an index; rows where the engine counts no scans.
    pub index_scans: i64,
    /// What was written.
    pub writes: Writes,
}

impl TableUse {
    /// True where an index serves less than 95 % of the scans, or of the rows where the engine counts no scans.
    pub fn is_mostly_scanned(&self) -> bool {
        let whole = if self.sequential_scans >= 0 { self.sequential_scans } else { self.sequential_rows };
        let all = whole.max(0).saturating_add(self.index_scans.max(0));
        all > 0 && self.index_scans.max(0).saturating_mul(100) < all.saturating_mul(95)
    }
}

/// How often an index was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexUse {
    /// Its table.
    pub table: ObjectName,
    /// Its name.
    pub index: String,
    /// Scans, or rows where the engine counts no scans.
    pub scans: i64,
}

/// A statement, and what the server counted of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StatementUse {
    /// Its text, with marks in the places of values.
    pub text: String,
    /// Calls.
    pub calls: i64,
    /// Milliseconds of all calls.
    pub total_time: f64,
    /// Rows read to find those that were wanted; absent: not counted.
    pub rows_examined: Option<i64>,
    /// Calls that read a table without any index; absent: not counted.
    pub calls_without_index: Option<i64>,
}

/// Something that advice rests on, used or missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdviceSource {
    /// Which.
    pub name: String,
    /// It was used.
    pub used: bool,
    /// Where the figures come from, or what is missing.
    pub detail: String,
    /// What would make it available; empty: nothing.
    pub remedy: String,
}

impl AdviceSource {
    /// One that was used.
    pub fn used(name: &str, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), used: true, detail: detail.into(), remedy: String::new() }
    }

    /// One that is missing, and what mends that.
    pub fn missing(name: &str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name: name.to_owned(), used: false, detail: detail.into(), remedy: remedy.into() }
    }
}

/// What a server counted. Of what it does not count there is nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Usage {
    /// Since when; absent: it does not tell.
    pub since: Option<Timestamp>,
    /// Tables.
    pub tables: Vec<TableUse>,
    /// Indexes.
    pub indexes: Vec<IndexUse>,
    /// The statements that took the most time, those first.
    pub statements: Vec<StatementUse>,
    /// Tables on which an index is being built at the moment.
    pub building: Vec<ObjectName>,
    /// Tables and those of their columns that foreign keys point to, where the engine does not ask for a unique key.
    pub referenced: Vec<(ObjectName, Vec<String>)>,
    /// What it rests on.
    pub sources: Vec<AdviceSource>,
}

/// A statement that is planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialStatement {
    /// Its text.
    pub text: String,
    /// It has parameters.
    pub has_parameters: bool,
    /// Tables that it reads or changes.
    pub tables: Vec<ObjectName>,
    /// Why it is not planned; absent: it may be.
    pub refused: Option<String>,
}

/// An index that is tried without making it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexTrial {
    /// The table.
    pub table: ObjectName,
    /// Its kind.
    pub kind: super::TableKind,
    /// Name of the index.
    pub index: String,
    /// Columns in order.
    pub columns: Vec<String>,
    /// Places of the statements that it may help.
    pub statements: Vec<usize>,
}

/// What trials found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrialOutcome {
    /// Plans of the statements as the database is, in their order.
    pub before: Vec<Plan>,
    /// For each index the plans of its statements; absent: none could be tried.
    pub after: Vec<Option<Vec<Plan>>>,
    /// Bytes of each index as the engine would estimate them.
    pub sizes: Vec<Option<i64>>,
    /// For each index whether a plan names it; absent: the engine's costs tell.
    pub used: Option<Vec<bool>>,
    /// What it rests on.
    pub source: Option<AdviceSource>,
}

/// A change that is recommended.
#[derive(Debug, Clone, PartialEq)]
pub struct Recommendation {
    /// Stays the same as long as rule, table and index do.
    pub id: String,
    /// The rule.
    pub rule: &'static AdviceRule,
    /// Other rules that the change answers.
    pub answers: Vec<&'static str>,
    /// The table.
    pub table: ObjectName,
    /// Name of the index.
    pub index: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// What was found, and what the change does.
    pub message: String,
    /// What it rests on.
    pub evidence: Vec<Figure>,
    /// Statements that it helps.
    pub plans: Vec<PlanComparison>,
    /// Bytes that it adds.
    pub size: Option<SizeEstimate>,
    /// What it costs writers.
    pub write_cost: Option<WriteCost>,
    /// Title of the migration.
    pub title: String,
    /// Text of the up part.
    pub up: String,
    /// Text of the down part.
    pub down: String,
    /// How a query uses it; empty: as it is.
    pub usage: String,
}

/// All that is recommended.
#[derive(Debug, Clone, PartialEq)]
pub struct Advice {
    /// The recommendations in their order.
    pub recommendations: Vec<Recommendation>,
    /// What they rest on.
    pub sources: Vec<AdviceSource>,
    /// Since when the server has counted.
    pub since: Option<Timestamp>,
    /// Statements of the statistics.
    pub statements: usize,
    /// Those among them that could not be read.
    pub unread_statements: usize,
    /// Large tables that are mostly read as a whole, with their rows.
    pub scanned_tables: Vec<(TableUse, i64)>,
    /// What of the schema could not be read.
    pub skipped: Vec<Skipped>,
    /// When reading began.
    pub time: Timestamp,
    /// How long it took.
    pub duration: Duration,
}
