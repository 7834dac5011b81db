//! What PostgreSQL alone knows of tables and columns.

use super::{ObjectName, Parameter, Policy, Rule};

/// How long the rows of a table live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Persistence {
    /// Logged and kept.
    #[default]
    Permanent,
    /// Kept, but emptied after a crash.
    Unlogged,
    /// Gone with the session.
    Temporary,
}

/// How rows are dealt out to partitions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PartitionStrategy {
    /// By range.
    #[default]
    Range,
    /// By list.
    List,
    /// By hash.
    Hash,
}

/// A term of a partition key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionTerm {
    /// What it is.
    pub term: super::IndexTerm,
    /// Collation, where it is not the column's own.
    pub collation: String,
    /// Operator class, where it is not the type's default.
    pub operator_class: String,
}

/// The partitioning of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PostgresPartitioning {
    /// How rows are dealt out.
    pub strategy: PartitionStrategy,
    /// What by, in order.
    pub terms: Vec<PartitionTerm>,
    /// Where rows go that no other partition takes.
    pub default_partition: Option<ObjectName>,
}

/// A table as a partition of another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionOf {
    /// The table that it is a partition of.
    pub parent: ObjectName,
    /// Which rows, such as `FOR VALUES FROM (1) TO (10)`, or `DEFAULT`.
    pub bound: String,
}

/// What tells rows apart in logical replication.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ReplicaIdentity {
    /// The primary key.
    #[default]
    Default,
    /// Nothing.
    Nothing,
    /// The whole row.
    Full,
    /// This index.
    Index(String),
}

/// Where the rows of a foreign table are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForeignTable {
    /// Name of the foreign server.
    pub server: String,
    /// Options of the table; values of options that are named after secrets are left out.
    pub options: Vec<Parameter>,
}

/// Extended statistics of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtendedStatistics {
    /// Schema and name.
    pub name: ObjectName,
    /// Definition as the engine writes it.
    pub definition: String,
    /// Statistics target; absent: the default.
    pub target: Option<i32>,
    /// Comment.
    pub comment: String,
}

/// What PostgreSQL knows of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PostgresTable {
    /// How long its rows live.
    pub persistence: Persistence,
    /// How it is partitioned; absent: not at all.
    pub partitioning: Option<PostgresPartitioning>,
    /// What it is a partition of.
    pub partition_of: Option<PartitionOf>,
    /// Tables that it inherits from, in order.
    pub inherits: Vec<ObjectName>,
    /// Composite type that it was made of.
    pub of_type: Option<ObjectName>,
    /// Row security is on.
    pub row_security: bool,
    /// Row security holds for the owner too.
    pub row_security_forced: bool,
    /// Row security policies by name.
    pub policies: Vec<Policy>,
    /// Rules by name; the one that makes a view is left out.
    pub rules: Vec<Rule>,
    /// What tells its rows apart in logical replication.
    pub replica_identity: ReplicaIdentity,
    /// Tablespace; empty: the database's.
    pub tablespace: String,
    /// Access method; empty where it has none.
    pub access_method: String,
    /// Storage parameters and options of a view; those of its TOAST table begin with `toast.`.
    pub storage_parameters: Vec<Parameter>,
    /// Where its rows are; absent: here.
    pub foreign: Option<ForeignTable>,
    /// Extended statistics by name.
    pub statistics: Vec<ExtendedStatistics>,
    /// It holds what its query found; false for a materialised view that was not filled yet.
    pub populated: bool,
}

/// Where a column keeps long values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ColumnStorage {
    /// Not told.
    #[default]
    Untold,
    /// In the row, as they are.
    Plain,
    /// Outside, as they are.
    External,
    /// Outside, compressed.
    Extended,
    /// In the row, compressed.
    Main,
}

/// What PostgreSQL knows of a column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PostgresColumn {
    /// Where long values are kept.
    pub storage: ColumnStorage,
    /// How they are compressed; empty: the server's default.
    pub compression: String,
    /// Statistics target; absent: the default.
    pub statistics_target: Option<i32>,
    /// The type, where it is one that somebody made.
    pub user_type: Option<ObjectName>,
    /// Dimensions that an array was declared with; 0: no array.
    pub array_dimensions: i32,
    /// Number of parents that it is inherited from.
    pub inherited_from: i32,
    /// The table itself defines it, inherited or not.
    pub local: bool,
    /// Options of the column.
    pub options: Vec<Parameter>,
    /// Options of a column of a foreign table.
    pub foreign_options: Vec<Parameter>,
    /// Name of the NOT NULL constraint; empty: it has none.
    pub not_null_constraint: String,
}
