//! Tables, their keys, checks and indexes.

use super::{
    super::{
        ForeignKeyDefinition, IndexDefinition, TableDefinition, full_name,
        limits::{MAX_COLUMNS, MAX_PARTS},
        same,
    },
    Check, column,
};
use crate::model::schema::{NeutralType, ReferentialAction, definition::ColumnType};

pub(super) fn look(check: &mut Check<'_>, path: &str, table: &TableDefinition) {
    check.text(&format!("{path}.comment"), &table.comment);
    if table.columns.is_empty() || table.columns.len() > MAX_COLUMNS {
        check.refuse(format!("{path}.columns"), format!("must be 1 to {MAX_COLUMNS} columns"));
        return;
    }
    let parts = [
        ("unique_constraints", table.unique_constraints.len()),
        ("foreign_keys", table.foreign_keys.len()),
        ("checks", table.checks.len()),
        ("indexes", table.indexes.len()),
    ];
    for (part, count) in parts {
        if count > MAX_PARTS {
            check.refuse(format!("{path}.{part}"), format!("must be at most {MAX_PARTS}"));
            return;
        }
    }
    names(check, path, table);
    for (place, found) in table.columns.iter().enumerate() {
        column::look(check, &format!("{path}.columns[{place}]"), found);
    }
    primary_key(check, &format!("{path}.primary_key"), table);
    for (place, key) in table.unique_constraints.iter().enumerate() {
        columns(check, &format!("{path}.unique_constraints[{place}].columns"), table, &key.columns);
    }
    for (place, key) in table.foreign_keys.iter().enumerate() {
        foreign_key(check, &format!("{path}.foreign_keys[{place}]"), table, key);
    }
    for (place, found) in table.checks.iter().enumerate() {
        check.sql(&format!("{path}.checks[{place}].expression"), &found.expression);
    }
    for (place, found) in table.indexes.iter().enumerate() {
        index(check, &format!("{path}.indexes[{place}]"), table, found);
    }
}

fn names(check: &mut Check<'_>, path: &str, table: &TableDefinition) {
    let of = |part: &str, names: Vec<&'_ str>| -> Vec<(String, String)> {
        let names = names.into_iter().enumerate();
        names.map(|(place, name)| (format!("{path}.{part}[{place}].name"), name.to_owned())).collect()
    };
    let columns = of("columns", table.columns.iter().map(|column| column.name.as_str()).collect());
    let indexes = of("indexes", table.indexes.iter().map(|index| index.name.as_str()).collect());
    let mut constraints =
        of("unique_constraints", table.unique_constraints.iter().map(|key| key.name.as_str()).collect());
    constraints.extend(of("foreign_keys", table.foreign_keys.iter().map(|key| key.name.as_str()).collect()));
    constraints.extend(of("checks", table.checks.iter().map(|found| found.name.as_str()).collect()));
    if let Some(key) = &table.primary_key {
        constraints.push((format!("{path}.primary_key.name"), key.name.clone()));
    }
    for names in [columns, indexes, constraints] {
        for (field, name) in names.iter().filter(|(_, name)| !name.is_empty()) {
            check.name(field, name);
        }
        check.distinct(names.iter().map(|(field, name)| (field.clone(), name.as_str())));
    }
}

/// Columns of a key or index, each of which must be there, once.
fn columns(check: &mut Check<'_>, field: &str, table: &TableDefinition, columns: &[String]) {
    if columns.is_empty() || columns.len() > MAX_PARTS {
        return check.refuse(field.to_owned(), format!("must be 1 to {MAX_PARTS} columns"));
    }
    for (place, name) in columns.iter().enumerate() {
        if table.column(name).is_none() {
            check.refuse(format!("{field}[{place}]"), format!("{} has no column {name:?}", table.full_name()));
        }
        if columns[..place].iter().any(|before| same(before, name)) {
            check.refuse(format!("{field}[{place}]"), format!("the column {name:?} is there twice"));
        }
    }
}

fn primary_key(check: &mut Check<'_>, field: &str, table: &TableDefinition) {
    let Some(key) = &table.primary_key else { return };
    columns(check, &format!("{field}.columns"), table, &key.columns);
    for name in &key.columns {
        if table.column(name).is_some_and(|column| column.nullable) {
            let description = format!("the column {name:?} is nullable; a column of a primary key is never NULL");
            check.refuse(format!("{field}.columns"), description);
        }
    }
}

fn foreign_key(check: &mut Check<'_>, path: &str, table: &TableDefinition, key: &ForeignKeyDefinition) {
    columns(check, &format!("{path}.columns"), table, &key.columns);
    let sets_null = [key.on_update, key.on_delete].contains(&ReferentialAction::SetNull);
    if sets_null && key.columns.iter().any(|name| table.column(name).is_some_and(|column| !column.nullable)) {
        check.refuse(path.to_owned(), "sets columns to NULL that are not nullable");
    }
    let target = full_name(&key.referenced_schema, &key.referenced_table);
    let Some(referenced) = check.definition.find_table(&key.referenced_schema, &key.referenced_table) else {
        let description = format!("there is no table {target:?}; declare it under tables");
        return check.refuse(format!("{path}.referenced_table"), description);
    };
    let field = format!("{path}.referenced_columns");
    if key.referenced_columns.is_empty() {
        let count = referenced.key_columns().len();
        return match count {
            0 => check.refuse(field, format!("is required, because {target} has no primary key")),
            _ if count == key.columns.len() => {}
            _ => check.refuse(
                field,
                format!("{target} has a primary key of {count} columns, this key has {}", key.columns.len()),
            ),
        };
    }
    if key.referenced_columns.len() != key.columns.len() {
        let description = format!("must be {} columns, as many as `columns`", key.columns.len());
        return check.refuse(field, description);
    }
    columns(check, &field, referenced, &key.referenced_columns);
    let are_there = key.referenced_columns.iter().all(|name| referenced.column(name).is_some());
    if are_there && !referenced.is_key(&key.referenced_columns) {
        let names = key.referenced_columns.join(", ");
        check.refuse(field, format!("({names}) is no key of {target}; make it its primary key or a unique constraint"));
    }
}

fn index(check: &mut Check<'_>, path: &str, table: &TableDefinition, index: &IndexDefinition) {
    check.text(&format!("{path}.predicate"), &index.predicate);
    check.text(&format!("{path}.comment"), &index.comment);
    columns(check, &format!("{path}.columns"), table, &index.column_names());
    if !index.full_text {
        return;
    }
    if index.unique || !index.predicate.is_empty() || index.columns.iter().any(|part| part.descending) {
        check.refuse(path.to_owned(), "a full-text index is not unique, has no predicate and no descending column");
    }
    for part in &index.columns {
        let is_text = table.column(&part.column).is_none_or(|column| match &column.column_type {
            ColumnType::Neutral(neutral) => {
                matches!(neutral, NeutralType::Text { .. } | NeutralType::PaddedText { .. })
            }
            _ => true,
        });
        if !is_text {
            check.refuse(format!("{path}.columns"), format!("a full-text index takes text; {:?} is none", part.column));
        }
    }
}
