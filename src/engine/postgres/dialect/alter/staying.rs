//! A table that is there before and after, with everything that has to go and come again around its columns.

use std::collections::{HashMap, HashSet};

use super::types::TypePlans;
use crate::{
    engine::{
        Dialect as _,
        dialect::{
            create::{PlannedTable, order::mentions},
            names,
        },
        postgres::dialect::{PostgresDialect, made_key_name},
    },
    model::schema::{
        ObjectName,
        definition::{
            CheckDefinition, ColumnDefinition, ForeignKeyDefinition, IndexDefinition, KeyDefinition, TableDefinition,
            folded, full_name, same,
        },
        difference::{Change, ColumnAttribute, SchemaDifference, TableChange},
    },
};

/// A table that is there before and after.
pub(super) struct Staying<'a, 'p> {
    /// As it is, under its new names.
    pub(super) old: &'a TableDefinition,
    /// As it is to be.
    pub(super) new: &'a TableDefinition,
    /// The same, with what the writers need.
    pub(super) planned: &'p PlannedTable<'a>,
    /// What changes of it.
    pub(super) changes: Vec<&'a TableChange>,
    /// Folded names of columns that get another type in place.
    retyped: HashSet<String>,
    /// Folded names of columns that are dropped and made anew, because they are computed.
    recreated: HashSet<String>,
    /// Foreign keys that go, for good or until their columns are what they are to be.
    pub(super) dropped_foreign_keys: Vec<&'a ForeignKeyDefinition>,
    /// Foreign keys that come.
    pub(super) added_foreign_keys: Vec<&'a ForeignKeyDefinition>,
    /// Those of both that only go to come again.
    pub(super) again_foreign_keys: Vec<&'a ForeignKeyDefinition>,
}

/// What of a table goes and what comes.
pub(super) struct Exchanged<'a, T> {
    pub(super) dropped: Vec<&'a T>,
    pub(super) added: Vec<&'a T>,
    /// What of both only goes to come again.
    pub(super) again: Vec<&'a T>,
}

impl<'a, 'p> Staying<'a, 'p> {
    pub(super) fn all(
        difference: &'a SchemaDifference,
        planned: &'p [PlannedTable<'a>],
        types: &TypePlans<'a>,
    ) -> Vec<Self> {
        let key = |table: &TableDefinition| folded(&full_name(&table.schema, &table.name));
        let old: HashMap<String, &TableDefinition> =
            difference.renamed.tables.iter().map(|table| (key(table), table)).collect();
        let mut changes: HashMap<&ObjectName, Vec<&TableChange>> = HashMap::new();
        for change in &difference.changes {
            if let Change::AlterTable { table, change } = change {
                changes.entry(table).or_default().push(change);
            }
        }
        let mut all: Vec<Self> = planned
            .iter()
            .filter_map(|planned| {
                let old = *old.get(&key(planned.table))?;
                let changes = changes.remove(&planned.table.object_name()).unwrap_or_default();
                Some(Self::of(old, planned, changes, types))
            })
            .collect();
        Self::exchange_foreign_keys(&mut all);
        all
    }

    fn of(
        old: &'a TableDefinition,
        planned: &'p PlannedTable<'a>,
        changes: Vec<&'a TableChange>,
        types: &TypePlans<'a>,
    ) -> Self {
        let new = planned.table;
        let mut table = Self {
            old,
            new,
            planned,
            changes,
            retyped: HashSet::new(),
            recreated: HashSet::new(),
            dropped_foreign_keys: Vec::new(),
            added_foreign_keys: Vec::new(),
            again_foreign_keys: Vec::new(),
        };
        for (from, to) in table.common_columns() {
            let changed = ColumnAttribute::between(from, to);
            let is_retyped = changed.contains(&ColumnAttribute::Type)
                || changed.contains(&ColumnAttribute::Collation)
                || types.is_replaced(&to.column_type);
            // A computed column can become a plain one in place, and nothing else of it can change.
            let is_recreated = match (&from.generated, &to.generated) {
                (None, None) | (Some(_), None) => false,
                (None, Some(_)) => true,
                (Some(one), Some(other)) => one != other || is_retyped,
            };
            if is_recreated {
                table.recreated.insert(folded(&to.name));
            } else if is_retyped {
                table.retyped.insert(folded(&to.name));
            }
        }
        let follow = |column: &&ColumnDefinition| {
            column.generated.as_ref().is_some_and(|generated| table.mentions_retyped(&generated.expression))
        };
        let followers: Vec<String> = new.columns.iter().filter(follow).map(|column| folded(&column.name)).collect();
        let are_there = followers.into_iter().filter(|name| old.column(name).is_some());
        let are_there: Vec<String> = are_there.collect();
        table.recreated.extend(are_there);
        table
    }

    /// Foreign keys stand between two tables, so that the columns and keys of both count.
    fn exchange_foreign_keys(all: &mut [Self]) {
        let key = |schema: &str, name: &str| folded(&full_name(schema, name));
        let places: HashMap<String, usize> =
            all.iter().enumerate().map(|(place, table)| (key(&table.new.schema, &table.new.name), place)).collect();
        for place in 0..all.len() {
            let table = &all[place];
            let (mut dropped, mut added) = (Vec::new(), Vec::new());
            for change in &table.changes {
                match change {
                    TableChange::DropForeignKey(found) => dropped.push(found),
                    TableChange::AddForeignKey(found) => added.push(found),
                    _ => {}
                }
            }
            let is_new = |found: &&ForeignKeyDefinition| {
                !added.iter().any(|added: &&ForeignKeyDefinition| added.name == found.name)
            };
            let mut again = Vec::new();
            for found in table.new.foreign_keys.iter().filter(is_new) {
                let target = places.get(&key(&found.referenced_schema, &found.referenced_table));
                let target = target.map(|target| &all[*target]);
                let is_disturbed = table.is_changed(&found.columns)
                    || target.is_some_and(|target| {
                        target.is_changed(&found.referenced_columns) || target.loses_key(&found.referenced_columns)
                    });
                if is_disturbed {
                    again.push(found);
                }
            }
            dropped.extend(again.iter().copied());
            added.extend(again.iter().copied());
            let table = &mut all[place];
            (table.dropped_foreign_keys, table.added_foreign_keys, table.again_foreign_keys) = (dropped, added, again);
        }
    }

    /// Columns of both sides.
    pub(super) fn common_columns(&self) -> Vec<(&'a ColumnDefinition, &'a ColumnDefinition)> {
        let old: HashMap<String, &ColumnDefinition> =
            self.old.columns.iter().map(|column| (folded(&column.name), column)).collect();
        let both = self.new.columns.iter().filter_map(|column| Some((*old.get(&folded(&column.name))?, column)));
        both.collect()
    }

    pub(super) fn is_retyped(&self, column: &str) -> bool {
        self.retyped.contains(&folded(column))
    }

    /// True where a column that is computed from this one is made anew.
    pub(super) fn is_computed_from(&self, column: &str) -> bool {
        let name = folded(column);
        let mut made_anew = self.new.columns.iter().filter(|column| self.is_recreated(&column.name));
        made_anew.any(|column| {
            column.generated.as_ref().is_some_and(|generated| mentions(&folded(&generated.expression), &name))
        })
    }

    pub(super) fn is_recreated(&self, column: &str) -> bool {
        self.recreated.contains(&folded(column))
    }

    /// True where views that name the table could be in the way.
    pub(super) fn disturbs_views(&self) -> bool {
        !self.retyped.is_empty()
            || !self.recreated.is_empty()
            || self.changes.iter().any(|change| {
                matches!(
                    change,
                    TableChange::Rename { .. }
                        | TableChange::RenameColumn { .. }
                        | TableChange::DropColumn(_)
                        | TableChange::DropPrimaryKey(_)
                )
            })
    }

    fn is_changed(&self, columns: &[String]) -> bool {
        columns.iter().any(|column| self.is_retyped(column) || self.is_recreated(column))
    }

    fn touches_recreated(&self, columns: &[String]) -> bool {
        columns.iter().any(|column| self.is_recreated(column))
    }

    fn mentions_retyped(&self, expression: &str) -> bool {
        let text = folded(expression);
        self.retyped.iter().any(|column| mentions(&text, column))
    }

    fn mentions_changed(&self, expression: &str) -> bool {
        let text = folded(expression);
        self.retyped.iter().chain(&self.recreated).any(|column| mentions(&text, column))
    }

    /// True where a key over these columns goes.
    fn loses_key(&self, columns: &[String]) -> bool {
        let is_same = |key: &[String]| {
            key.len() == columns.len() && key.iter().all(|part| columns.iter().any(|column| same(part, column)))
        };
        self.primary_key().dropped.iter().any(|key| is_same(&key.columns))
            || self.unique().dropped.iter().any(|key| is_same(&key.columns))
            || self.indexes().dropped.iter().any(|index| index.unique && is_same(&index.column_names()))
    }

    pub(super) fn primary_key(&self) -> Exchanged<'a, KeyDefinition> {
        let mut keys = Exchanged::default();
        for change in &self.changes {
            match change {
                TableChange::DropPrimaryKey(key) => keys.dropped.push(key),
                TableChange::AddPrimaryKey(key) => keys.added.push(key),
                _ => {}
            }
        }
        let again = self.new.primary_key.iter().filter(|key| self.touches_recreated(&key.columns));
        // A table has one, whatever its name.
        keys.again(again, |_| "");
        keys
    }

    pub(super) fn unique(&self) -> Exchanged<'a, KeyDefinition> {
        let mut keys = Exchanged::default();
        for change in &self.changes {
            match change {
                TableChange::DropUnique(key) => keys.dropped.push(key),
                TableChange::AddUnique(key) => keys.added.push(key),
                _ => {}
            }
        }
        let again = self.new.unique_constraints.iter().filter(|key| self.touches_recreated(&key.columns));
        keys.again(again, |key| &key.name);
        keys
    }

    pub(super) fn checks(&self) -> Exchanged<'a, CheckDefinition> {
        let mut checks = Exchanged::default();
        for change in &self.changes {
            match change {
                TableChange::DropCheck(check) => checks.dropped.push(check),
                TableChange::AddCheck(check) => checks.added.push(check),
                _ => {}
            }
        }
        let again = self.new.checks.iter().filter(|check| self.mentions_changed(&check.expression));
        checks.again(again, |check| &check.name);
        checks
    }

    pub(super) fn indexes(&self) -> Exchanged<'a, IndexDefinition> {
        let mut indexes = Exchanged::default();
        for change in &self.changes {
            match change {
                TableChange::DropIndex(index) => indexes.dropped.push(index),
                TableChange::AddIndex(index) => indexes.added.push(index),
                _ => {}
            }
        }
        indexes.again(self.new.indexes.iter().filter(|index| self.is_disturbed(index)), |index| &index.name);
        indexes
    }

    /// True where an index stays what it is and has to be built again nevertheless.
    fn is_disturbed(&self, index: &IndexDefinition) -> bool {
        let columns = index.column_names();
        self.touches_recreated(&columns)
            || self.mentions_changed(&index.predicate)
            || (index.full_text && self.is_changed(&columns))
    }

    /// True where an index is built in this change, with its comment.
    pub(super) fn is_rebuilt(&self, index: &IndexDefinition) -> bool {
        self.indexes().added.iter().any(|added| added.name == index.name)
    }

    /// True where other things of the change stand in the way of an index that goes last.
    pub(super) fn goes_early(&self, index: &IndexDefinition, taken: &HashSet<String>) -> bool {
        let columns = index.column_names();
        let is_gone = |column: &String| self.new.column(column).is_none();
        index.unique
            || columns.iter().any(is_gone)
            || self.is_changed(&columns)
            || !index.predicate.is_empty()
            || taken.contains(&folded(&index.name))
    }

    pub(super) fn column_name(&self, column: &str) -> String {
        format!("{}.{}", self.planned.name, PostgresDialect.quoted(column))
    }

    pub(super) fn index_name(&self, index: &str) -> String {
        PostgresDialect.qualified(&ObjectName { schema: self.new.schema.clone(), name: index.to_owned() })
    }

    /// The name of the constraint that is the primary key.
    pub(super) fn primary_key_name(&self, key: &KeyDefinition) -> String {
        if key.name.is_empty() { made_key_name(&self.new.name) } else { key.name.clone() }
    }

    /// The name that it has until it is renamed.
    pub(super) fn former(&self) -> ObjectName {
        let renamed = self.changes.iter().find_map(|change| match change {
            TableChange::Rename { from } => Some(from.clone()),
            _ => None,
        });
        renamed.unwrap_or_else(|| self.new.object_name())
    }

    /// The name that a column has until it is renamed.
    pub(super) fn former_column<'c>(&'c self, column: &'c str) -> &'c str {
        let renamed = self.changes.iter().find_map(|change| match change {
            TableChange::RenameColumn { from, to } if to == column => Some(from.as_str()),
            _ => None,
        });
        renamed.unwrap_or(column)
    }

    pub(super) fn renames(&self) -> Vec<String> {
        let mut statements = Vec::new();
        let former = self.former();
        if former.name != self.new.name {
            let to = PostgresDialect.quoted(&self.new.name);
            statements.push(format!("ALTER TABLE {} RENAME TO {to};", PostgresDialect.qualified(&former)));
            // The name that the server made is that of the table.
            if self.old.primary_key.as_ref().is_some_and(|key| key.name.is_empty()) {
                let (from, to) = (made_key_name(&former.name), made_key_name(&self.new.name));
                let (from, to) = (PostgresDialect.quoted(&from), PostgresDialect.quoted(&to));
                statements.push(format!("ALTER TABLE {} RENAME CONSTRAINT {from} TO {to};", self.planned.name));
            }
        }
        for change in &self.changes {
            if let TableChange::RenameColumn { from, to } = change {
                let (from, to) = (PostgresDialect.quoted(from), PostgresDialect.quoted(to));
                statements.push(format!("ALTER TABLE {} RENAME COLUMN {from} TO {to};", self.planned.name));
            }
        }
        statements
    }

    /// Triggers that go: of columns that go or are touched no longer, and where a name of theirs is another.
    pub(super) fn dropped_triggers(&self) -> Vec<String> {
        let former = self.former();
        let goes = |column: &&ColumnDefinition| {
            column.touched_on_update && (self.is_renamed(&column.name) || !self.is_touched(self.new, &column.name))
        };
        let names = self.old.columns.iter().filter(goes).map(|column| {
            names::trigger_name(&former.name, self.former_column(&column.name), PostgresDialect.max_name_length())
        });
        let table = PostgresDialect.qualified(&former);
        names.map(|name| format!("DROP TRIGGER {} ON {table};", PostgresDialect.quoted(&name))).collect()
    }

    /// Columns whose triggers come.
    pub(super) fn new_triggers(&self) -> Vec<&'a ColumnDefinition> {
        let comes = |column: &&ColumnDefinition| {
            column.touched_on_update && (self.is_renamed(&column.name) || !self.is_touched(self.old, &column.name))
        };
        self.new.columns.iter().filter(comes).collect()
    }

    fn is_renamed(&self, column: &str) -> bool {
        self.former().name != self.new.name || self.former_column(column) != column
    }

    fn is_touched(&self, table: &TableDefinition, column: &str) -> bool {
        table.column(column).is_some_and(|column| column.touched_on_update)
    }
}

impl<T> Default for Exchanged<'_, T> {
    fn default() -> Self {
        Self { dropped: Vec::new(), added: Vec::new(), again: Vec::new() }
    }
}

impl<'a, T> Exchanged<'a, T> {
    /// What stays what it is and has to go for a while, unless it goes or comes anyway.
    fn again(&mut self, disturbed: impl Iterator<Item = &'a T>, name: impl Fn(&T) -> &str) {
        for found in disturbed {
            if !self.added.iter().any(|added| name(added) == name(found)) {
                self.dropped.push(found);
                self.added.push(found);
                self.again.push(found);
            }
        }
    }
}
