//! What the writers of all engines say about the change of a schema.

mod declared;
mod rows;
mod staying;

pub use self::declared::{DeclaredColumn, DeclaredTable, DeclaredTables, Kept};
pub(in crate::engine) use self::{
    rows::{effect_on_rows, lost},
    staying::StayingTable,
};
use super::Unsupported;

/// What others wait for while a change is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableLock {
    /// Nothing but a moment: rows are read and written while it is made.
    #[default]
    Nothing,
    /// Rows are read, and writes wait until it is made.
    Writes,
    /// Reads and writes wait until it is made.
    Everything,
}

/// What a change does beside what it is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effect {
    /// What others wait for.
    pub lock: TableLock,
    /// It writes or reads every row of the table, so that it takes the longer the larger the table is.
    pub reads_every_row: bool,
    /// Which data is lost, as a sentence; empty: none.
    pub data_loss: String,
    /// With which rows it fails, as a sentence; empty: it does not depend on rows.
    pub may_fail: String,
    /// Others wait until further changes of the same transaction have read or written rows.
    pub lock_lasts: bool,
}

/// Statements that are run together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlterScript {
    /// What they are for, in a few words, such as `validate constraints`.
    pub title: &'static str,
    /// The statements in their order, each with its semicolon.
    pub statements: Vec<String>,
    /// They are run in one transaction; otherwise each by itself, because one of them cannot be in a transaction or the engine has
    /// none for such statements.
    pub transactional: bool,
}

/// What is dropped, or said again whole, and comes out of a definition alone, so that it loses whatever a definition does not say of
/// it. Names are those before or after the change, in the words in which a live database tells what has no place in a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remade {
    /// A table with all that it has: its name with its schema.
    Table(String),
    /// A column that is dropped, and with it whatever stands on it.
    Column {
        /// Name of its table, with the schema.
        table: String,
        /// Its name.
        column: String,
    },
    /// A part: `view b`, `function f`, `foreign key a (c)`, or `column a.c` where it gets another type.
    Part(String),
    /// A column that is said again with the type that it has: `column a.c`.
    Retold(String),
}

/// The change of a schema in the statements of an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Altered {
    /// The scripts in their order; none is empty.
    pub scripts: Vec<AlterScript>,
    /// What each change does, in the order of [`SchemaDifference::changes`].
    ///
    /// [`SchemaDifference::changes`]: crate::model::schema::difference::SchemaDifference::changes
    pub effects: Vec<Effect>,
    /// What is made again out of a definition alone.
    pub remade: Vec<Remade>,
    /// What the engine cannot express, the first 5,000 of it. Its fields are paths in the target.
    pub unsupported: Vec<Unsupported>,
    /// How much more cannot be expressed.
    pub more_unsupported: usize,
    /// The statements would come to more than an answer holds, so that some are missing.
    pub is_too_large: bool,
}
