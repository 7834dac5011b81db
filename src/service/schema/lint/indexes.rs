//! Indexes that others make superfluous.

use super::{Look, evidence, is_of_constraint, rules};
use crate::model::schema::{Index, LintSubject, SchemaChange, Table};

/// An index that another one makes superfluous.
pub(in crate::service::schema) struct Superfluous<'a> {
    /// The one that can go.
    pub(in crate::service::schema) index: &'a Index,
    /// The one that stays.
    pub(in crate::service::schema) other: &'a Index,
    /// They have the same terms; otherwise the other one begins with them.
    pub(in crate::service::schema) is_equal: bool,
}

/// The indexes of a table that others make superfluous.
pub(in crate::service::schema) fn superfluous(table: &Table) -> impl Iterator<Item = Superfluous<'_>> {
    // What keeps a rule or backs a constraint is needed for that.
    let needed = |index: &Index| index.primary || index.unique || is_of_constraint(table, index) || !index.valid;
    table.indexes.iter().filter(move |index| !needed(index)).filter_map(|index| {
        let equal = table.indexes.iter().find(|other| is_equal(index, other) && gives_way(index, other));
        let longer = || table.indexes.iter().find(|other| is_prefix(index, other));
        let is_equal = equal.is_some();
        Some(Superfluous { index, other: equal.or_else(longer)?, is_equal })
    })
}

pub(super) fn look(look: &mut Look<'_>) {
    for Superfluous { index, other, is_equal } in superfluous(look.table) {
        let (rule, how) = match is_equal {
            true => (rules::DUPLICATE_INDEX, "has the same terms"),
            false => (rules::REDUNDANT_INDEX, "begins with the same terms"),
        };
        if look.holds(rule) {
            report(look, rule, index, other, how);
        }
    }
}

fn report(look: &mut Look<'_>, rule: &'static crate::model::schema::LintRule, index: &Index, other: &Index, how: &str) {
    let change = SchemaChange::DropIndex { name: index.name.clone() };
    let message = format!("{} {how}; drop {}", other.name, index.name);
    let found = vec![evidence("other_index", &other.name), evidence("size_bytes", index.size_bytes)];
    look.find(rule, LintSubject::Index(index.name.clone()), message, found, Some(&change));
}

/// The same method over the same rows.
fn is_alike(index: &Index, other: &Index) -> bool {
    index.name != other.name
        && other.valid
        // What the planner does not look at serves no query.
        && other.visible
        && index.method == other.method
        && index.predicate == other.predicate
        && index.nulls_not_distinct == other.nulls_not_distinct
}

fn is_equal(index: &Index, other: &Index) -> bool {
    is_alike(index, other) && index.parts == other.parts && includes(index, other)
}

/// Of two that are equal the one goes that keeps no rule, and of two without a rule the later by name.
fn gives_way(index: &Index, other: &Index) -> bool {
    other.unique || other.primary || !other.constraint.is_empty() || other.name < index.name
}

/// Only ordered methods serve a query by the first of several terms.
fn is_prefix(index: &Index, other: &Index) -> bool {
    is_alike(index, other)
        && index.method == "btree"
        && other.parts.len() > index.parts.len()
        && other.parts.starts_with(&index.parts)
        && includes(index, other)
}

fn includes(index: &Index, other: &Index) -> bool {
    let has = |column: &String| {
        other.included_columns.contains(column)
            || other.parts.iter().any(|part| part.term == crate::model::schema::IndexTerm::Column(column.clone()))
    };
    index.included_columns.iter().all(has)
}
