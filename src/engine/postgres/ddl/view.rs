//! Views and materialised views.

use super::{
    column,
    facts::{Context, Written},
    piece::{Place, Step, in_brackets},
    table::{Shape, TableName, storage},
};
use crate::{
    engine::postgres::dialect::quoted,
    model::schema::{DdlKind, DdlStatement, PostgresTable, Table},
};

pub(super) fn write(
    table: &Table,
    name: &TableName,
    details: &PostgresTable,
    context: &Context,
    written: &mut Written,
) {
    let place = Place::of(Step::View, &name.name);
    let parameters: Vec<String> = details.storage_parameters.iter().map(column::parameter).collect();
    let has_placeholder = context.plan.has_placeholder(&place);
    if has_placeholder {
        let columns: Vec<String> = table.columns.iter().map(|column| nothing(column, context)).collect();
        let create = format!("CREATE VIEW {} AS\n SELECT {}", name.qualified(), columns.join(",\n    "));
        written.add(Place { step: Step::Placeholder, ..place.clone() }, [name.statement(create)]);
    }
    let create = if has_placeholder { "CREATE OR REPLACE VIEW" } else { "CREATE VIEW" };
    let with = in_brackets(" WITH", &parameters);
    let create = format!("{create} {}{with} AS\n{}", name.qualified(), query(table));
    let mut statements = vec![name.statement(create)];
    statements.extend(about(table, name, context));
    written.add(place, statements);
    let defaults = column::view_defaults(table, name);
    written.add(Place::of(Step::TableOption, &name.name), defaults);
}

pub(super) fn write_materialized(
    table: &Table,
    name: &TableName,
    details: &PostgresTable,
    context: &Context,
    written: &mut Written,
) {
    let create = format!("CREATE {}{} AS\n{}\n  WITH NO DATA", name.in_sql(), storage(details), query(table));
    let mut statements = vec![name.statement(create)];
    statements.extend(column::changes(table, name, &Shape::Plain, context));
    statements.extend(about(table, name, context));
    written.add(Place::of(Step::MaterializedView, &name.name), statements);
    if details.populated {
        let refresh = format!("REFRESH MATERIALIZED VIEW {}", name.qualified());
        let refresh = name.subject().statement_of(DdlKind::Refresh, refresh);
        written.add(Place::of(Step::Refresh, &name.name), [refresh]);
    }
}

fn about(table: &Table, name: &TableName, context: &Context) -> Vec<DdlStatement> {
    let mut statements: Vec<DdlStatement> = name.subject().comment(&table.comment).into_iter().collect();
    statements.extend(column::comments(table, name));
    statements.extend(name.subject().owner(context.owner(&table.owner)));
    statements
}

/// The query without the end that the server prints.
fn query(table: &Table) -> &str {
    table.view_definition.trim_end().trim_end_matches(';')
}

/// A column of a view that has no query yet.
fn nothing(column: &crate::model::schema::Column, context: &Context) -> String {
    format!("NULL::{}{} AS {}", column.data_type, context.collate(&column.collation), quoted(&column.name))
}
