//! What a definition does not say of a live database, and what a change must not take with it.

use crate::{engine::dialect::DeclaredTables, model::schema::definition::Unmapped};

/// What is told of a live database beside its definition and what has no place in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::service::schema) struct Unsaid {
    /// What is in the definition, and would be written in another form than the database has it in.
    pub(in crate::service::schema) reworded: Vec<Unmapped>,
    /// What has no place in the definition and goes with a column that is dropped.
    pub(in crate::service::schema) on_columns: Vec<OnColumns>,
    /// How tables are declared, where a definition tells it in other words.
    pub(in crate::service::schema) declared: DeclaredTables,
}

/// What stands on columns of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::service::schema) struct OnColumns {
    /// Name of the table, with its schema.
    pub(in crate::service::schema) table: String,
    /// Names of the columns.
    pub(in crate::service::schema) columns: Vec<String>,
    /// What it is.
    pub(in crate::service::schema) part: Unmapped,
}
