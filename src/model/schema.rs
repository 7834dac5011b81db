//! The neutral shape of a schema. The fields mean what the messages of
//! `schema_service.proto` say; -1 stands for "the engine does not tell".

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
    /// What could not be read.
    pub skipped: Vec<Skipped>,
}

/// Something that could not be read while the rest was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// What is missing.
    pub subject: String,
    /// Why.
    pub reason: String,
    /// What mends it; empty: nothing.
    pub remedy: String,
}

/// What kind of relation a table is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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

/// Which tables are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableFilter {
    /// Only this schema.
    pub schema: Option<String>,
    /// Only this kind.
    pub kind: Option<TableKind>,
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
}

/// A primary key or a unique constraint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyConstraint {
    /// Name; empty: none.
    pub name: String,
    /// Columns in order.
    pub columns: Vec<String>,
}

/// What an index indexes at one position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexTerm {
    /// A column.
    Column(String),
    /// An expression as the engine writes it; empty where the engine does not tell.
    Expression(String),
}

/// A part of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPart {
    /// What is indexed.
    pub term: IndexTerm,
    /// Descending.
    pub descending: bool,
    /// Characters of the prefix; 0: the whole.
    pub prefix_length: u32,
}

/// An index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// Name.
    pub name: String,
    /// Method, lower case.
    pub method: String,
    /// Unique.
    pub unique: bool,
    /// Of the primary key.
    pub primary: bool,
    /// Parts in order.
    pub parts: Vec<IndexPart>,
    /// Columns beside the key.
    pub included_columns: Vec<String>,
    /// Condition of a partial index; empty: none.
    pub predicate: String,
    /// The engine uses it.
    pub valid: bool,
    /// Bytes on disk.
    pub size_bytes: i64,
}

/// What happens to a row when the row that it points to changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReferentialAction {
    /// Refused at the end.
    #[default]
    NoAction,
    /// Refused at once.
    Restrict,
    /// Goes with it.
    Cascade,
    /// Becomes NULL.
    SetNull,
    /// Takes the default.
    SetDefault,
}

/// A foreign key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForeignKey {
    /// Name; empty: none.
    pub name: String,
    /// Columns of this table.
    pub columns: Vec<String>,
    /// Schema pointed to.
    pub referenced_schema: String,
    /// Table pointed to.
    pub referenced_table: String,
    /// Columns pointed to.
    pub referenced_columns: Vec<String>,
    /// On update.
    pub on_update: ReferentialAction,
    /// On delete.
    pub on_delete: ReferentialAction,
    /// Can wait for the end of the transaction.
    pub deferrable: bool,
    /// Existing rows were checked.
    pub validated: bool,
}

/// A check constraint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckConstraint {
    /// Name; empty: none.
    pub name: String,
    /// Condition as the engine writes it.
    pub expression: String,
    /// Existing rows were checked.
    pub validated: bool,
}

/// A trigger, in short.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trigger {
    /// Name.
    pub name: String,
    /// Definition as the engine writes it.
    pub definition: String,
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
}
