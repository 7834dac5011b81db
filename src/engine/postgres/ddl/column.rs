//! Columns.

use super::{
    database::foreign_options,
    facts::{Context, Fact, Written},
    piece::{Place, Step, Subject, in_brackets, literal},
    sequence,
    table::{Shape, TableName},
};
use crate::{
    engine::postgres::dialect::{qualified, quoted},
    model::schema::{Column, ColumnDetails, ColumnStorage, DdlStatement, Generation, Parameter, PostgresColumn, Table},
};

/// A column as CREATE TABLE has it.
pub(super) fn definition(column: &Column, table: &TableName, context: &Context, written: &mut Written) -> String {
    let details = details(column);
    let compression = details.map_or("", |details| details.compression.as_str());
    let compression = if compression.is_empty() { String::new() } else { format!(" COMPRESSION {compression}") };
    let foreign = details.map_or(&[][..], |details| &details.foreign_options);
    let foreign = foreign_options(foreign, &format!("column {} of {}", column.name, table.in_sql()), written);
    let data_type = data_type(column, details);
    let collation = context.collate(&column.collation);
    let rest = value_and_null(column, table, context);
    format!("{} {data_type}{compression}{foreign}{collation}{rest}", quoted(&column.name))
}

/// What a column of a typed table says beside its type; absent where it says nothing.
pub(super) fn options_of_typed(column: &Column, table: &TableName, context: &Context) -> Option<String> {
    let rest = value_and_null(column, table, context);
    (!rest.is_empty()).then(|| format!("{} WITH OPTIONS{rest}", quoted(&column.name)))
}

/// The type with as many brackets as the column was declared with, of which the server prints one pair.
fn data_type(column: &Column, details: Option<&PostgresColumn>) -> String {
    let more = details.map_or(0, |details| details.array_dimensions - 1);
    let more = if column.data_type.ends_with("[]") { usize::try_from(more).unwrap_or(0) } else { 0 };
    format!("{}{}", column.data_type, "[]".repeat(more))
}

fn value_and_null(column: &Column, table: &TableName, context: &Context) -> String {
    let mut text = value(column, table, context);
    if !column.nullable {
        let name = details(column).map_or("", |details| details.not_null_constraint.as_str());
        let usual = format!("{}_{}_not_null", table.name.name, column.name);
        if !name.is_empty() && name != usual {
            text.push_str(&format!(" CONSTRAINT {}", quoted(name)));
        }
        text.push_str(" NOT NULL");
    }
    text
}

fn value(column: &Column, table: &TableName, context: &Context) -> String {
    let expression = &column.generation_expression;
    match column.generation {
        Generation::Stored => format!(" GENERATED ALWAYS AS ({expression}) STORED"),
        Generation::Virtual => format!(" GENERATED ALWAYS AS ({expression}) VIRTUAL"),
        Generation::IdentityAlways => identity(column, "ALWAYS"),
        Generation::IdentityByDefault => identity(column, "BY DEFAULT"),
        Generation::None | Generation::AutoIncrement => match &column.default_expression {
            Some(default) if !context.plan.stands_apart(&default_place(column, table)) => format!(" DEFAULT {default}"),
            _ => String::new(),
        },
    }
}

fn identity(column: &Column, when: &str) -> String {
    let generator = column.sequence.as_ref().map(|generator| {
        let name = generator.sequence.as_ref().map(|name| format!("SEQUENCE NAME {}", qualified(name)));
        format!(" ({}{})", name.unwrap_or_default(), sequence::options(generator))
    });
    format!(" GENERATED {when} AS IDENTITY{}", generator.unwrap_or_default())
}

fn default_place(column: &Column, table: &TableName) -> Place {
    Place::part(Step::Default, &table.name.schema, &table.name.name, &column.name)
}

/// Defaults that wait for what they need.
pub(super) fn write_defaults(table: &Table, name: &TableName, context: &Context, written: &mut Written) {
    for column in &table.columns {
        let place = default_place(column, name);
        let Some(default) = column.default_expression.as_ref().filter(|_| context.plan.stands_apart(&place)) else {
            continue;
        };
        let set = Subject::column(&column.name, &name.name)
            .statement(format!("{} SET DEFAULT {default}", alter_column(column, name)));
        written.add(place, [set]);
    }
}

/// What is said of columns behind CREATE TABLE: what differs from what they inherit, and what only ALTER TABLE takes.
pub(super) fn changes(table: &Table, name: &TableName, shape: &Shape<'_>, context: &Context) -> Vec<DdlStatement> {
    let mut statements = Vec::new();
    for column in &table.columns {
        let subject = Subject::column(&column.name, &name.name);
        let inherited = shape.inherited(column);
        let mut changes = Vec::new();
        if let Some((parent, table)) = inherited {
            changes.extend(difference((column, name), (parent, &TableName::of(table)), context));
        }
        changes.extend(own_storage(column, inherited.map(|(parent, _)| parent), name, context));
        if let Some(details) = details(column) {
            changes.extend(details.statistics_target.map(|target| format!("SET STATISTICS {target}")));
            let options: Vec<String> = details.options.iter().map(parameter).collect();
            changes.extend((!options.is_empty()).then(|| in_brackets("SET", &options)));
        }
        let alter = alter_column(column, name);
        statements.extend(changes.into_iter().map(|change| subject.statement(format!("{alter} {change}"))));
    }
    statements
}

/// Default and NOT NULL of a column that its table inherits, where they are not the parent's.
fn difference(
    (column, table): (&Column, &TableName),
    (parent, of): (&Column, &TableName),
    context: &Context,
) -> Vec<String> {
    let mut changes = Vec::new();
    let is_plain = column.generation == Generation::None && parent.generation == Generation::None;
    // A default that is added to the parent later is not there yet.
    let is_there = !context.plan.stands_apart(&default_place(parent, of));
    let inherited = parent.default_expression.as_ref().filter(|_| is_there);
    let own = column.default_expression.as_ref();
    if is_plain && own != inherited && !context.plan.stands_apart(&default_place(column, table)) {
        changes.push(own.map_or("DROP DEFAULT".to_owned(), |default| format!("SET DEFAULT {default}")));
    }
    if parent.nullable && !column.nullable {
        changes.push("SET NOT NULL".to_owned());
    }
    changes
}

/// How values are stored, where it is neither as usual for the type nor as the column inherits it.
fn own_storage(column: &Column, inherited: Option<&Column>, table: &TableName, context: &Context) -> Option<String> {
    let own = details(column)?.storage;
    let differs = match inherited.and_then(details) {
        Some(parent) => own != parent.storage,
        None => context.holds(Fact::OwnStorage, &table.name, &column.name),
    };
    let word = match own {
        ColumnStorage::Untold => return None,
        ColumnStorage::Plain => "PLAIN",
        ColumnStorage::External => "EXTERNAL",
        ColumnStorage::Extended => "EXTENDED",
        ColumnStorage::Main => "MAIN",
    };
    differs.then(|| format!("SET STORAGE {word}"))
}

/// Defaults of a view's columns.
pub(super) fn view_defaults(table: &Table, name: &TableName) -> Vec<DdlStatement> {
    let with_default = table.columns.iter().filter_map(|column| Some((column, column.default_expression.as_ref()?)));
    with_default
        .map(|(column, default)| {
            let text =
                format!("ALTER VIEW {} ALTER COLUMN {} SET DEFAULT {default}", name.qualified(), quoted(&column.name));
            Subject::column(&column.name, &name.name).statement(text)
        })
        .collect()
}

/// Comments on columns.
pub(super) fn comments(table: &Table, name: &TableName) -> Vec<DdlStatement> {
    table
        .columns
        .iter()
        .filter_map(|column| Subject::column(&column.name, &name.name).comment(&column.comment))
        .collect()
}

fn alter_column(column: &Column, table: &TableName) -> String {
    let only = if table.word == "MATERIALIZED VIEW" { "" } else { "ONLY " };
    format!("ALTER {} {only}{} ALTER COLUMN {}", table.word, table.qualified(), quoted(&column.name))
}

/// An option with its value, as WITH and SET take it.
pub(super) fn parameter(parameter: &Parameter) -> String {
    let name = parameter.name.split('.').map(quoted).collect::<Vec<_>>().join(".");
    let value = &parameter.value;
    let is_number = value.parse::<f64>().is_ok() && !value.contains(|letter: char| letter.is_alphabetic());
    let is_bare = is_number || matches!(value.as_str(), "true" | "false");
    if is_bare { format!("{name} = {value}") } else { format!("{name} = {}", literal(value)) }
}

pub(super) fn details(column: &Column) -> Option<&PostgresColumn> {
    match &column.details {
        Some(ColumnDetails::Postgres(details)) => Some(details),
        _ => None,
    }
}
