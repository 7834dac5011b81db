//! What the writers of all engines say about the change of a schema.

mod rows;
mod staying;

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

/// The change of a schema in the statements of an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Altered {
    /// The scripts in their order; none is empty.
    pub scripts: Vec<AlterScript>,
    /// What each change does, in the order of [`SchemaDifference::changes`].
    ///
    /// [`SchemaDifference::changes`]: crate::model::schema::difference::SchemaDifference::changes
    pub effects: Vec<Effect>,
    /// What is dropped and made again, with which goes whatever a definition does not say of it:
    /// `table a`, `view b`, `column a.c`, or `function f`.
    pub remade: Vec<String>,
    /// What the engine cannot express, the first 50 of it. Its fields are paths in the target.
    pub unsupported: Vec<Unsupported>,
    /// How much more cannot be expressed.
    pub more_unsupported: usize,
    /// The statements would come to more than an answer holds, so that some are missing.
    pub is_too_large: bool,
}
