//! The ability to say what indexes a database lacks and which it has for nothing.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;

use crate::model::{
    Result, Timestamp,
    schema::{Column, Index, IndexTrial, IndexUse, ObjectName, Table, TableKind, TrialOutcome, TrialStatement, Usage},
};

/// Most statements that are taken out of the statistics of a server.
pub const MAX_COUNTED_STATEMENTS: u32 = 100;

/// Average bytes of the values of columns, by table and column.
pub type ColumnLengths = HashMap<ObjectName, HashMap<String, f64>>;

/// Statements that do something, and those that take it back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TwoWay {
    /// What does it, in order.
    pub up: Vec<String>,
    /// What takes it back. Empty: there is nothing to take back.
    pub down: Vec<String>,
}

/// A search by words through some columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FullTextSearch {
    /// Name of the index or table that it makes.
    pub name: String,
    /// All names that it takes, that one included.
    pub takes: Vec<String>,
    /// What makes it.
    pub statements: TwoWay,
    /// A condition that uses it.
    pub usage: String,
    /// What it brings along that is not wanted, in a sentence's part.
    pub caveat: &'static str,
}

/// Reads what the server counted, asks its planner, and writes what is recommended. Every query has the statement time-out of
/// the pool. What cannot be read is told among the sources with the statement that mends it, and the rest is delivered.
#[async_trait]
pub trait Advise: Send + Sync {
    /// What the server counted, with at most [`MAX_COUNTED_STATEMENTS`] statements.
    async fn usage(&self) -> Result<Usage>;

    /// How often each index was read, and since when that is counted, for a replica; an error where it is not counted.
    async fn index_use(&self) -> Result<(Option<Timestamp>, Vec<IndexUse>)>;

    /// What the server knows of the lengths of values in some tables. Empty where it knows nothing.
    async fn column_lengths(&self, tables: &[ObjectName]) -> Result<ColumnLengths>;

    /// Plans statements as the database is and with indexes that are not made. Runs none of the statements. Each is one query
    /// that was parsed.
    async fn try_indexes(&self, statements: &[TrialStatement], trials: &[IndexTrial]) -> Result<TrialOutcome>;

    /// Those among some names that something in their schema has already, in small letters; none where each table has its own indexes.
    async fn taken_names(&self, _names: &[ObjectName]) -> Result<BTreeSet<ObjectName>> {
        Ok(BTreeSet::new())
    }

    /// True where an index is built and dropped beside the work of others, which no transaction takes.
    fn works_beside(&self, _kind: TableKind) -> bool {
        false
    }

    /// The statement that makes an index again as it was; absent where that cannot be said by what is known of it.
    fn make_again(&self, table: &Table, index: &Index) -> Option<String>;

    /// What makes an index usable that is not; absent where the engine has none such.
    fn mend(&self, _table: &Table, _index: &Index) -> Option<TwoWay> {
        None
    }

    /// An unusable index is what a rebuild left beside the one that it was for.
    fn is_left_behind(&self, _index: &Index) -> bool {
        false
    }

    /// What gives the numbers of a column more room; absent where nothing does.
    fn widen(&self, _table: &Table, _column: &Column) -> Option<TwoWay> {
        None
    }

    /// A search by words through some columns; absent where the table cannot have one.
    fn full_text(&self, table: &Table, columns: &[String]) -> Option<FullTextSearch>;

    /// Bytes of an index by the formula of docs/advice.md, out of rows, bytes of a key and bytes of a primary key.
    fn index_bytes(&self, rows: i64, key: f64, primary_key: f64) -> i64;
}
