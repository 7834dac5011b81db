//! What has to change for one schema to become another.
//!
//! Pure: both sides are definitions. Before they are compared each is settled for the engine that the change is made on, so that what
//! an author leaves open and what a live database tells are written alike; see `Dialect::settled`.

mod change;
mod compare;
mod renames;
mod unwritten;
mod warning;

pub use self::{
    change::{Change, ColumnAttribute, TableChange},
    renames::{Rename, RenameColumn, Renames},
    unwritten::{Unwritten, UnwrittenAction, UnwrittenCause},
    warning::Warning,
};
use std::collections::HashMap;

use super::{ObjectName, definition::SchemaDefinition};

/// What has to change for a schema to become another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaDifference {
    /// The schema as it is, under the names that it had before.
    pub source: SchemaDefinition,
    /// The schema as it is once everything that is renamed has its new name. Changes are told against this one.
    pub renamed: SchemaDefinition,
    /// The schema as it is to be.
    pub target: SchemaDefinition,
    /// The changes; their order is no order to make them in. Empty where the two are the same.
    pub changes: Vec<Change>,
}

impl SchemaDifference {
    /// Compares two schemas that are settled for one engine. Where the order of columns counts, columns are moved, too.
    /// Renames name what is there on both sides, each once: see [`Renames::check`].
    pub fn between(source: SchemaDefinition, target: SchemaDefinition, renames: &Renames, order_counts: bool) -> Self {
        compare::compare(source, target, renames, order_counts)
    }

    /// The names that tables had before they were renamed, by their new ones.
    pub fn former_names(&self) -> HashMap<&ObjectName, &ObjectName> {
        let renamed = self.changes.iter().filter_map(|change| match change {
            Change::AlterTable { table, change: TableChange::Rename { from } } => Some((table, from)),
            _ => None,
        });
        renamed.collect()
    }
}

#[cfg(test)]
mod tests;
