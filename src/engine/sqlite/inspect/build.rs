//! One table from its rows in the catalog and the texts of its definitions.

mod constraint;
mod index;

use std::collections::HashMap;

pub(super) use self::constraint::foreign_keys;
use self::{
    constraint::{checks, primary_key, unique_constraints},
    index::indexes,
};
use super::super::{
    SCHEMA,
    catalog::{ColumnRow, DefinitionRow, Details, Relation, key},
    ddl::{self, ColumnText, TableText},
};
use crate::model::schema::{
    Affinity, Column, ColumnDetails, Generation, SequenceOptions, ShadowTable, SqliteColumn, SqliteTable, Table,
    TableDetails, TableKind, TableSummary, Trigger, TriggerLevel,
};

/// A table in a line.
pub(super) fn summary(relation: &Relation, details: &Details) -> TableSummary {
    let (data_size_bytes, index_size_bytes) = sizes(relation, details);
    TableSummary {
        schema: SCHEMA.to_owned(),
        name: relation.name.clone(),
        kind: relation.kind,
        column_count: i32::try_from(of(&details.columns, relation).len()).unwrap_or(i32::MAX),
        row_estimate: row_estimate(relation, details),
        data_size_bytes,
        index_size_bytes,
        comment: String::new(),
    }
}

/// A table in full.
pub(super) fn table(relation: &Relation, details: &Details) -> Table {
    let definitions = of(&details.definitions, relation);
    let own = definitions.iter().find(|definition| matches!(definition.kind.as_str(), "table" | "view"));
    let sql = own.map_or("", |definition| definition.sql.as_str());
    let text = if relation.kind == TableKind::Table { ddl::table(sql) } else { TableText::default() };
    let columns = of(&details.columns, relation);
    let primary_key = primary_key(columns, of(&details.indexes, relation), &text);
    let unique_constraints = unique_constraints(of(&details.indexes, relation), &text);
    let constraints: Vec<_> = primary_key.iter().chain(&unique_constraints).collect();
    let indexes = indexes(relation, details, &text, &constraints);
    let (data_size_bytes, index_size_bytes) = sizes(relation, details);
    Table {
        schema: SCHEMA.to_owned(),
        name: relation.name.clone(),
        kind: relation.kind,
        comment: String::new(),
        columns: build_columns(relation, details, &text),
        primary_key,
        unique_constraints,
        foreign_keys: foreign_keys(of(&details.foreign_keys, relation), &text),
        checks: checks(&text),
        indexes,
        triggers: triggers(definitions),
        view_definition: if relation.kind == TableKind::View { ddl::view_query(sql) } else { String::new() },
        row_estimate: row_estimate(relation, details),
        data_size_bytes,
        index_size_bytes,
        options: options(relation, sql),
        details: Some(TableDetails::Sqlite(Box::new(table_details(relation, details, &text, sql)))),
        ..Table::default()
    }
}

fn of<'a, T>(groups: &'a HashMap<String, Vec<T>>, relation: &Relation) -> &'a [T] {
    groups.get(&key(&relation.name)).map_or(&[], Vec::as_slice)
}

fn row_estimate(relation: &Relation, details: &Details) -> i64 {
    details.estimates.get(&key(&relation.name)).copied().unwrap_or(-1)
}

/// Bytes of the table and of its indexes. Those of a virtual table lie in its shadow tables and are not told.
fn sizes(relation: &Relation, details: &Details) -> (i64, i64) {
    match (relation.kind, &details.sizes) {
        (TableKind::View, _) => (0, 0),
        (TableKind::VirtualTable, _) | (_, None) => (-1, -1),
        (_, Some(sizes)) => {
            sizes.get(&key(&relation.name)).map_or((0, 0), |found| (found.table, found.indexes.values().sum()))
        }
    }
}

fn options(relation: &Relation, sql: &str) -> String {
    if relation.kind == TableKind::VirtualTable {
        return ddl::virtual_module(sql);
    }
    let options = [("STRICT", relation.strict), ("WITHOUT ROWID", relation.without_rowid)];
    options.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect::<Vec<_>>().join(", ")
}

fn build_columns(relation: &Relation, details: &Details, text: &TableText) -> Vec<Column> {
    let rows = of(&details.columns, relation);
    let written = by_name(text);
    let rowid = rowid_column(relation, details);
    let build = |(position, row): (i32, &ColumnRow)| {
        let written = written.get(&key(&row.name));
        let is_rowid = rowid.is_some_and(|rowid| rowid.name == row.name);
        let counts = written.is_some_and(|column| column.autoincrement);
        // A primary key may hold NULL unless it is the rowid or the table has none. That is an old fault of SQLite's that
        // it keeps.
        let never_null = row.not_null || is_rowid || (row.key_place > 0 && relation.without_rowid);
        Column {
            name: row.name.clone(),
            position,
            data_type: row.data_type.clone(),
            nullable: !never_null,
            default_expression: row.default.clone(),
            generation: match row.hidden {
                2 => Generation::Virtual,
                3 => Generation::Stored,
                _ if counts => Generation::AutoIncrement,
                _ => Generation::None,
            },
            generation_expression: written.map(|column| column.generated.clone()).unwrap_or_default(),
            collation: written.map(|column| column.collation.clone()).unwrap_or_default(),
            sequence: counts.then(|| autoincrement(details.sequences.get(&key(&relation.name)).copied())),
            details: Some(ColumnDetails::Sqlite(SqliteColumn { affinity: affinity(&row.data_type), rowid: is_rowid })),
            ..Column::default()
        }
    };
    (1..).zip(rows).map(build).collect()
}

/// What the definition says of each column, by [`key`] of its name.
fn by_name(text: &TableText) -> HashMap<String, &ColumnText> {
    text.columns.iter().map(|column| (key(&column.name), column)).collect()
}

/// The column that is the rowid: the one INTEGER column of a primary key without an index of its own. `INTEGER PRIMARY KEY
/// DESC` has an index, by another old fault that SQLite keeps.
fn rowid_column<'a>(relation: &Relation, details: &'a Details) -> Option<&'a ColumnRow> {
    let has_index = of(&details.indexes, relation).iter().any(|row| row.origin == "pk");
    if relation.kind != TableKind::Table || relation.without_rowid || has_index {
        return None;
    }
    let mut of_key = of(&details.columns, relation).iter().filter(|row| row.key_place > 0);
    match (of_key.next(), of_key.next()) {
        (Some(row), None) if row.data_type.eq_ignore_ascii_case("INTEGER") => Some(row),
        _ => None,
    }
}

/// The numbers of AUTOINCREMENT: one more than the last, which SQLite keeps for each table that ever had a row.
fn autoincrement(last: Option<i64>) -> SequenceOptions {
    SequenceOptions {
        sequence: None,
        data_type: "INTEGER".to_owned(),
        start: "1".to_owned(),
        increment: "1".to_owned(),
        minimum: "1".to_owned(),
        maximum: i64::MAX.to_string(),
        cache: 1,
        cycle: false,
        last_value: last.map(|number| number.to_string()),
    }
}

fn triggers(definitions: &[DefinitionRow]) -> Vec<Trigger> {
    let of_kind = definitions.iter().filter(|definition| definition.kind == "trigger");
    of_kind.map(|found| trigger(&found.name, &found.sql)).collect()
}

/// A trigger out of its text. SQLite fires all of them, once a row.
pub(super) fn trigger(name: &str, sql: &str) -> Trigger {
    let text = ddl::trigger(sql);
    Trigger {
        name: name.to_owned(),
        definition: sql.to_owned(),
        timing: text.timing,
        events: vec![text.event],
        columns: text.columns,
        level: TriggerLevel::Row,
        condition: text.condition,
        body: text.body,
        ..Trigger::default()
    }
}

fn table_details(relation: &Relation, details: &Details, text: &TableText, sql: &str) -> SqliteTable {
    let module = (relation.kind == TableKind::VirtualTable).then(|| ddl::module(sql)).flatten();
    SqliteTable {
        strict: relation.strict,
        without_rowid: relation.without_rowid,
        autoincrement: text.columns.iter().any(|column| column.autoincrement),
        shadow_tables: if module.is_some() { shadow_tables(relation, details) } else { Vec::new() },
        module,
        definition: sql.to_owned(),
    }
}

/// The shadow tables of a virtual table, which are named after it: its name, and what they hold behind the last `_`.
fn shadow_tables(relation: &Relation, details: &Details) -> Vec<ShadowTable> {
    let shadow = |name: &String| {
        let (owner, kind) = name.rsplit_once('_')?;
        let is_own = owner.eq_ignore_ascii_case(&relation.name);
        is_own.then(|| ShadowTable { name: name.clone(), kind: kind.to_owned() })
    };
    details.shadow_tables.iter().filter_map(shadow).collect()
}

/// What SQLite makes of the values of a column, by the rules of its manual.
fn affinity(data_type: &str) -> Affinity {
    let data_type = data_type.to_ascii_uppercase();
    let has = |word: &str| data_type.contains(word);
    if has("INT") {
        Affinity::Integer
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        Affinity::Text
    } else if data_type.is_empty() || has("BLOB") {
        Affinity::Blob
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        Affinity::Real
    } else {
        Affinity::Numeric
    }
}
