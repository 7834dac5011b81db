//! The ability to read a schema, in a constant number of catalog queries, and to look at rows.

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::model::{
    Result,
    name::QualifiedName,
    schema::{
        DatabaseInfo, DdlSelection, DdlStatement, ObjectFilter, ObjectList, ObjectPage, Sample, SampleQuery, Skipped,
        Table, TableFilter, TableList, TableLookup, TablePage,
    },
};

/// Reads the schema of a database. Every query has the statement time-out of the pool and a
/// lock time-out, so that a lock held by another never hangs it. What cannot be read, for a lock or for want of a
/// privilege, is named as skipped with the statement that mends it, and the rest is delivered.
#[async_trait]
pub trait Inspect: Send + Sync {
    /// The database as a whole. Of its full-text tables at most [`DatabaseInfo::MAX_FULL_TEXT_TABLES`].
    async fn database(&self) -> Result<DatabaseInfo>;

    /// A part of the list of tables, and how many match in all. A page by name costs what the page holds; another order
    /// needs the figures of all tables, for which [`TablePage::cut`] makes the page. Names compare in code-point order.
    async fn list_tables(&self, filter: &TableFilter, page: &TablePage) -> Result<TableList>;

    /// Sends every table that matches, by schema and name, and returns what could not be read.
    /// Ends early, without an error, when the receiver is gone. Memory does not grow with the number of tables where the
    /// engine can read them in parts; all are of one snapshot where it has one.
    async fn stream_tables(&self, filter: &TableFilter, tables: mpsc::Sender<Table>) -> Result<Vec<Skipped>>;

    /// One table, exactly as it is streamed, with what depends on it; absent where there is none. Costs the same however
    /// many other tables there are.
    async fn table(&self, name: &QualifiedName) -> Result<Option<TableLookup>>;

    /// What changes with every change of a definition, by one cheap query; absent where the engine has nothing like it.
    /// Two marks of one database that are the same mean that no definition changed in between.
    async fn change_marker(&self) -> Result<Option<String>> {
        Ok(None)
    }
}

/// Lists the objects of a database that are no tables. The same holds as for [`Inspect`].
#[async_trait]
pub trait InspectObjects: Send + Sync {
    /// A part of the list of objects, and how many match in all. Kinds that the engine does not have match nothing.
    /// Objects that belong to an extension or to the system itself are left out.
    async fn list_objects(&self, filter: &ObjectFilter, page: &ObjectPage) -> Result<ObjectList>;
}

/// Writes the statements that make a database again. The same holds as for [`Inspect`].
#[async_trait]
pub trait ReadDdl: Send + Sync {
    /// Sends the statements that are asked for in an order in which each finds what it needs, and returns what could not be
    /// read or written; absent where one thing was asked for and is not there. Ends early, without an error, when the
    /// receiver is gone. Run one by one in one session on an empty database of the same engine and version, the
    /// statements make what [`Inspect`] and [`InspectObjects`] tell the same of, but for rows and last numbers.
    async fn stream_ddl(
        &self,
        selection: &DdlSelection,
        statements: mpsc::Sender<DdlStatement>,
    ) -> Result<Option<Vec<Skipped>>>;
}

/// Looks at rows.
#[async_trait]
pub trait SampleRows: Send + Sync {
    /// Some rows of a table or view in no special order, read in a transaction that cannot write and with values cut by the
    /// database; absent where there is no such table. [`SampleQuery::pick`] refuses columns that it lacks.
    async fn sample(&self, query: &SampleQuery) -> Result<Option<Sample>>;
}
