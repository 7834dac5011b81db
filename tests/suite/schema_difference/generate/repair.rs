//! Takes out of a random schema what cannot be.

use std::collections::HashSet;

use dbkeeper::model::schema::definition::{ColumnType, SchemaDefinition, TableDefinition, TypeShape, same};

use super::{Abilities, NUMBERS, TEXTS};

/// The schema without what names something that is not there, or says what cannot hold.
pub(in super::super) fn repaired(mut definition: SchemaDefinition, abilities: Abilities) -> SchemaDefinition {
    types(&mut definition);
    definition.tables.iter_mut().for_each(|found| table(found, abilities));
    keys(&mut definition);
    views(&mut definition);
    definition
}

fn types(definition: &mut SchemaDefinition) {
    let names: Vec<String> = definition.types.iter().map(|found| found.name.clone()).collect();
    let is_there = |column_type: &ColumnType| match column_type {
        ColumnType::Declared(name) => names.iter().any(|found| same(found, &name.name)),
        _ => true,
    };
    for found in &mut definition.types {
        if let TypeShape::Composite(fields) = &mut found.shape {
            fields.retain(|field| is_there(&field.column_type));
        }
    }
    definition.types.retain(|found| !matches!(&found.shape, TypeShape::Composite(fields) if fields.is_empty()));
    let names: Vec<String> = definition.types.iter().map(|found| found.name.clone()).collect();
    for table in &mut definition.tables {
        table.columns.retain(|column| match &column.column_type {
            ColumnType::Declared(name) => names.iter().any(|found| same(found, &name.name)),
            _ => true,
        });
    }
    definition.tables.retain(|table| !table.columns.is_empty());
}

fn table(table: &mut TableDefinition, abilities: Abilities) {
    let names: HashSet<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let known: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    // What an expression names is there, if nothing that it could name is missing.
    let is_sound = |expression: &str| {
        let mut rest = expression.to_owned();
        known.iter().for_each(|name| rest = rest.replace(name.as_str(), ""));
        !rest.contains('"')
    };
    table.columns.retain(|column| column.generated.as_ref().is_none_or(|generated| is_sound(&generated.expression)));
    let is_computed: HashSet<String> =
        table.columns.iter().filter(|column| column.generated.is_some()).map(|column| column.name.clone()).collect();
    let names: HashSet<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    if table.primary_key.as_ref().is_some_and(|key| key.columns.iter().any(|column| !names.contains(column))) {
        table.primary_key = None;
    }
    let mut seen = HashSet::new();
    table.unique_constraints.retain(|key| {
        let is_known = !key.columns.is_empty() && key.columns.iter().all(|column| names.contains(column));
        let is_plain =
            key.columns.iter().all(|column| !is_computed.contains(column) && can_be_keyed(column, abilities));
        is_known
            && is_plain
            && seen.insert(key.columns.clone())
            && (key.name.is_empty() || seen.insert(vec![key.name.clone()]))
    });
    table.checks.retain(|check| is_sound(&check.expression) && seen.insert(vec![check.name.clone()]));
    let mut seen = HashSet::new();
    table.indexes.retain(|index| {
        let columns = index.column_names();
        let is_known = !columns.is_empty() && columns.iter().all(|column| names.contains(column));
        is_known
            && (index.full_text || columns.iter().all(|column| can_be_keyed(column, abilities)))
            && is_sound(&index.predicate)
            && seen.insert(vec![format!("{columns:?}{}", index.full_text)])
            && (index.name.is_empty() || seen.insert(vec![index.name.clone()]))
    });
    for column in &mut table.columns {
        if table.primary_key.as_ref().is_some_and(|key| key.columns.contains(&column.name)) {
            column.nullable = false;
        } else {
            column.identity = None;
        }
        if column.name == NUMBERS[0] && column.generated.is_some() {
            column.generated = None;
        }
    }
}

fn can_be_keyed(column: &str, abilities: Abilities) -> bool {
    abilities.keyed_texts || !TEXTS.contains(&column)
}

fn keys(definition: &mut SchemaDefinition) {
    let with_key: HashSet<String> =
        definition.tables.iter().filter(|table| table.primary_key.is_some()).map(|table| table.name.clone()).collect();
    for table in &mut definition.tables {
        let names: HashSet<String> = table.columns.iter().map(|column| column.name.clone()).collect();
        let mut seen = HashSet::new();
        table.foreign_keys.retain(|key| {
            with_key.contains(&key.referenced_table)
                && key.columns.iter().all(|column| names.contains(column))
                && seen.insert(key.columns.clone())
        });
    }
}

fn views(definition: &mut SchemaDefinition) {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let tables: Vec<(String, Vec<String>)> = definition
        .tables
        .iter()
        .map(|table| (quoted(&table.name), table.columns.iter().map(|column| quoted(&column.name)).collect()))
        .collect();
    let mut made: Vec<String> = Vec::new();
    definition.views.retain(|view| {
        let (columns, from) = view.query.split_once(" FROM ").unwrap();
        let columns = columns.strip_prefix("SELECT ").unwrap();
        let is_sound = match tables.iter().find(|(name, _)| name == from) {
            Some((_, known)) => columns.split(", ").all(|column| known.iter().any(|found| found == column)),
            None => made.iter().any(|found| found == from),
        };
        if is_sound {
            made.push(quoted(&view.name));
        }
        is_sound
    });
}
