//! Views, which stand on tables, types and each other.

use std::collections::HashSet;

use super::{Alter, staying::Staying};
use crate::{
    engine::{
        Dialect as _,
        dialect::{
            alter::Remade,
            create::order::{self, Names},
        },
        postgres::dialect::{PostgresDialect, create},
    },
    model::schema::{
        ObjectName,
        definition::{ViewDefinition, folded, full_name},
        difference::{Change, TableChange},
    },
};

impl<'a> Alter<'a> {
    /// Drops the views that go, and those that are in the way, each before what it stands on. Answers the folded names of all.
    pub(super) fn drop_views(&mut self, staying: &[Staying<'a, '_>]) -> HashSet<String> {
        let mut disturbed = self.disturbed_names(staying);
        let goes: HashSet<String> = self
            .difference
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::DropView(view) | Change::ReplaceView { from: view, .. } => Some(key(view)),
                _ => None,
            })
            .collect();
        let mut dropped = HashSet::new();
        let mut statements = Vec::new();
        for (_, view) in order::views(&self.difference.source) {
            let query = folded(&view.query);
            if goes.contains(&key(view)) || disturbed.is_any_in(&query) {
                disturbed.extend([folded(&view.name)]);
                dropped.insert(key(view));
                statements.push(format!("DROP VIEW {};", PostgresDialect.qualified(&name(view))));
            }
        }
        self.scripts.tables.extend(statements.into_iter().rev());
        dropped
    }

    /// Folded names, as they are before the change, of tables and types that a view could hold on to.
    fn disturbed_names(&self, staying: &[Staying<'a, '_>]) -> Names {
        let mut names = self.types.disturbed_names();
        for change in &self.difference.changes {
            match change {
                Change::DropTable(table) => names.extend([folded(&table.name)]),
                Change::DropType(found) => names.extend([folded(&found.name)]),
                Change::RenameType { from, .. } => names.extend([folded(&from.name)]),
                Change::AlterTable { change: TableChange::Rename { from }, .. } => names.extend([folded(&from.name)]),
                _ => {}
            }
        }
        let disturbing = staying.iter().filter(|table| table.disturbs_views());
        names.extend(disturbing.map(|table| folded(&table.new.name)));
        names
    }

    /// Makes new views, and those that were dropped and stay. They wait for keys that come, which a query may stand on.
    pub(super) fn create_views(&mut self, dropped: &HashSet<String>, staying: &[Staying<'a, '_>]) {
        let new: HashSet<String> = self
            .difference
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::CreateView(view) => Some(key(view)),
                _ => None,
            })
            .collect();
        for (place, view) in order::views(&self.difference.target) {
            if new.contains(&key(view)) || dropped.contains(&key(view)) {
                create::create_view(&mut self.draft, place, view);
                if dropped.contains(&key(view)) {
                    self.remade.push(Remade::Part(format!("view {}", full_name(&view.schema, &view.name))));
                }
            }
        }
        let written = self.written();
        let waits = staying.iter().any(|table| !table.primary_key().added.is_empty());
        if waits { self.scripts.last.extend(written) } else { self.scripts.tables.extend(written) }
    }
}

fn name(view: &ViewDefinition) -> ObjectName {
    ObjectName { schema: view.schema.clone(), name: view.name.clone() }
}

fn key(view: &ViewDefinition) -> String {
    folded(&full_name(&view.schema, &view.name))
}
