//! Looks for what is questionable in a schema, table by table.

mod baseline;
mod indexes;
mod keys;
mod names;
mod rules;
mod types;
mod untold;

use std::collections::HashMap;

pub use self::rules::{LintSelection, RULES};
pub(super) use self::{
    baseline::{Baseline, Known},
    indexes::{Superfluous, superfluous},
    keys::is_covered,
    rules::known,
    untold::untold,
};
use crate::{
    engine::dialect::{Dialect, MAX_NEUTRAL_NAME},
    model::schema::{
        ChangedTable, Column, Evidence, Index, LintFinding, LintRule, LintSubject, NeutralType, ObjectName,
        SchemaChange, Skipped, Table, TableKind,
    },
};

/// Character set and collation of a column of text.
type TextOrder = (String, String);

/// Applies the rules. What needs both sides of a foreign key is told at the end, for which it keeps the collation of every
/// column of text; nothing else of a table is kept.
pub(super) struct Linter {
    selection: LintSelection,
    /// Absent: the tables are of no engine, and their types are those that all engines share.
    dialect: Option<&'static dyn Dialect>,
    orders: HashMap<ObjectName, HashMap<String, TextOrder>>,
    keys: Vec<keys::PendingKey>,
}

impl Linter {
    /// A linter for tables of that dialect.
    pub(super) fn new(selection: LintSelection, dialect: Option<&'static dyn Dialect>) -> Self {
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

    /// What could only be told when all tables were seen. What a column says no collation of has that of its database.
    pub(super) fn finish(self, defaults: DefaultCollation) -> (Vec<LintFinding>, Vec<Skipped>) {
        keys::collations(&self.keys, &self.orders, defaults)
    }
}

/// What is known of the collation of a column that says none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DefaultCollation {
    /// It is another than any that is said.
    Distinct,
    /// Nothing: it can be one that another column says.
    Unknown,
}

/// One table under the rules.
struct Look<'a> {
    selection: &'a LintSelection,
    dialect: Option<&'static dyn Dialect>,
    table: &'a Table,
    found: Vec<LintFinding>,
}

impl Look<'_> {
    fn holds(&self, rule: &LintRule) -> bool {
        self.selection.has(rule)
    }

    /// What a column holds; absent where no other engine has that.
    fn neutral_type(&self, column: &Column) -> Option<NeutralType> {
        match self.dialect {
            Some(dialect) => dialect.neutral_type(&column.data_type),
            None => NeutralType::parse(&column.data_type),
        }
    }

    fn max_name_length(&self) -> usize {
        self.dialect.map_or(MAX_NEUTRAL_NAME, Dialect::max_name_length)
    }

    /// Nobody knows which statements mend what is of no engine.
    fn statements(&self, change: &SchemaChange) -> Vec<String> {
        let Some(dialect) = self.dialect else { return Vec::new() };
        let Table { kind, checks, .. } = self.table;
        dialect.statements(&ChangedTable { name: name_of(self.table), kind: *kind, checks }, change)
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
        self.find_on(rule, subject, Vec::new(), message, evidence, change);
    }

    /// Adds a finding about columns that its subject does not say.
    fn find_on(
        &mut self,
        rule: &'static LintRule,
        subject: LintSubject,
        columns: Vec<String>,
        message: String,
        evidence: Vec<Evidence>,
        change: Option<&SchemaChange>,
    ) {
        let fix = change.map(|change| self.statements(change)).unwrap_or_default();
        self.found.push(LintFinding { rule, table: name_of(self.table), subject, columns, message, evidence, fix });
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
