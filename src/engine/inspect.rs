//! The ability to read a schema, in a constant number of catalog queries.

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::model::{
    Result,
    name::QualifiedName,
    schema::{DatabaseInfo, Skipped, Table, TableFilter, TableSummary},
};

/// Reads the schema of a database. Every query has the statement time-out of the pool and a
/// lock time-out, so that a lock held by another never hangs it.
#[async_trait]
pub trait Inspect: Send + Sync {
    /// The database as a whole.
    async fn database(&self) -> Result<DatabaseInfo>;

    /// Up to `limit` tables after `after` (schema, name), by schema and name in code-point order, and how many match in all.
    async fn list_tables(
        &self,
        filter: &TableFilter,
        after: Option<(&str, &str)>,
        limit: u32,
    ) -> Result<(Vec<TableSummary>, u64)>;

    /// Sends every table that matches, by schema and name, and returns what could not be read.
    /// Ends early, without an error, when the receiver is gone.
    async fn stream_tables(&self, filter: &TableFilter, tables: mpsc::Sender<Table>) -> Result<Vec<Skipped>>;

    /// One table; absent where there is none. Costs the same however many other tables there are.
    async fn table(&self, name: &QualifiedName) -> Result<Option<Table>>;
}
