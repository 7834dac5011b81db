//! The comparison. Everything is looked up by its folded name, so that thousands of tables are compared at once.

mod table;

use std::collections::HashMap;

use super::{Change, Rename, Renames, SchemaDifference};
use crate::model::schema::definition::{
    SchemaDefinition, TypeDefinition, TypeShape, ViewDefinition, folded, full_name, same,
};

pub(super) fn compare(
    source: SchemaDefinition,
    target: SchemaDefinition,
    renames: &Renames,
    order_counts: bool,
) -> SchemaDifference {
    let (renamed, made) = renames.apply(&source, &target);
    let mut changes = Vec::new();
    types(&renamed, &target, &made, &mut changes);
    table::tables(&renamed, &target, &made, order_counts, &mut changes);
    views(&renamed, &target, &mut changes);
    SchemaDifference { source, renamed, target, changes }
}

/// The folded name of something in a schema.
fn key(schema: &str, name: &str) -> String {
    folded(&full_name(schema, name))
}

fn types(source: &SchemaDefinition, target: &SchemaDefinition, renames: &Renames, changes: &mut Vec<Change>) {
    let old: HashMap<String, &TypeDefinition> =
        source.types.iter().map(|found| (key(&found.schema, &found.name), found)).collect();
    let new: HashMap<String, &TypeDefinition> =
        target.types.iter().map(|found| (key(&found.schema, &found.name), found)).collect();
    let goes = |found: &&TypeDefinition| !new.contains_key(&key(&found.schema, &found.name));
    changes.extend(source.types.iter().filter(goes).cloned().map(Change::DropType));
    let rename = |rename: &Rename| Change::RenameType { from: rename.from.clone(), to: rename.to.clone() };
    changes.extend(renames.types.iter().map(rename));
    for found in &target.types {
        match old.get(&key(&found.schema, &found.name)) {
            None => changes.push(Change::CreateType(found.clone())),
            Some(before) if !is_same_type(before, found) => {
                changes.push(Change::AlterType { from: (*before).clone(), to: found.clone() });
            }
            Some(_) => {}
        }
    }
}

fn is_same_type(one: &TypeDefinition, other: &TypeDefinition) -> bool {
    let is_same_shape = match (&one.shape, &other.shape) {
        (TypeShape::Enum(one), TypeShape::Enum(other)) => one == other,
        (
            TypeShape::Domain { base, required, checks },
            TypeShape::Domain { base: other_base, required: other_required, checks: other_checks },
        ) => base.is_same(other_base) && required == other_required && is_same_list(checks, other_checks),
        (TypeShape::Composite(one), TypeShape::Composite(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| one.name == other.name && one.column_type.is_same(&other.column_type))
        }
        _ => false,
    };
    is_same_shape && one.comment == other.comment
}

/// The same parts, in whatever order.
fn is_same_list<T: PartialEq>(one: &[T], other: &[T]) -> bool {
    one.len() == other.len() && one.iter().all(|part| other.contains(part))
}

fn views(source: &SchemaDefinition, target: &SchemaDefinition, changes: &mut Vec<Change>) {
    let old: HashMap<String, &ViewDefinition> =
        source.views.iter().map(|view| (key(&view.schema, &view.name), view)).collect();
    let new: HashMap<String, &ViewDefinition> =
        target.views.iter().map(|view| (key(&view.schema, &view.name), view)).collect();
    let goes = |view: &&ViewDefinition| !new.contains_key(&key(&view.schema, &view.name));
    changes.extend(source.views.iter().filter(goes).cloned().map(Change::DropView));
    for view in &target.views {
        match old.get(&key(&view.schema, &view.name)) {
            None => changes.push(Change::CreateView(view.clone())),
            Some(before) if !is_same_view(before, view) => {
                changes.push(Change::ReplaceView { from: (*before).clone(), to: view.clone() });
            }
            Some(_) => {}
        }
    }
}

fn is_same_view(one: &ViewDefinition, other: &ViewDefinition) -> bool {
    let query = |view: &ViewDefinition| view.query.trim().trim_end_matches(';').trim_end().to_owned();
    same(&one.schema, &other.schema)
        && one.name == other.name
        && one.comment == other.comment
        && one.engine == other.engine
        && query(one) == query(other)
}
