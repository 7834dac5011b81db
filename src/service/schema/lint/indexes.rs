//! Indexes that others make superfluous.

use super::{Look, evidence, is_of_constraint, rules};
use crate::model::schema::{Index, LintSubject, SchemaChange};

pub(super) fn look(look: &mut Look<'_>) {
    let table = look.table;
    for index in &table.indexes {
        // What keeps a rule or backs a constraint is needed for that.
        if index.primary || index.unique || is_of_constraint(table, index) || !index.valid {
            continue;
        }
        let equal = table.indexes.iter().find(|other| is_equal(index, other) && gives_way(index, other));
        if let Some(other) = equal {
            if look.holds(rules::DUPLICATE_INDEX) {
                report(look, rules::DUPLICATE_INDEX, index, other, "has the same terms");
            }
            continue;
        }
        let longer = table.indexes.iter().find(|other| is_prefix(index, other));
        if let Some(other) = longer.filter(|_| look.holds(rules::REDUNDANT_INDEX)) {
            report(look, rules::REDUNDANT_INDEX, index, other, "begins with the same terms");
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
