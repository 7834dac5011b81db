//! Tables and views.

use super::{
    CheckConstraint, Column, ExclusionConstraint, ForeignKey, Index, KeyConstraint, MysqlTable, ObjectGrant,
    PostgresTable, SqliteTable, Trigger,
};

/// What kind of relation a table is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum TableKind {
    /// An ordinary table.
    #[default]
    Table,
    /// A view.
    View,
    /// A materialised view.
    MaterializedView,
    /// The parent of partitions.
    PartitionedTable,
    /// A foreign table.
    ForeignTable,
    /// A virtual table of SQLite.
    VirtualTable,
    /// A sequence that is listed among the tables (MariaDB).
    Sequence,
}

/// A table in a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableSummary {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: TableKind,
    /// Number of columns.
    pub column_count: i32,
    /// Rows by estimate.
    pub row_estimate: i64,
    /// Bytes without indexes.
    pub data_size_bytes: i64,
    /// Bytes of indexes.
    pub index_size_bytes: i64,
    /// Comment.
    pub comment: String,
}

/// What one engine alone knows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableDetails {
    /// PostgreSQL.
    Postgres(Box<PostgresTable>),
    /// MySQL and MariaDB.
    Mysql(Box<MysqlTable>),
    /// SQLite.
    Sqlite(Box<SqliteTable>),
}

/// A table or a view in full.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: TableKind,
    /// Comment.
    pub comment: String,
    /// Columns by position.
    pub columns: Vec<Column>,
    /// Primary key.
    pub primary_key: Option<KeyConstraint>,
    /// Unique constraints by name.
    pub unique_constraints: Vec<KeyConstraint>,
    /// Foreign keys by name.
    pub foreign_keys: Vec<ForeignKey>,
    /// Checks by name.
    pub checks: Vec<CheckConstraint>,
    /// Indexes by name, those of constraints included.
    pub indexes: Vec<Index>,
    /// Triggers by name.
    pub triggers: Vec<Trigger>,
    /// Query of a view.
    pub view_definition: String,
    /// Rows by estimate.
    pub row_estimate: i64,
    /// Bytes without indexes.
    pub data_size_bytes: i64,
    /// Bytes of indexes.
    pub index_size_bytes: i64,
    /// Options as the engine writes them.
    pub options: String,
    /// Owner; empty where the engine has none.
    pub owner: String,
    /// Exclusion constraints by name.
    pub exclusions: Vec<ExclusionConstraint>,
    /// Privileges on it and its columns.
    pub grants: Vec<ObjectGrant>,
    /// What its engine knows beside that.
    pub details: Option<TableDetails>,
}
