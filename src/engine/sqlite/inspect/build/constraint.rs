//! Constraints of a table. Pragmas tell all but their names, checks and what happens on a conflict, which the text does.

use super::super::super::{
    SCHEMA,
    catalog::{ColumnRow, ForeignKeyRow, IndexRow},
    ddl::{self, TableText},
};
use crate::model::schema::{CheckConstraint, ForeignKey, KeyConstraint, ReferentialAction};

pub(super) fn primary_key(rows: &[ColumnRow], indexes: &[IndexRow], text: &TableText) -> Option<KeyConstraint> {
    let mut columns: Vec<&ColumnRow> = rows.iter().filter(|row| row.key_place > 0).collect();
    columns.sort_by_key(|row| row.key_place);
    if columns.is_empty() {
        return None;
    }
    let columns = columns.into_iter().map(|row| row.name.clone()).collect();
    let index = indexes.iter().find(|row| row.origin == "pk").map(|row| row.index.clone()).unwrap_or_default();
    Some(constraint(text.primary_key.as_ref(), columns, index))
}

fn constraint(written: Option<&ddl::Key>, columns: Vec<String>, index: String) -> KeyConstraint {
    let (name, on_conflict) = written.map(|key| (key.name.clone(), key.on_conflict.clone())).unwrap_or_default();
    KeyConstraint { name, columns, index, on_conflict, ..KeyConstraint::default() }
}

pub(super) fn unique_constraints(rows: &[IndexRow], text: &TableText) -> Vec<KeyConstraint> {
    let of_constraints = rows.chunk_by(|one, next| one.index == next.index).filter(|parts| parts[0].origin == "u");
    let mut constraints: Vec<KeyConstraint> = of_constraints
        .map(|parts| {
            let columns: Vec<String> = parts.iter().filter_map(|part| part.column.clone()).collect();
            let written = text.unique.iter().find(|key| same_names(&key.columns, &columns));
            constraint(written, columns, parts[0].index.clone())
        })
        .collect();
    constraints.sort_by(|one, other| (&one.name, &one.columns).cmp(&(&other.name, &other.columns)));
    constraints
}

fn same_names(one: &[String], other: &[String]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.eq_ignore_ascii_case(other))
}

/// The foreign keys of a table by name.
pub(in super::super) fn foreign_keys(rows: &[ForeignKeyRow], text: &TableText) -> Vec<ForeignKey> {
    let keys: Vec<&[ForeignKeyRow]> = rows.chunk_by(|one, next| one.id == next.id).collect();
    // The rows come in the order of declaration; where the counts differ the text was not understood.
    let texts = if keys.len() == text.references.len() { text.references.as_slice() } else { &[] };
    let mut built: Vec<ForeignKey> = keys
        .iter()
        .enumerate()
        .map(|(place, columns)| ForeignKey {
            name: texts.get(place).map(|reference| reference.name.clone()).unwrap_or_default(),
            columns: columns.iter().map(|row| row.from.clone()).collect(),
            referenced_schema: SCHEMA.to_owned(),
            referenced_table: columns[0].table.clone(),
            referenced_columns: columns.iter().filter_map(|row| row.to.clone()).collect(),
            on_update: action(&columns[0].on_update),
            on_delete: action(&columns[0].on_delete),
            match_type: texts.get(place).map(|reference| reference.match_type).unwrap_or_default(),
            // The only form that SQLite lets wait is the one that waits from the start.
            deferrable: texts.get(place).is_some_and(|reference| reference.deferred),
            initially_deferred: texts.get(place).is_some_and(|reference| reference.deferred),
            // SQLite checks rows when they are written, and never those that were there before.
            validated: true,
            enforced: true,
            ..ForeignKey::default()
        })
        .collect();
    built.sort_by(|one, other| (&one.name, &one.columns).cmp(&(&other.name, &other.columns)));
    built
}

fn action(text: &str) -> ReferentialAction {
    match text {
        "RESTRICT" => ReferentialAction::Restrict,
        "CASCADE" => ReferentialAction::Cascade,
        "SET NULL" => ReferentialAction::SetNull,
        "SET DEFAULT" => ReferentialAction::SetDefault,
        _ => ReferentialAction::NoAction,
    }
}

pub(super) fn checks(text: &TableText) -> Vec<CheckConstraint> {
    let build = |check: &ddl::Check| CheckConstraint {
        name: check.name.clone(),
        expression: check.expression.clone(),
        column: check.column.clone(),
        validated: true,
        enforced: true,
        ..CheckConstraint::default()
    };
    let mut checks: Vec<CheckConstraint> = text.checks.iter().map(build).collect();
    checks.sort_by(|one, other| (&one.name, &one.expression).cmp(&(&other.name, &other.expression)));
    checks
}
