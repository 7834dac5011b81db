//! Keys, foreign keys and checks.

use std::collections::BTreeMap;

use sqlx::mysql::MySqlRow;

use super::super::catalog::{integer, text};
use crate::model::{
    name::Identifier,
    schema::{
        CheckConstraint, Column, ForeignKey, Index, IndexPart, IndexTerm, KeyConstraint, ReferentialAction, TimePeriod,
    },
};

/// The key that an index is for. Where its last two columns are the end and the start of a period, it keeps rows of one key
/// from overlapping in time, and the period stands in their place.
pub(super) fn of_index(index: &Index, periods: &[TimePeriod]) -> KeyConstraint {
    let mut columns = plain_columns(index);
    let period =
        periods.iter().find(|period| columns.ends_with(&[period.end_column.clone(), period.start_column.clone()]));
    if let Some(period) = period {
        columns.truncate(columns.len() - 2);
        columns.push(period.name.clone());
    }
    KeyConstraint {
        name: index.name.clone(),
        columns,
        index: index.name.clone(),
        without_overlaps: period.is_some(),
        ..KeyConstraint::default()
    }
}

fn plain_columns(index: &Index) -> Vec<String> {
    let column = |part: &IndexPart| match &part.term {
        IndexTerm::Column(name) => Some(name.clone()),
        IndexTerm::Expression(_) => None,
    };
    index.parts.iter().filter_map(column).collect()
}

/// The checks of a table.
pub(super) fn checks(rows: &[MySqlRow]) -> Vec<CheckConstraint> {
    let check = |found: &MySqlRow| {
        let name = text(found, 1);
        let enforced = text(found, 4) != "NO";
        CheckConstraint {
            // MariaDB names the check of a column after it.
            column: if text(found, 3) == "Column" { name.clone() } else { String::new() },
            name,
            expression: text(found, 2),
            validated: enforced,
            enforced,
            ..CheckConstraint::default()
        }
    };
    rows.iter().map(check).collect()
}

/// By name, and the check of a column before one of the table that has the same.
pub(super) fn sorted(mut checks: Vec<CheckConstraint>) -> Vec<CheckConstraint> {
    checks.sort_by(|one, other| (&one.name, &other.column).cmp(&(&other.name, &one.column)));
    checks
}

/// MariaDB has no type JSON: it makes a LONGTEXT with a check of the column's own name, which is what this undoes.
pub(super) fn take_json(column: &mut Column, checks: &mut Vec<CheckConstraint>) {
    if column.data_type != "longtext" {
        return;
    }
    let Ok(name) = Identifier::parse(&column.name, "column") else { return };
    let implied = is_valid_json(&name);
    let before = checks.len();
    checks.retain(|check| check.column != column.name || check.expression != implied);
    if checks.len() < before {
        column.data_type = "json".to_owned();
        column.collation.clear();
    }
}

/// The condition that MariaDB gives a column of JSON.
pub(in crate::engine::mysql::inspect) fn is_valid_json(column: &Identifier) -> String {
    format!("json_valid({})", column.backquoted())
}

/// Takes away the checks that periods bring with them.
pub(super) fn take_periods(periods: &[TimePeriod], checks: &mut Vec<CheckConstraint>) {
    checks.retain(|check| !check.column.is_empty() || !periods.iter().any(|period| period.name == check.name));
}

pub(super) fn foreign_keys(key_columns: &[MySqlRow], actions: &[MySqlRow]) -> Vec<ForeignKey> {
    let mut keys: BTreeMap<String, Vec<&MySqlRow>> = BTreeMap::new();
    for column in key_columns {
        keys.entry(text(column, 1)).or_default().push(column);
    }
    let action_of = |name: &str, index: usize| {
        let row = actions.iter().find(|row| text(row, 1) == name);
        row.map_or(ReferentialAction::NoAction, |row| action(&text(row, index)))
    };
    let key = |(name, mut columns): (String, Vec<&MySqlRow>)| {
        columns.sort_by_key(|column| integer(column, 2));
        let first = columns.first()?;
        Some(ForeignKey {
            columns: columns.iter().map(|column| text(column, 3)).collect(),
            referenced_schema: text(first, 4),
            referenced_table: text(first, 5),
            referenced_columns: columns.iter().map(|column| text(column, 6)).collect(),
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
