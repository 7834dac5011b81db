//! One table from its rows in the catalog and the texts of its definitions.

use super::super::{
    SCHEMA,
    catalog::{ColumnRow, DefinitionRow, Details, ForeignKeyRow, IndexRow, Relation, key},
    ddl::{self, TableText},
};
use crate::model::schema::{
    Affinity, CheckConstraint, Column, ColumnDetails, ForeignKey, Generation, Index, IndexPart, IndexTerm,
    KeyConstraint, ReferentialAction, ShadowTable, SqliteColumn, SqliteTable, Table, TableDetails, TableKind,
    TableSummary, Trigger, TriggerLevel,
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
    let indexes = indexes(relation, details, definitions);
    let (data_size_bytes, index_size_bytes) = sizes(relation, details);
    Table {
        schema: SCHEMA.to_owned(),
        name: relation.name.clone(),
        kind: relation.kind,
        comment: String::new(),
        columns: build_columns(relation, columns, &text),
        primary_key: primary_key(columns, &text),
        unique_constraints: unique_constraints(of(&details.indexes, relation), &text),
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

fn of<'a, T>(groups: &'a std::collections::HashMap<String, Vec<T>>, relation: &Relation) -> &'a [T] {
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

fn build_columns(relation: &Relation, rows: &[ColumnRow], text: &TableText) -> Vec<Column> {
    let key_columns = rows.iter().filter(|row| row.key_place > 0).count();
    let build = |(position, row): (i32, &ColumnRow)| {
        let written = text.columns.iter().find(|column| column.name.eq_ignore_ascii_case(&row.name));
        // An INTEGER primary key is the rowid, which is never NULL; other primary keys may hold NULL unless the table
        // has no rowid. That is an old fault of SQLite's that it keeps.
        let is_rowid = row.key_place > 0 && key_columns == 1 && row.data_type.eq_ignore_ascii_case("INTEGER");
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
                _ if written.is_some_and(|column| column.autoincrement) => Generation::AutoIncrement,
                _ => Generation::None,
            },
            generation_expression: written.map(|column| column.generated.clone()).unwrap_or_default(),
            collation: written.map(|column| column.collation.clone()).unwrap_or_default(),
            details: Some(ColumnDetails::Sqlite(SqliteColumn {
                affinity: affinity(&row.data_type),
                rowid: is_rowid && !relation.without_rowid,
            })),
            ..Column::default()
        }
    };
    (1..).zip(rows).map(build).collect()
}

fn primary_key(rows: &[ColumnRow], text: &TableText) -> Option<KeyConstraint> {
    let mut columns: Vec<&ColumnRow> = rows.iter().filter(|row| row.key_place > 0).collect();
    columns.sort_by_key(|row| row.key_place);
    if columns.is_empty() {
        return None;
    }
    let name = text.primary_key.as_ref().map(|key| key.name.clone()).unwrap_or_default();
    let columns = columns.into_iter().map(|row| row.name.clone()).collect();
    Some(KeyConstraint { name, columns, ..KeyConstraint::default() })
}

fn unique_constraints(rows: &[IndexRow], text: &TableText) -> Vec<KeyConstraint> {
    let of_constraints = rows.chunk_by(|one, next| one.index == next.index).filter(|parts| parts[0].origin == "u");
    let mut constraints: Vec<KeyConstraint> = of_constraints
        .map(|parts| {
            let columns: Vec<String> = parts.iter().filter_map(|part| part.column.clone()).collect();
            let written = text.unique.iter().find(|key| same_names(&key.columns, &columns));
            let name = written.map(|key| key.name.clone()).unwrap_or_default();
            KeyConstraint { name, columns, index: parts[0].index.clone(), ..KeyConstraint::default() }
        })
        .collect();
    constraints.sort_by(|one, other| (&one.name, &one.columns).cmp(&(&other.name, &other.columns)));
    constraints
}

fn same_names(one: &[String], other: &[String]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.eq_ignore_ascii_case(other))
}

fn foreign_keys(rows: &[ForeignKeyRow], text: &TableText) -> Vec<ForeignKey> {
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

fn checks(text: &TableText) -> Vec<CheckConstraint> {
    let build = |check: &ddl::Check| CheckConstraint {
        name: check.name.clone(),
        expression: check.expression.clone(),
        validated: true,
        enforced: true,
        ..CheckConstraint::default()
    };
    let mut checks: Vec<CheckConstraint> = text.checks.iter().map(build).collect();
    checks.sort_by(|one, other| (&one.name, &one.expression).cmp(&(&other.name, &other.expression)));
    checks
}

fn indexes(relation: &Relation, details: &Details, definitions: &[DefinitionRow]) -> Vec<Index> {
    let sizes = details.sizes.as_ref().map(|sizes| sizes.get(&key(&relation.name)));
    let size = |index: &str| match sizes {
        None => -1,
        Some(found) => found.and_then(|found| found.indexes.get(index)).copied().unwrap_or(0),
    };
    let build = |parts: &[IndexRow]| {
        let name = parts[0].index.clone();
        let definition = definitions.iter().find(|definition| definition.kind == "index" && definition.name == name);
        let text = definition.map(|definition| ddl::index(&definition.sql)).unwrap_or_default();
        let part = |(place, row): (usize, &IndexRow)| {
            let term = match &row.column {
                Some(column) => IndexTerm::Column(column.clone()),
                None => IndexTerm::Expression(text.terms.get(place).cloned().unwrap_or_default()),
            };
            IndexPart { descending: row.descending, ..IndexPart::plain(term) }
        };
        Index {
            method: "btree".to_owned(),
            unique: parts[0].unique,
            primary: parts[0].origin == "pk",
            parts: parts.iter().enumerate().map(part).collect(),
            predicate: text.predicate.clone(),
            valid: true,
            ready: true,
            visible: true,
            size_bytes: size(&name),
            definition: definition.map(|definition| definition.sql.clone()).unwrap_or_default(),
            name,
            ..Index::default()
        }
    };
    of(&details.indexes, relation).chunk_by(|one, next| one.index == next.index).map(build).collect()
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

/// The shadow tables of a virtual table, which are named after it.
fn shadow_tables(relation: &Relation, details: &Details) -> Vec<ShadowTable> {
    let prefix = format!("{}_", key(&relation.name));
    let shadow = |name: &String| {
        let kind = key(name).strip_prefix(&prefix)?.to_owned();
        Some(ShadowTable { name: name.clone(), kind })
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
