//! A definition as a live database tells it: types by their affinity, what they were held to as checks, and no comments.

use super::{SqliteDialect, create};
use crate::{
    engine::{
        Dialect,
        dialect::{
            MeantDefault,
            create::{Draft, Inlined},
            names,
            settle::{self, MadeNames, TellInlined},
        },
    },
    model::schema::{
        NeutralType,
        definition::{ColumnDefinition, ColumnType, DefaultValue, SchemaDefinition, TableDefinition, same},
    },
};

pub(super) fn settled(definition: &SchemaDefinition) -> SchemaDefinition {
    let inlined = settle::inlined(&SqliteDialect, definition, &Inline);
    let names = MadeNames { check: &|_, _| String::new(), primary_key: &|_| String::new() };
    let mut settled = settle::settled(&SqliteDialect, &inlined, &names);
    settled.tables.iter_mut().for_each(settle_table);
    settled.views.iter_mut().for_each(|view| view.comment.clear());
    settled
}

struct Inline;

impl TellInlined for Inline {
    fn labels(&self, column: &ColumnDefinition, labels: &[String]) -> (ColumnType, Option<String>) {
        let text = ColumnType::Neutral(NeutralType::Text { length: None });
        (text, Some(create::is_one_of(&SqliteDialect.quoted(&column.name), labels)))
    }

    fn check_name(&self, _column: &ColumnDefinition) -> String {
        String::new()
    }

    fn joins_conditions(&self) -> bool {
        false
    }

    /// What a default means is told by what is left of the type.
    fn default_value(
        &self,
        draft: &mut Draft<'_>,
        column: &ColumnDefinition,
        inlined: &Inlined,
    ) -> Option<DefaultValue> {
        let default = column.default.as_ref()?;
        if matches!(default, DefaultValue::Expression { .. }) {
            return Some(default.clone());
        }
        let told = inlined.neutral().and_then(|neutral| create::written_type(neutral).ok());
        let Some(told) = told.map(|written| SqliteDialect.declared_type(&written.text)) else {
            return Some(default.clone());
        };
        match create::default_text(draft, "", "", default, inlined) {
            Some(text) => match (&SqliteDialect as &dyn Dialect).meant_default(&text, told) {
                MeantDefault::Nothing | MeantDefault::NextNumber => None,
                MeantDefault::Value(value) => Some(value),
            },
            None => Some(default.clone()),
        }
    }
}

fn settle_table(table: &mut TableDefinition) {
    table.comment.clear();
    table.columns.iter_mut().for_each(|column| column.comment.clear());
    table.indexes.iter_mut().for_each(|index| index.comment.clear());
    // A check that stands with a column has no name, and one that is given a name by the conventions might as well have none.
    let name = table.name.clone();
    table.checks.iter_mut().filter(|check| is_made(&name, &check.name)).for_each(|check| check.name.clear());
    let is_rowid = create::rowid_column(table).is_some();
    if let Some(key) = table.primary_key.as_mut().filter(|_| is_rowid) {
        key.name.clear();
    }
    for name in table.key_columns().to_vec() {
        table.columns.iter_mut().filter(|column| same(&column.name, &name)).for_each(|column| column.nullable = false);
    }
}

/// True for `ck_<table>_<number>`, which has another number behind it where the name was taken.
fn is_made(table: &str, name: &str) -> bool {
    let first = names::check_name(table, 0, SqliteDialect.max_name_length());
    let numbers = first.strip_suffix('0').and_then(|begin| name.strip_prefix(begin)).unwrap_or_default();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    numbers.split('_').count() <= 2 && numbers.split('_').all(is_number)
}
