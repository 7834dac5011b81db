//! What MySQL and MariaDB alone know of tables and columns.

use super::{Parameter, SequenceOptions};

/// A partition or subpartition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MysqlPartition {
    /// Name.
    pub name: String,
    /// Bound as the engine writes it; empty for a hash.
    pub bound: String,
    /// Comment.
    pub comment: String,
    /// Rows by estimate.
    pub row_estimate: i64,
    /// Bytes of rows.
    pub data_size_bytes: i64,
    /// Subpartitions in order.
    pub subpartitions: Vec<MysqlPartition>,
    /// Tablespace; empty: the table's own.
    pub tablespace: String,
}

/// The partitioning of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MysqlPartitioning {
    /// Method as the engine names it.
    pub method: String,
    /// Expression or columns.
    pub expression: String,
    /// Method of the subpartitions; empty: none.
    pub subpartition_method: String,
    /// Expression or columns of the subpartitions.
    pub subpartition_expression: String,
    /// Partitions in order.
    pub partitions: Vec<MysqlPartition>,
}

/// A period of an application or of the system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimePeriod {
    /// Name; `SYSTEM_TIME` for the one of system versioning.
    pub name: String,
    /// Column where it begins.
    pub start_column: String,
    /// Column where it ends.
    pub end_column: String,
}

/// Whose privileges a view or routine runs with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SecurityContext {
    /// Not told.
    #[default]
    Untold,
    /// Those of who made it.
    Definer,
    /// Those of who uses it.
    Invoker,
}

/// What is known of a view beside its query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MysqlView {
    /// Account that made it.
    pub definer: String,
    /// Whose privileges it runs with.
    pub security: SecurityContext,
    /// `NONE`, `LOCAL` or `CASCADED`.
    pub check_option: String,
    /// `UNDEFINED`, `MERGE` or `TEMPTABLE`; empty where the engine does not tell.
    pub algorithm: String,
    /// Rows can be changed through it.
    pub updatable: bool,
    /// Character set of the session that made it.
    pub character_set_client: String,
    /// Collation of the session that made it.
    pub collation_connection: String,
}

/// What MySQL and MariaDB know of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MysqlTable {
    /// Storage engine.
    pub storage_engine: String,
    /// Row format.
    pub row_format: String,
    /// Default character set.
    pub character_set: String,
    /// Default collation.
    pub collation: String,
    /// Next number of AUTO_INCREMENT.
    pub auto_increment: Option<u64>,
    /// Create options as the engine writes them.
    pub create_options: Vec<Parameter>,
    /// How it is partitioned; absent: not at all.
    pub partitioning: Option<MysqlPartitioning>,
    /// It keeps the history of its rows.
    pub system_versioned: bool,
    /// Its periods.
    pub periods: Vec<TimePeriod>,
    /// Of a view alone.
    pub view: Option<MysqlView>,
    /// Of a sequence alone.
    pub sequence: Option<SequenceOptions>,
}

/// What a column is for in system versioning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum VersioningRole {
    /// Nothing.
    #[default]
    None,
    /// When the version of the row begins.
    RowStart,
    /// When it ends.
    RowEnd,
    /// Changes of it make no version of the row.
    Excluded,
}

/// What MySQL and MariaDB know of a column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MysqlColumn {
    /// Expression that it takes when the row changes; empty: none.
    pub on_update: String,
    /// `*` leaves it out.
    pub invisible: bool,
    /// What it is for in system versioning.
    pub versioning: VersioningRole,
    /// Values are compressed.
    pub compressed: bool,
    /// Spatial reference system; absent: any.
    pub srid: Option<u32>,
    /// What the engine says beyond that; empty: nothing.
    pub extra: String,
}
