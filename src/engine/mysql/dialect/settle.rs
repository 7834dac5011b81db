//! A definition as a live server tells it.

use super::MysqlDialect;
use crate::{
    engine::{
        Dialect as _,
        dialect::settle::{self, MadeNames, TellInlined},
    },
    model::{
        connection::EngineKind,
        schema::{
            ReferentialAction,
            definition::{
                ColumnDefinition, ColumnType, IndexDefinition, KeyDefinition, SchemaDefinition, TableDefinition, same,
            },
        },
    },
};

pub(super) fn settled(definition: &SchemaDefinition) -> SchemaDefinition {
    let inlined = settle::inlined(&MysqlDialect, definition, &Inline);
    let names = MadeNames { check: &|_, column| column.name.clone(), primary_key: &|_| "PRIMARY".to_owned() };
    let mut settled = settle::settled(&MysqlDialect, &inlined, &names);
    settled.tables.iter_mut().for_each(settle_table);
    settled
}

/// The type of a column that takes labels.
pub(super) fn enumeration(labels: &[String]) -> String {
    let labels: Vec<String> = labels.iter().map(|label| MysqlDialect.string(label)).collect();
    format!("enum({})", labels.join(", "))
}

struct Inline;

impl TellInlined for Inline {
    fn labels(&self, _column: &ColumnDefinition, labels: &[String]) -> (ColumnType, Option<String>) {
        (ColumnType::Native { engine: EngineKind::Mysql, text: enumeration(labels) }, None)
    }

    /// MariaDB calls the check of a column like the column.
    fn check_name(&self, column: &ColumnDefinition) -> String {
        column.name.clone()
    }

    fn joins_conditions(&self) -> bool {
        true
    }
}

fn settle_table(table: &mut TableDefinition) {
    for key in &mut table.foreign_keys {
        for action in [&mut key.on_update, &mut key.on_delete] {
            // They are the same here.
            if *action == ReferentialAction::Restrict {
                *action = ReferentialAction::NoAction;
            }
        }
    }
    let (keys, indexes): (Vec<_>, Vec<_>) = std::mem::take(&mut table.indexes).into_iter().partition(is_constraint);
    let of_index = |index: IndexDefinition| KeyDefinition { columns: index.column_names(), name: index.name };
    table.unique_constraints.extend(keys.into_iter().map(of_index));
    table.indexes = indexes.into_iter().filter(|index| !is_made_for_key(index, table)).collect();
    for name in table.key_columns().to_vec() {
        table.columns.iter_mut().filter(|column| same(&column.name, &name)).for_each(|column| column.nullable = false);
    }
}

/// A unique index is a unique constraint, unless it says more than one can.
fn is_constraint(index: &IndexDefinition) -> bool {
    index.unique
        && !index.full_text
        && index.comment.is_empty()
        && index.predicate.is_empty()
        && index.columns.iter().all(|part| !part.descending)
}

/// The index that the server makes for a foreign key by itself, whoever made it.
fn is_made_for_key(index: &IndexDefinition, table: &TableDefinition) -> bool {
    let names = index.column_names();
    let is_of = |columns: &[String]| {
        columns.len() == names.len() && columns.iter().zip(&names).all(|(one, other)| same(one, other))
    };
    !index.unique
        && !index.full_text
        && table.foreign_keys.iter().any(|key| same(&key.name, &index.name) && is_of(&key.columns))
}
