//! Declared types where the engine has none: a live database tells what they stand for at each column.

use super::super::{
    Dialect,
    create::{Draft, Inlined, InlinedBase, column_object},
};
use crate::model::schema::definition::{
    CheckDefinition, ColumnDefinition, ColumnType, DefaultValue, SchemaDefinition, TableDefinition,
};

/// How an engine tells what stood for a declared type.
pub(in crate::engine) trait TellInlined {
    /// The type of a column that takes these labels, and the condition that holds it to them.
    fn labels(&self, column: &ColumnDefinition, labels: &[String]) -> (ColumnType, Option<String>);

    /// The name of the check that stands with a column.
    fn check_name(&self, column: &ColumnDefinition) -> String;

    /// True where a column has one check at most, in which all conditions stand.
    fn joins_conditions(&self) -> bool;

    /// The default of a column as it comes back, where that differs from what it was made of.
    fn default_value(
        &self,
        _draft: &mut Draft<'_>,
        column: &ColumnDefinition,
        _inlined: &Inlined,
    ) -> Option<DefaultValue> {
        column.default.clone()
    }
}

/// The definition with the types of columns taken apart. One that cannot be, which the writer refuses, stays as it is.
pub(in crate::engine) fn inlined(
    dialect: &dyn Dialect,
    definition: &SchemaDefinition,
    tell: &dyn TellInlined,
) -> SchemaDefinition {
    let mut draft = Draft::new(dialect, definition);
    let mut tables = definition.tables.clone();
    for planned in draft.tables() {
        let mut checks = Vec::new();
        for (place, column) in planned.table.columns.iter().enumerate() {
            let (field, object) = (format!("{}.columns[{place}].type", planned.field), column_object(&planned, column));
            let Some(found) = draft.inlined(&field, &object, &column.name, &column.column_type) else { continue };
            let into = &mut tables[planned.place].columns[place];
            checks.extend(told(dialect, column, &found, tell, into));
            into.default = tell.default_value(&mut draft, column, &found);
        }
        tables[planned.place].checks.extend(checks);
    }
    let is_declared = |table: &TableDefinition| {
        table.columns.iter().any(|column| matches!(column.column_type, ColumnType::Declared(_)))
    };
    let types = if tables.iter().any(is_declared) { definition.types.clone() } else { Vec::new() };
    SchemaDefinition { types, tables, views: definition.views.clone() }
}

/// Tells the type at the column, and returns the checks that stand with it.
fn told(
    dialect: &dyn Dialect,
    column: &ColumnDefinition,
    found: &Inlined,
    tell: &dyn TellInlined,
    into: &mut ColumnDefinition,
) -> Vec<CheckDefinition> {
    let (column_type, condition) = match &found.base {
        InlinedBase::Neutral(neutral) => (ColumnType::Neutral(*neutral), None),
        InlinedBase::Native(text) => (ColumnType::Native { engine: dialect.engine(), text: text.clone() }, None),
        InlinedBase::Labels(labels) => tell.labels(column, labels),
    };
    into.column_type = column_type;
    into.nullable &= !found.required;
    let mut conditions: Vec<String> = condition.into_iter().chain(found.checks.iter().cloned()).collect();
    if conditions.len() > 1 && tell.joins_conditions() {
        conditions = vec![format!("({})", conditions.join(") AND ("))];
    }
    let check =
        |expression| CheckDefinition { name: tell.check_name(column), expression, engine: Some(dialect.engine()) };
    conditions.into_iter().map(check).collect()
}
