//! Primary keys, foreign keys and unique keys.

use std::collections::{HashMap, HashSet};

use super::{DefaultCollation, Look, TextOrder, evidence, name_of, rules};
use crate::{
    engine::dialect::names::index_name,
    model::schema::{
        Column, ForeignKey, IndexPart, IndexTerm, LintFinding, LintSubject, NeutralType, ObjectName, SchemaChange,
        Skipped, Table, TableKind, definition::full_name,
    },
};

/// A foreign key whose other side may not have been seen yet.
pub(super) struct PendingKey {
    table: ObjectName,
    key: ForeignKey,
}

pub(super) fn look(look: &mut Look<'_>) {
    // What lies elsewhere has its keys there.
    if look.table.kind == TableKind::ForeignTable {
        return;
    }
    primary_key(look);
    for key in &look.table.foreign_keys {
        foreign_key(look, key);
    }
    if look.holds(rules::NULLABLE_UNIQUE) {
        nullable_unique(look);
    }
}

fn primary_key(look: &mut Look<'_>) {
    let Some(key) = &look.table.primary_key else {
        if look.holds(rules::NO_PRIMARY_KEY) {
            let name = if column(look.table, "id").is_none() { "id" } else { "row_id" };
            let change = SchemaChange::AddNumberedKey { column: name.to_owned() };
            let rows = vec![evidence("row_estimate", look.table.row_estimate)];
            let message =
                "the table has no primary key; declare one on the columns that tell its rows apart, or add a number";
            look.find(rules::NO_PRIMARY_KEY, LintSubject::Table, message.to_owned(), rows, Some(&change));
        }
        return;
    };
    if !look.holds(rules::NARROW_PRIMARY_KEY) {
        return;
    }
    let [name] = key.columns.as_slice() else { return };
    let Some(column) = column(look.table, name) else { return };
    let Some(NeutralType::Integer { bits: bits @ ..=32, unsigned }) = look.neutral_type(column) else { return };
    let capacity = (1_u64 << bits) / if unsigned { 1 } else { 2 } - 1;
    let found = vec![
        evidence("type", &column.data_type),
        evidence("largest_value", capacity),
        evidence("row_estimate", look.table.row_estimate),
    ];
    let to = NeutralType::Integer { bits: 64, unsigned };
    let change = SchemaChange::RetypeColumn { column: Box::new(column.clone()), to };
    let message = format!(
        "the key {name} ends at {capacity}; make it, and the columns that point to it, 64 bits wide while the table is small"
    );
    look.find(rules::NARROW_PRIMARY_KEY, LintSubject::Column(name.clone()), message, found, Some(&change));
}

fn foreign_key(look: &mut Look<'_>, key: &ForeignKey) {
    if !look.holds(rules::UNINDEXED_FOREIGN_KEY) || is_covered(look.table, &key.columns) {
        return;
    }
    let name = index_name(&look.table.name, &key.columns, look.max_name_length());
    let change = SchemaChange::CreateIndex { name, columns: key.columns.clone() };
    let message = format!(
        "no index begins with {}, which point{} to {}; create one",
        key.columns.join(", "),
        if key.columns.len() == 1 { "s" } else { "" },
        full_name(&key.referenced_schema, &key.referenced_table)
    );
    let found = vec![evidence("row_estimate", look.table.row_estimate)];
    let (subject, columns) = (LintSubject::ForeignKey(key.name.clone()), key.columns.clone());
    look.find_on(rules::UNINDEXED_FOREIGN_KEY, subject, columns, message, found, Some(&change));
}

/// A valid index over all rows whose first parts are the columns, in any order.
pub(in crate::service::schema) fn is_covered(table: &Table, columns: &[String]) -> bool {
    let wanted: HashSet<&String> = columns.iter().collect();
    let begins = |parts: &[IndexPart]| {
        parts.len() >= columns.len()
            && parts[..columns.len()].iter().all(|part| match &part.term {
                IndexTerm::Column(column) => part.prefix_length == 0 && wanted.contains(column),
                IndexTerm::Expression(_) => false,
            })
    };
    let key = table.primary_key.as_ref().map(|key| &key.columns);
    // The key of a table of SQLite that is its number has no index of its own.
    key.is_some_and(|key| {
        key.len() >= columns.len() && key[..columns.len()].iter().all(|column| wanted.contains(column))
    }) || table.indexes.iter().any(|index| {
        index.valid && index.visible && index.predicate.is_empty() && is_ordered(&index.method) && begins(&index.parts)
    })
}

/// Methods that find a row by the value of its key.
fn is_ordered(method: &str) -> bool {
    matches!(method, "btree" | "hash" | "")
}

fn nullable_unique(look: &mut Look<'_>) {
    for key in &look.table.unique_constraints {
        if key.nulls_not_distinct {
            continue;
        }
        for name in &key.columns {
            let Some(column) = column(look.table, name).filter(|column| column.nullable) else { continue };
            let change = SchemaChange::RequireValue { column: Box::new(column.clone()) };
            let message =
                format!("{name} may be NULL, and any number of rows with NULL pass the unique key; require a value");
            let subject = LintSubject::UniqueConstraint(key.name.clone());
            let columns = vec![name.clone()];
            look.find_on(rules::NULLABLE_UNIQUE, subject, columns, message, Vec::new(), Some(&change));
        }
    }
}

fn column<'a>(table: &'a Table, name: &str) -> Option<&'a Column> {
    table.columns.iter().find(|column| column.name == name)
}

/// Keeps what the comparison of collations needs.
pub(super) fn keep(
    table: &Table,
    orders: &mut HashMap<ObjectName, HashMap<String, TextOrder>>,
    keys: &mut Vec<PendingKey>,
) {
    let texts = table.columns.iter().filter(|column| !(column.character_set.is_empty() && column.collation.is_empty()));
    let texts: HashMap<_, _> =
        texts.map(|column| (column.name.clone(), (column.character_set.clone(), column.collation.clone()))).collect();
    let name = name_of(table);
    if !texts.is_empty() {
        orders.insert(name.clone(), texts);
    }
    keys.extend(table.foreign_keys.iter().map(|key| PendingKey { table: name.clone(), key: key.clone() }));
}

/// Compares the two sides of every key, and tells of which ones it cannot be known.
pub(super) fn collations(
    keys: &[PendingKey],
    orders: &HashMap<ObjectName, HashMap<String, TextOrder>>,
    defaults: DefaultCollation,
) -> (Vec<LintFinding>, Vec<Skipped>) {
    let order = |table: &ObjectName, column: &str| orders.get(table).and_then(|columns| columns.get(column)).cloned();
    let (mut found, mut open) = (Vec::new(), Vec::new());
    for PendingKey { table, key } in keys {
        let other = ObjectName { schema: key.referenced_schema.clone(), name: key.referenced_table.clone() };
        for (here, there) in key.columns.iter().zip(&key.referenced_columns) {
            let (ours, theirs) = (order(table, here), order(&other, there));
            if ours == theirs {
                continue;
            }
            if defaults == DefaultCollation::Unknown && (ours.is_none() || theirs.is_none()) {
                open.push(unknown_collation(table, key));
                continue;
            }
            let text = |order: Option<TextOrder>| {
                order.map_or_else(
                    || "default".to_owned(),
                    |(set, collation)| format!("{set} {collation}").trim().to_owned(),
                )
            };
            let message = format!(
                "{here} and {}.{there} compare text by different rules; give both the same collation",
                key.referenced_table
            );
            found.push(LintFinding {
                rule: rules::KEY_COLLATIONS_DIFFER,
                table: table.clone(),
                subject: LintSubject::ForeignKey(key.name.clone()),
                columns: key.columns.clone(),
                message,
                evidence: vec![evidence("collation", text(ours)), evidence("referenced_collation", text(theirs))],
                fix: Vec::new(),
            });
        }
    }
    (found, open)
}

fn unknown_collation(table: &ObjectName, key: &ForeignKey) -> Skipped {
    let (rule, table) = (rules::KEY_COLLATIONS_DIFFER.id, full_name(&table.schema, &table.name));
    Skipped {
        subject: format!("{rule} of foreign key {table} ({})", key.columns.join(", ")),
        reason: "one side says a collation and the other has that of its database, which is not known here".to_owned(),
        remedy: "say the collation of both columns".to_owned(),
        ..Skipped::default()
    }
}
