//! Columns.

use super::{MysqlColumn, PostgresColumn, SequenceOptions, SqliteColumn};

/// How a column gets its value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Generation {
    /// From the writer or the default.
    #[default]
    None,
    /// Computed when written.
    Stored,
    /// Computed when read.
    Virtual,
    /// Identity, always.
    IdentityAlways,
    /// Identity, unless given.
    IdentityByDefault,
    /// AUTO_INCREMENT or AUTOINCREMENT.
    AutoIncrement,
}

/// A column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Position from 1 without gaps.
    pub position: i32,
    /// Type as the engine writes it.
    pub data_type: String,
    /// NULL is allowed.
    pub nullable: bool,
    /// Default as the engine writes it.
    pub default_expression: Option<String>,
    /// How the value is generated.
    pub generation: Generation,
    /// Expression of a generated column.
    pub generation_expression: String,
    /// Collation, where it differs from the database's.
    pub collation: String,
    /// Comment.
    pub comment: String,
    /// Character set, where the type has one.
    pub character_set: String,
    /// The number generator of an identity column, or the sequence that belongs to the column.
    pub sequence: Option<SequenceOptions>,
    /// What its engine knows beside that.
    pub details: Option<ColumnDetails>,
}

/// What one engine alone knows of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnDetails {
    /// PostgreSQL.
    Postgres(Box<PostgresColumn>),
    /// MySQL and MariaDB.
    Mysql(Box<MysqlColumn>),
    /// SQLite.
    Sqlite(SqliteColumn),
}
