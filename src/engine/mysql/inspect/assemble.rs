//! Makes the neutral shape out of the rows of the catalog.

use std::collections::BTreeMap;

use sqlx::mysql::MySqlRow;

use super::{
    catalog::{Catalog, comment},
    table_kind,
};
use crate::{
    engine::mysql::row::{number, optional_text, text},
    model::{
        name::Identifier,
        schema::{
            CheckConstraint, Column, ForeignKey, Generation, Index, IndexPart, IndexTerm, KeyConstraint,
            ReferentialAction, Table, Trigger,
        },
    },
};

/// Rows whose first column is the table's name, by that name.
type Grouped = BTreeMap<String, Vec<MySqlRow>>;

/// All tables by name in code-point order.
pub(super) fn tables(catalog: Catalog, schema: &str) -> Vec<Table> {
    let Catalog { collation, mariadb, .. } = catalog;
    let mut parts = Parts {
        columns: group(catalog.columns),
        indexes: group(catalog.indexes),
        key_columns: group(catalog.key_columns),
        referential_actions: group(catalog.referential_actions),
        checks: group(catalog.checks),
        triggers: group(catalog.triggers),
        views: group(catalog.views),
    };
    let mut tables: Vec<Table> =
        catalog.tables.iter().filter_map(|relation| table(relation, schema, &collation, mariadb, &mut parts)).collect();
    tables.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    tables
}

struct Parts {
    columns: Grouped,
    indexes: Grouped,
    key_columns: Grouped,
    referential_actions: Grouped,
    checks: Grouped,
    triggers: Grouped,
    views: Grouped,
}

fn group(rows: Vec<MySqlRow>) -> Grouped {
    let mut grouped = Grouped::new();
    for row in rows {
        grouped.entry(string(&row, 0)).or_default().push(row);
    }
    grouped
}

fn table(relation: &MySqlRow, schema: &str, collation: &str, mariadb: bool, parts: &mut Parts) -> Option<Table> {
    let kind = table_kind(&string(relation, 1))?;
    let name = string(relation, 0);
    let mut take = |grouped: fn(&mut Parts) -> &mut Grouped| grouped(parts).remove(&name).unwrap_or_default();

    let mut checks: Vec<(String, CheckConstraint)> = take(|parts| &mut parts.checks)
        .iter()
        .map(|check| {
            let constraint = CheckConstraint {
                name: string(check, 1),
                expression: string(check, 2),
                validated: string(check, 4) != "NO",
                enforced: string(check, 4) != "NO",
                ..CheckConstraint::default()
            };
            (string(check, 3), constraint)
        })
        .collect();
    let mut columns: Vec<Column> =
        take(|parts| &mut parts.columns).iter().map(|found| column(found, collation, mariadb)).collect();
    columns.sort_by_key(|column| column.position);
    columns.iter_mut().for_each(|column| take_json(column, &mut checks));
    let mut checks: Vec<CheckConstraint> = checks.into_iter().map(|(_, check)| check).collect();
    checks.sort_by(|one, other| one.name.cmp(&other.name));

    let indexes = indexes(&take(|parts| &mut parts.indexes));
    let key = |index: &Index| KeyConstraint {
        name: index.name.clone(),
        columns: plain_columns(index),
        index: index.name.clone(),
        ..KeyConstraint::default()
    };
    let mut triggers: Vec<Trigger> = take(|parts| &mut parts.triggers).iter().map(trigger).collect();
    triggers.sort_by(|one, other| one.name.cmp(&other.name));
    Some(Table {
        schema: schema.to_owned(),
        kind,
        comment: comment(kind, string(relation, 6)),
        columns,
        primary_key: indexes.iter().find(|index| index.primary).map(key),
        unique_constraints: indexes.iter().filter(|index| index.unique && !index.primary).map(key).collect(),
        foreign_keys: foreign_keys(
            &take(|parts| &mut parts.key_columns),
            &take(|parts| &mut parts.referential_actions),
        ),
        checks,
        indexes,
        triggers,
        view_definition: take(|parts| &mut parts.views).first().map(|view| string(view, 1)).unwrap_or_default(),
        row_estimate: integer(relation, 7),
        data_size_bytes: integer(relation, 8),
        index_size_bytes: integer(relation, 9),
        options: options(relation),
        name,
        ..Table::default()
    })
}

fn column(found: &MySqlRow, database_collation: &str, mariadb: bool) -> Column {
    let extra = string(found, 6).to_ascii_lowercase();
    let generation = if extra.contains("auto_increment") {
        Generation::AutoIncrement
    } else if extra.contains("stored generated") || extra.contains("persistent") {
        Generation::Stored
    } else if extra.contains("virtual generated") {
        Generation::Virtual
    } else {
        Generation::None
    };
    let collation = string(found, 8);
    Column {
        name: string(found, 1),
        position: i32::try_from(integer(found, 2)).unwrap_or(0),
        data_type: string(found, 3),
        nullable: string(found, 4) == "YES",
        default_expression: default_expression(
            optional_text(found, 5).ok().flatten(),
            &extra,
            &string(found, 10),
            mariadb,
        ),
        generation,
        generation_expression: string(found, 7),
        collation: if collation == database_collation { String::new() } else { collation },
        comment: string(found, 9),
        ..Column::default()
    }
}

/// MariaDB gives a default as it would be written in SQL, NULL included. MySQL gives the bare value of a literal and marks
/// expressions.
fn default_expression(text: Option<String>, extra: &str, data_type: &str, mariadb: bool) -> Option<String> {
    let text = text?;
    let written = if mariadb {
        if text.eq_ignore_ascii_case("NULL") {
            return None;
        }
        text
    } else if extra.contains("default_generated") || is_numeric(data_type) || text.starts_with("b'") {
        text
    } else {
        format!("'{}'", text.replace('\'', "''"))
    };
    match extra.find("on update ") {
        Some(start) => Some(format!("{written} ON UPDATE {}", &extra[start + "on update ".len()..])),
        None => Some(written),
    }
}

fn is_numeric(data_type: &str) -> bool {
    matches!(
        data_type,
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "float" | "double" | "year" | "bit"
    )
}

/// MariaDB has no type JSON: it makes a LONGTEXT with a check of the column's own name, which is what this undoes.
fn take_json(column: &mut Column, checks: &mut Vec<(String, CheckConstraint)>) {
    if column.data_type != "longtext" {
        return;
    }
    let Ok(name) = Identifier::parse(&column.name, "column") else { return };
    let implied = format!("json_valid({})", name.backquoted());
    let made_for_json = |level: &str, check: &CheckConstraint| {
        level == "Column" && check.name == column.name && check.expression == implied
    };
    let before = checks.len();
    checks.retain(|(level, check)| !made_for_json(level, check));
    if checks.len() < before {
        column.data_type = "json".to_owned();
        column.collation.clear();
    }
}

fn indexes(rows: &[MySqlRow]) -> Vec<Index> {
    let mut parts: BTreeMap<String, Vec<&MySqlRow>> = BTreeMap::new();
    for part in rows {
        parts.entry(string(part, 1)).or_default().push(part);
    }
    parts.into_iter().filter_map(|(name, parts)| index(name, parts)).collect()
}

fn index(name: String, mut parts: Vec<&MySqlRow>) -> Option<Index> {
    parts.sort_by_key(|part| integer(part, 2));
    let first = parts.first()?;
    Some(Index {
        primary: name == "PRIMARY",
        name,
        method: string(first, 4).to_ascii_lowercase(),
        unique: integer(first, 3) == 0,
        parts: parts.iter().map(|part| index_part(part)).collect(),
        included_columns: Vec::new(),
        predicate: String::new(),
        valid: string(first, 9) != "YES",
        ready: true,
        visible: string(first, 9) != "YES",
        size_bytes: -1,
        ..Index::default()
    })
}

fn index_part(part: &MySqlRow) -> IndexPart {
    let term = match optional_text(part, 5).ok().flatten() {
        Some(column) => IndexTerm::Column(column),
        None => IndexTerm::Expression(string(part, 8)),
    };
    let prefix_length = u32::try_from(integer(part, 7)).unwrap_or(0);
    IndexPart { descending: string(part, 6) == "D", prefix_length, ..IndexPart::plain(term) }
}

fn plain_columns(index: &Index) -> Vec<String> {
    let column = |part: &IndexPart| match &part.term {
        IndexTerm::Column(name) => Some(name.clone()),
        IndexTerm::Expression(_) => None,
    };
    index.parts.iter().filter_map(column).collect()
}

fn foreign_keys(key_columns: &[MySqlRow], actions: &[MySqlRow]) -> Vec<ForeignKey> {
    let mut keys: BTreeMap<String, Vec<&MySqlRow>> = BTreeMap::new();
    for column in key_columns {
        keys.entry(string(column, 1)).or_default().push(column);
    }
    let action_of = |name: &str, index: usize| {
        let row = actions.iter().find(|row| string(row, 1) == name);
        row.map_or(ReferentialAction::NoAction, |row| action(&string(row, index)))
    };
    let key = |(name, mut columns): (String, Vec<&MySqlRow>)| {
        columns.sort_by_key(|column| integer(column, 2));
        let first = columns.first()?;
        Some(ForeignKey {
            columns: columns.iter().map(|column| string(column, 3)).collect(),
            referenced_schema: string(first, 4),
            referenced_table: string(first, 5),
            referenced_columns: columns.iter().map(|column| string(column, 6)).collect(),
            on_update: action_of(&name, 2),
            on_delete: action_of(&name, 3),
            validated: true,
            enforced: true,
            name,
            ..ForeignKey::default()
        })
    };
    keys.into_iter().filter_map(key).collect()
}

fn action(word: &str) -> ReferentialAction {
    match word {
        "RESTRICT" => ReferentialAction::Restrict,
        "CASCADE" => ReferentialAction::Cascade,
        "SET NULL" => ReferentialAction::SetNull,
        "SET DEFAULT" => ReferentialAction::SetDefault,
        _ => ReferentialAction::NoAction,
    }
}

fn trigger(row: &MySqlRow) -> Trigger {
    let quoted = |text: String| format!("`{}`", text.replace('`', "``"));
    let name = string(row, 1);
    let definition = format!(
        "CREATE TRIGGER {} {} {} ON {} FOR EACH ROW {}",
        quoted(name.clone()),
        string(row, 2),
        string(row, 3),
        quoted(string(row, 0)),
        string(row, 4),
    );
    Trigger { name, definition, ..Trigger::default() }
}

fn options(relation: &MySqlRow) -> String {
    let named = [("ENGINE", 2), ("ROW_FORMAT", 3), ("COLLATE", 4)];
    let mut options: Vec<String> = named
        .into_iter()
        .map(|(word, index)| (word, string(relation, index)))
        .filter(|(_, value)| !value.is_empty())
        .map(|(word, value)| format!("{word}={value}"))
        .collect();
    let others = string(relation, 5);
    if !others.is_empty() && !options.is_empty() {
        options.push(others);
    }
    options.join(" ")
}

/// The queries fix number and type of the columns, so a column that cannot be read is one without a value.
fn string(row: &MySqlRow, index: usize) -> String {
    text(row, index).unwrap_or_default()
}

fn integer(row: &MySqlRow, index: usize) -> i64 {
    number(row, index).unwrap_or(-1)
}
