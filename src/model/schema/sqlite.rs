//! What SQLite alone knows of tables and columns.

/// The module of a virtual table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VirtualModule {
    /// Name, such as `fts5`.
    pub name: String,
    /// Arguments as written.
    pub arguments: Vec<String>,
}

/// A table that a virtual table keeps its data in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShadowTable {
    /// Name.
    pub name: String,
    /// What it holds, as the module names it.
    pub kind: String,
}

/// What SQLite knows of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SqliteTable {
    /// Types are enforced.
    pub strict: bool,
    /// Rows lie in the order of the primary key.
    pub without_rowid: bool,
    /// Ids are never used twice.
    pub autoincrement: bool,
    /// Module of a virtual table.
    pub module: Option<VirtualModule>,
    /// Shadow tables of a virtual table, by name.
    pub shadow_tables: Vec<ShadowTable>,
    /// The CREATE statement as SQLite keeps it.
    pub definition: String,
}

/// What a column makes of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affinity {
    /// INTEGER.
    Integer,
    /// REAL.
    Real,
    /// TEXT.
    Text,
    /// BLOB: values stay as they are.
    Blob,
    /// NUMERIC.
    Numeric,
}

/// What SQLite knows of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteColumn {
    /// What it makes of values.
    pub affinity: Affinity,
    /// It is the rowid under another name.
    pub rowid: bool,
}
