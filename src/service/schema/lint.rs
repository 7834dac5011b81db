//! Looks for what is questionable in a schema, table by table.

mod indexes;
mod keys;
mod names;
mod rules;
mod types;

use std::collections::HashMap;

pub use self::rules::{LintSelection, RULES};
pub(super) use self::{
    indexes::{Superfluous, superfluous},
    keys::is_covered,
    rules::known,
};
use crate::{
    engine::dialect::Dialect,
    model::schema::{
        ChangedTable, Evidence, Index, LintFinding, LintRule, LintSubject, ObjectName, SchemaChange, Table, TableKind,
    },
};

/// Character set and collation of a column of text.
type TextOrder = (String, String);

/// Applies the rules. What needs both sides of a foreign key is told at the end, for which it keeps the collation of every
/// column of text; nothing else of a table is kept.
pub(super) struct Linter {
    selection: LintSelection,
    dialect: &'static dyn Dialect,
    orders: HashMap<ObjectName, HashMap<String, TextOrder>>,
    keys: Vec<keys::PendingKey>,
}

impl Linter {
    /// A linter for a database of that dialect.
    pub(super) fn new(selection: LintSelection, dialect: &'static dyn Dialect) -> Self {
        Self { selection, dialect, orders: HashMap::new(), keys: Vec::new() }
    }

    /// What is questionable in a table. Views hold nothing of their own, and a sequence has no columns.
    pub(super) fn table(&mut self, table: &Table) -> Vec<LintFinding> {
        if !matches!(table.kind, TableKind::Table | TableKind::PartitionedTable | TableKind::ForeignTable) {
            return Vec::new();
        }
        let mut look = Look { selection: &self.selection, dialect: self.dialect, table, found: Vec::new() };
        keys::look(&mut look);
        indexes::look(&mut look);
        types::look(&mut look);
        names::look(&mut look);
        let found = look.found;
        if self.selection.has(rules::KEY_COLLATIONS_DIFFER) {
            keys::keep(table, &mut self.orders, &mut self.keys);
        }
        found
    }

    /// What could only be told when all tables were seen.
    pub(super) fn finish(self) -> Vec<LintFinding> {
        keys::collations(&self.keys, &self.orders)
    }
}

/// One table under the rules.
struct Look<'a> {
    selection: &'a LintSelection,
    dialect: &'static dyn Dialect,
    table: &'a Table,
    found: Vec<LintFinding>,
}

impl Look<'_> {
    fn holds(&self, rule: &LintRule) -> bool {
        self.selection.has(rule)
    }

    fn statements(&self, change: &SchemaChange) -> Vec<String> {
        let table = ChangedTable { name: name_of(self.table), kind: self.table.kind };
        self.dialect.statements(&table, change)
    }

    /// Adds a finding. A change is what mends it.
    fn find(
        &mut self,
        rule: &'static LintRule,
        subject: LintSubject,
        message: String,
        evidence: Vec<Evidence>,
        change: Option<&SchemaChange>,
    ) {
        let fix = change.map(|change| self.statements(change)).unwrap_or_default();
        self.found.push(LintFinding { rule, table: name_of(self.table), subject, message, evidence, fix });
    }
}

fn name_of(table: &Table) -> ObjectName {
    ObjectName { schema: table.schema.clone(), name: table.name.clone() }
}

/// It keeps a constraint, whether that has a name or not.
fn is_of_constraint(table: &Table, index: &Index) -> bool {
    !index.constraint.is_empty() || table.unique_constraints.iter().any(|key| key.index == index.name)
}

fn evidence(name: &'static str, value: impl ToString) -> Evidence {
    Evidence { name, value: value.to_string() }
}

#[cfg(test)]
mod tests;
