//! A database as a whole.

use super::{ObjectKind, ObjectName};

/// A database as a whole.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DatabaseInfo {
    /// Its name on its server.
    pub database: String,
    /// Default character set.
    pub character_set: String,
    /// Default collation.
    pub collation: String,
    /// Bytes on disk.
    pub size_bytes: i64,
    /// Bytes of tables.
    pub data_size_bytes: i64,
    /// Bytes of indexes.
    pub index_size_bytes: i64,
    /// User schemas.
    pub schema_count: i64,
    /// User tables.
    pub table_count: i64,
    /// Views.
    pub view_count: i64,
    /// Indexes.
    pub index_count: i64,
    /// Sum of the row estimates.
    pub row_estimate: i64,
    /// Tables with a text column.
    pub searchable_table_count: i64,
    /// Text columns of those tables.
    pub searchable_column_count: i64,
    /// Tables that can be searched by words.
    pub full_text_table_count: i64,
    /// The first [`DatabaseInfo::MAX_FULL_TEXT_TABLES`] of them by schema, table and index.
    pub full_text_tables: Vec<FullTextTable>,
    /// What could not be read.
    pub skipped: Vec<Skipped>,
}

/// Which names of a schema are unknown, or known and nothing else, where something could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Hidden {
    /// None: a figure, a privilege or a text is missing.
    #[default]
    Nothing,
    /// A table or view of this name is there.
    Relation(ObjectName),
    /// An object of this name is there that is no table.
    Object(ObjectKind, ObjectName),
    /// There may be further tables and views, whose names nobody tells.
    Relations,
    /// Triggers, routines or events, or their texts, are missing.
    Texts,
    /// Privileges are missing.
    Privileges,
}

/// Something that could not be read while the rest was delivered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skipped {
    /// What is missing.
    pub subject: String,
    /// Why.
    pub reason: String,
    /// What mends it; empty: nothing.
    pub remedy: String,
    /// What of the names of the schema is unknown for that.
    pub hidden: Hidden,
}

impl DatabaseInfo {
    /// Most full-text tables that are named.
    pub const MAX_FULL_TEXT_TABLES: usize = 100;
}

/// A table that can be searched by words.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FullTextTable {
    /// Schema.
    pub schema: String,
    /// Table.
    pub table: String,
    /// The index, or for SQLite the module.
    pub index: String,
    /// Columns that are indexed; empty where the engine does not tell.
    pub columns: Vec<String>,
}
