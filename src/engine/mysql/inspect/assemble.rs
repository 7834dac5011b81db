//! Makes the neutral shape out of the rows of the catalog.

mod column;
mod index;
mod keys;
mod partition;
pub(super) mod trigger;

use std::collections::BTreeMap;

use sqlx::mysql::MySqlRow;

pub(super) use self::keys::is_valid_json;
use super::{
    catalog::{Catalog, integer, is_unreadable, text},
    comment,
    creation::Creations,
    grant, holds_login, security, table_kind,
};
use crate::{
    engine::mysql::row,
    model::schema::{
        CheckConstraint, Column, ColumnDetails, Index, KeyConstraint, MysqlTable, MysqlView, Parameter,
        SequenceOptions, Table, TableDetails, TimePeriod, VersioningRole,
    },
};

/// Rows whose first column is the table's name, by that name.
type Grouped = BTreeMap<String, Vec<MySqlRow>>;

/// All tables by name in code-point order; what could not be opened is left out. Columns tell their collation where it differs
/// from `collation`, the database's.
pub(super) fn tables(catalog: Catalog, schema: &str, collation: &str) -> Vec<Table> {
    let mut parts = Parts {
        columns: group(catalog.columns),
        spatial_systems: group(catalog.spatial_systems),
        indexes: group(catalog.indexes),
        key_columns: group(catalog.key_columns),
        referential_actions: group(catalog.referential_actions),
        checks: group(catalog.checks),
        triggers: group(catalog.triggers),
        views: group(catalog.views),
        partitions: group(catalog.partitions),
        grants: group(catalog.grants),
        sequences: catalog.sequences,
        creations: catalog.creations,
    };
    let place = Place { schema, collation, mariadb: catalog.mariadb };
    let mut tables: Vec<Table> =
        catalog.tables.iter().filter_map(|relation| table(relation, &place, &mut parts)).collect();
    tables.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    tables
}

/// Where the tables are.
struct Place<'a> {
    schema: &'a str,
    collation: &'a str,
    mariadb: bool,
}

struct Parts {
    columns: Grouped,
    spatial_systems: Grouped,
    indexes: Grouped,
    key_columns: Grouped,
    referential_actions: Grouped,
    checks: Grouped,
    triggers: Grouped,
    views: Grouped,
    partitions: Grouped,
    grants: Grouped,
    sequences: BTreeMap<String, SequenceOptions>,
    creations: Creations,
}

fn group(rows: Vec<MySqlRow>) -> Grouped {
    let mut grouped = Grouped::new();
    for row in rows {
        grouped.entry(text(&row, 0)).or_default().push(row);
    }
    grouped
}

fn table(relation: &MySqlRow, place: &Place<'_>, parts: &mut Parts) -> Option<Table> {
    let kind = table_kind(&text(relation, 1))?;
    if is_unreadable(relation) {
        return None;
    }
    let name = text(relation, 0);
    let mut take = |grouped: fn(&mut Parts) -> &mut Grouped| grouped(parts).remove(&name).unwrap_or_default();

    let mut checks = keys::checks(&take(|parts| &mut parts.checks));
    let mut columns = column::columns(&take(|parts| &mut parts.columns), place);
    column::add_spatial_systems(&mut columns, &take(|parts| &mut parts.spatial_systems));
    columns.iter_mut().for_each(|column| keys::take_json(column, &mut checks));
    let (key_columns, actions) = (take(|parts| &mut parts.key_columns), take(|parts| &mut parts.referential_actions));
    let foreign_keys = keys::foreign_keys(&key_columns, &actions);
    let mut triggers: Vec<_> = take(|parts| &mut parts.triggers).iter().map(trigger::trigger).collect();
    triggers.sort_by(|one, other| one.name.cmp(&other.name));
    let mut grants: Vec<_> = take(|parts| &mut parts.grants).iter().map(grant).collect();
    grants.sort_unstable();
    let view = take(|parts| &mut parts.views).into_iter().next();
    let storage_engine = text(relation, 2);
    let mut partitioning = partition::partitioning(&take(|parts| &mut parts.partitions));
    let mut create_options = create_options(&text(relation, 5));
    if holds_login(&storage_engine) {
        create_options.clear();
        partitioning.iter_mut().for_each(|found| partition::forget_comments(&mut found.partitions));
    }
    let index_rows = take(|parts| &mut parts.indexes);

    let indexes =
        index::indexes(&index_rows, |index| parts.creations.parsers.remove(&(name.clone(), index.to_owned())));
    let mut periods = parts.creations.periods.remove(&name).unwrap_or_default();
    keys::take_periods(&periods, &mut checks);
    let key = |index: &Index| keys::of_index(index, &periods);
    let (primary_key, unique_constraints) = constraints(&indexes, key);
    periods.extend(system_period(&columns));
    let checks: Vec<CheckConstraint> = keys::sorted(checks);

    let comment = comment(kind, &storage_engine, text(relation, 6));
    let details = MysqlTable {
        storage_engine,
        row_format: text(relation, 3),
        character_set: character_set(&text(relation, 4)).to_owned(),
        collation: text(relation, 4),
        auto_increment: row::optional_unsigned(relation, 10).ok().flatten(),
        create_options,
        partitioning,
        system_versioned: text(relation, 1) == "SYSTEM VERSIONED",
        periods,
        view: view.as_ref().map(|found| view_details(found, parts.creations.algorithms.remove(&name))),
        sequence: parts.sequences.remove(&name),
    };
    Some(Table {
        schema: place.schema.to_owned(),
        kind,
        comment,
        columns,
        primary_key,
        unique_constraints,
        foreign_keys,
        checks,
        indexes,
        triggers,
        view_definition: view.map(|view| text(&view, 1)).unwrap_or_default(),
        row_estimate: integer(relation, 7),
        data_size_bytes: integer(relation, 8),
        index_size_bytes: integer(relation, 9),
        options: options(relation),
        grants,
        details: Some(TableDetails::Mysql(Box::new(details))),
        name,
        ..Table::default()
    })
}

fn constraints(
    indexes: &[Index],
    key: impl Fn(&Index) -> KeyConstraint,
) -> (Option<KeyConstraint>, Vec<KeyConstraint>) {
    let primary = indexes.iter().find(|index| index.primary).map(&key);
    (primary, indexes.iter().filter(|index| index.unique && !index.primary).map(key).collect())
}

/// The period of system versioning shows in its columns, unless they are hidden from the catalog as well.
fn system_period(columns: &[Column]) -> Option<TimePeriod> {
    let with_role = |role| {
        let has_role =
            |column: &&Column| matches!(&column.details, Some(ColumnDetails::Mysql(found)) if found.versioning == role);
        columns.iter().find(has_role).map(|column| column.name.clone())
    };
    Some(TimePeriod {
        name: "SYSTEM_TIME".to_owned(),
        start_column: with_role(VersioningRole::RowStart)?,
        end_column: with_role(VersioningRole::RowEnd)?,
    })
}

fn view_details(found: &MySqlRow, algorithm: Option<String>) -> MysqlView {
    MysqlView {
        definer: text(found, 4),
        security: security(&text(found, 5)),
        check_option: text(found, 2),
        algorithm: algorithm.unwrap_or_else(|| text(found, 8)),
        updatable: text(found, 3) == "YES",
        character_set_client: text(found, 6),
        collation_connection: text(found, 7),
    }
}

/// Every collation begins with the name of its character set, and no such name has an underscore.
fn character_set(collation: &str) -> &str {
    collation.split('_').next().unwrap_or(collation)
}

/// Reads options such as row_format=COMPRESSED `PAGE_COMPRESSED`='1' partitioned.
fn create_options(options: &str) -> Vec<Parameter> {
    let mut found = Vec::new();
    let mut rest = options.trim_start();
    while !rest.is_empty() {
        let (option, after) = cut_option(rest);
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        found.push(Parameter { name: unquoted(name, '`'), value: unquoted(value, '\'') });
        rest = after.trim_start();
    }
    found
}

/// Cuts at the first space outside quotes.
fn cut_option(text: &str) -> (&str, &str) {
    let mut quote = None;
    for (index, letter) in text.char_indices() {
        match quote {
            None if letter == ' ' => return text.split_at(index),
            None if matches!(letter, '`' | '\'' | '"') => quote = Some(letter),
            Some(open) if open == letter => quote = None,
            _ => {}
        }
    }
    (text, "")
}

fn unquoted(text: &str, quote: char) -> String {
    let inner = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inner.map_or_else(|| text.to_owned(), |inner| inner.replace(&quote.to_string().repeat(2), &quote.to_string()))
}

fn options(relation: &MySqlRow) -> String {
    let named = [("ENGINE", 2), ("ROW_FORMAT", 3), ("COLLATE", 4)];
    let mut options: Vec<String> = named
        .into_iter()
        .map(|(word, index)| (word, text(relation, index)))
        .filter(|(_, value)| !value.is_empty())
        .map(|(word, value)| format!("{word}={value}"))
        .collect();
    let others = text(relation, 5);
    if !others.is_empty() && !options.is_empty() {
        options.push(others);
    }
    options.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn create_options_are_names_with_values() {
        let found = create_options("pack_keys=1 partitioned `PAGE COMPRESSED`='it''s 1' COMPRESSION=\"zlib\"");
        let pairs: Vec<_> = found.iter().map(|option| (option.name.as_str(), option.value.as_str())).collect();
        let expected =
            [("pack_keys", "1"), ("partitioned", ""), ("PAGE COMPRESSED", "it's 1"), ("COMPRESSION", "\"zlib\"")];
        assert_eq!(pairs, expected);
        assert_eq!(create_options(""), []);
    }

    #[test]
    fn a_collation_names_its_character_set() {
        assert_eq!((character_set("utf8mb4_uca1400_ai_ci"), character_set("binary")), ("utf8mb4", "binary"));
    }
}
