//! Tables that are there before and after a change.

use std::collections::HashMap;

use crate::{
    engine::dialect::create::PlannedTable,
    model::schema::{
        ObjectName,
        definition::{CheckDefinition, ColumnDefinition, TableDefinition, folded, full_name, same},
        difference::{Change, SchemaDifference, TableChange},
    },
};

/// A table that is there before and after.
pub(in crate::engine) struct StayingTable<'a, 'p> {
    /// As it is, under its new names.
    pub(in crate::engine) before: &'a TableDefinition,
    /// As it is to be.
    pub(in crate::engine) after: &'p PlannedTable<'a>,
    /// The name that it has until it is renamed.
    pub(in crate::engine) former: ObjectName,
    /// What changes of it; empty where nothing does.
    pub(in crate::engine) changes: Vec<&'a TableChange>,
}

impl<'a, 'p> StayingTable<'a, 'p> {
    /// All of them, in the order in which they would be made.
    pub(in crate::engine) fn all(difference: &'a SchemaDifference, planned: &'p [PlannedTable<'a>]) -> Vec<Self> {
        let before: HashMap<String, &TableDefinition> =
            difference.renamed.tables.iter().map(|table| (key(&table.object_name()), table)).collect();
        let mut changes: HashMap<String, Vec<&TableChange>> = HashMap::new();
        for change in &difference.changes {
            if let Change::AlterTable { table, change } = change {
                changes.entry(key(table)).or_default().push(change);
            }
        }
        let staying = planned.iter().filter_map(|after| {
            let name = after.table.object_name();
            let changes = changes.remove(&key(&name)).unwrap_or_default();
            let former = changes.iter().find_map(|change| match change {
                TableChange::Rename { from } => Some(from.clone()),
                _ => None,
            });
            Some(Self { before: before.get(&key(&name))?, after, former: former.unwrap_or(name), changes })
        });
        staying.collect()
    }

    /// The name that a column has until it is renamed.
    pub(in crate::engine) fn former_column<'n>(&self, name: &'n str) -> &'n str
    where
        'a: 'n,
    {
        let renamed = self.renamed_columns().find(|(_, to)| same(to, name));
        renamed.map_or(name, |(from, _)| from)
    }

    /// Columns with another name, the old one first.
    pub(in crate::engine) fn renamed_columns(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.changes.iter().filter_map(|change| match change {
            TableChange::RenameColumn { from, to } => Some((from.as_str(), to.as_str())),
            _ => None,
        })
    }

    /// As a column is and as it is to be, where more than its name and its place changes.
    pub(in crate::engine) fn altered_column(&self, name: &str) -> Option<(&'a ColumnDefinition, &'a ColumnDefinition)> {
        self.changes.iter().find_map(|change| match change {
            TableChange::AlterColumn { from, to } if same(&to.name, name) => Some((&**from, &**to)),
            _ => None,
        })
    }

    /// True where a check goes.
    pub(in crate::engine) fn drops_check(&self, check: &CheckDefinition) -> bool {
        self.changes.iter().any(|change| matches!(change, TableChange::DropCheck(gone) if gone == check))
    }
}

/// A name as it is compared.
fn key(name: &ObjectName) -> String {
    folded(&full_name(&name.schema, &name.name))
}
