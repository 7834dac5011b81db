//! What a definition does not say of a live database, and what a change must not take with it.

use std::collections::HashSet;

use crate::{
    engine::dialect::DeclaredTables,
    model::schema::{
        ObjectName,
        definition::{Unmapped, full_name},
    },
};

/// What is told of a live database beside its definition and what has no place in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::service::schema) struct Unsaid {
    /// What is in the definition, and would be written in another form than the database has it in.
    pub(in crate::service::schema) reworded: Vec<Unmapped>,
    /// What has no place in the definition and goes with a column that is dropped.
    pub(in crate::service::schema) on_columns: Vec<OnColumns>,
    /// How tables are declared, where a definition tells it in other words.
    pub(in crate::service::schema) declared: DeclaredTables,
    /// What has no place in the definition, by what the engine tells of it; absent where it is of no live database.
    pub(in crate::service::schema) texts: Option<Texts>,
}

/// What has no place in a definition, by what the engine tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::service::schema) struct Texts {
    /// The parts; several have one name where it is that of routines.
    pub(in crate::service::schema) parts: Vec<TextPart>,
    /// Objects that are there and could not be read, by their kinds and names.
    pub(in crate::service::schema) unread: HashSet<(String, ObjectName)>,
    /// Some are not told, and nobody knows which.
    pub(in crate::service::schema) are_partial: bool,
    /// The same of privileges.
    pub(in crate::service::schema) hides_privileges: bool,
    /// Only some tables were asked for, and nothing that is no table.
    pub(in crate::service::schema) of_tables_alone: bool,
}

/// Something that a definition has no place for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::service::schema) struct TextPart {
    /// What it is, such as `trigger`.
    pub(in crate::service::schema) kind: String,
    /// The table or view that it is of, or is.
    pub(in crate::service::schema) whole: Option<ObjectName>,
    /// Its own name; empty where it is the table or view.
    pub(in crate::service::schema) name: ObjectName,
    /// What the engine tells of it.
    pub(in crate::service::schema) digest: blake3::Hash,
}

impl TextPart {
    /// What it is, in words.
    pub(in crate::service::schema) fn object(&self) -> String {
        let name = full_name(&self.name.schema, &self.name.name);
        match &self.whole {
            None => format!("{} {name}", self.kind),
            Some(whole) if name.is_empty() => format!("{} {}", self.kind, full_name(&whole.schema, &whole.name)),
            Some(whole) => format!("{} {}.{name}", self.kind, full_name(&whole.schema, &whole.name)),
        }
    }
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
