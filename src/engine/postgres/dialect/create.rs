//! A schema in the statements of PostgreSQL 13 and newer.

use std::collections::BTreeSet;

use super::PostgresDialect;
use crate::{
    engine::{
        Dialect as _,
        dialect::{
            Created, Made, WrittenType, collation,
            create::{
                DefaultWriter, Draft, PlannedTable, column_object, columns, constraint, foreign_key, key, order, terms,
            },
            names,
        },
    },
    model::schema::{
        NeutralType, ObjectName, SECOND_DIGITS,
        definition::{
            CheckDefinition, ColumnDefinition, ColumnType, Identity, IndexDefinition, SchemaDefinition,
            TableDefinition, TypeDefinition, TypeShape, ViewDefinition,
        },
    },
};

/// The schema that every database has.
const DEFAULT_SCHEMA: &str = "public";
/// What an index for a search by words is over: words as they are, of no language.
pub(in crate::engine::postgres) const TEXT_SEARCH: &str = "simple";

/// How a type of all engines is written.
pub(super) fn written_type(neutral: NeutralType) -> Result<WrittenType, String> {
    use NeutralType as T;
    Ok(match neutral {
        T::Boolean => WrittenType::plain("boolean"),
        T::Integer { bits, unsigned: false } => WrittenType::plain(whole(bits)),
        T::Integer { bits: 64, unsigned: true } => WrittenType::checked("numeric(20,0)", "? >= 0"),
        // The next wider one, which has room for the upper half.
        T::Integer { bits, unsigned: true } => WrittenType::checked(whole(bits + 1), "? >= 0"),
        T::Decimal { digits: Some((precision, scale)) } => WrittenType::plain(format!("numeric({precision},{scale})")),
        T::Decimal { digits: None } => WrittenType::plain("numeric"),
        T::Float { bits: 32 } => WrittenType::plain("real"),
        T::Float { .. } => WrittenType::plain("double precision"),
        T::Money => WrittenType::plain("money"),
        T::PaddedText { length } => WrittenType::plain(format!("character({length})")),
        T::Text { length: Some(length) } => WrittenType::plain(format!("character varying({length})")),
        T::Text { length: None } => WrittenType::plain("text"),
        T::Bytes => WrittenType::plain("bytea"),
        T::Date => WrittenType::plain("date"),
        T::Time { zoned: false, digits } => {
            WrittenType::plain(format!("time{} without time zone", in_brackets(digits)))
        }
        T::Time { zoned: true, digits } => WrittenType::plain(format!("time{} with time zone", in_brackets(digits))),
        T::Timestamp { zoned, digits } => {
            let zone = if zoned { "with" } else { "without" };
            WrittenType::plain(format!("timestamp{} {zone} time zone", in_brackets(digits)))
        }
        T::Uuid => WrittenType::plain("uuid"),
        T::Json { parsed: true } => WrittenType::plain("jsonb"),
        T::Json { parsed: false } => WrittenType::plain("json"),
    })
}

/// The digits of a second as the server tells them: nothing where it keeps all.
fn in_brackets(digits: u8) -> String {
    if digits == SECOND_DIGITS { String::new() } else { format!("({digits})") }
}

/// The narrowest signed type with that many bits.
fn whole(bits: u8) -> &'static str {
    match bits {
        0..=16 => "smallint",
        17..=32 => "integer",
        _ => "bigint",
    }
}

pub(super) fn create(definition: &SchemaDefinition) -> Created {
    let mut draft = Draft::new(&PostgresDialect, definition);
    create_schemas(&mut draft, &BTreeSet::new());
    for (place, found) in order::types(definition) {
        create_type(&mut draft, place, found);
    }
    let tables = draft.tables();
    for table in &tables {
        create_table(&mut draft, table);
    }
    for table in &tables {
        for key in table.foreign_keys.iter().filter(|key| key.is_early) {
            let sql = format!("ALTER TABLE {} ADD {};", table.name, foreign_key(&PostgresDialect, table.table, key));
            draft.make(Made::ForeignKey, &key.name, sql);
        }
    }
    for table in &tables {
        create_indexes(&mut draft, table);
    }
    let touched: Vec<_> =
        tables.iter().flat_map(|table| touched_columns(table).map(move |column| (table, column))).collect();
    create_triggers(&mut draft, &touched, "CREATE FUNCTION");
    for (place, view) in order::views(definition) {
        create_view(&mut draft, place, view);
    }
    draft.finish()
}

/// The schemas that a definition names, but for the one that every database has.
pub(super) fn schemas(definition: &SchemaDefinition) -> BTreeSet<&str> {
    let types = definition.types.iter().map(|found| found.schema.as_str());
    let tables = definition.tables.iter().map(|found| found.schema.as_str());
    let views = definition.views.iter().map(|found| found.schema.as_str());
    let named = types.chain(tables).chain(views);
    named.filter(|schema| !schema.is_empty() && *schema != DEFAULT_SCHEMA).collect()
}

/// Makes the schemas that are not there.
pub(super) fn create_schemas(draft: &mut Draft<'_>, had: &BTreeSet<&str>) {
    for schema in schemas(draft.definition).difference(had) {
        let sql = format!("CREATE SCHEMA IF NOT EXISTS {};", PostgresDialect.quoted(schema));
        draft.make(Made::Schema, *schema, sql);
    }
}

pub(super) fn create_type(draft: &mut Draft<'_>, place: usize, found: &TypeDefinition) {
    let name = PostgresDialect.qualified(&ObjectName { schema: found.schema.clone(), name: found.name.clone() });
    let (field, object) = (format!("types[{place}]"), format!("type {}", found.name));
    let (sql, kind) = match &found.shape {
        TypeShape::Enum(labels) => {
            let labels: Vec<String> = labels.iter().map(|label| PostgresDialect.string(label)).collect();
            (format!("CREATE TYPE {name} AS ENUM ({});", labels.join(", ")), "TYPE")
        }
        TypeShape::Composite(fields) => {
            let mut lines = Vec::with_capacity(fields.len());
            for (at, part) in fields.iter().enumerate() {
                let field = format!("{field}.composite.fields[{at}].type");
                let Some((text, check)) = type_of(draft, &field, &object, &part.column_type) else { continue };
                if check.is_some() {
                    let lack =
                        format!("has the field {:?} of the type {}, which needs a check", part.name, part.column_type);
                    draft.refuse(&field, &object, lack);
                }
                lines.push(format!("    {} {text}", PostgresDialect.quoted(&part.name)));
            }
            (format!("CREATE TYPE {name} AS (\n{}\n);", lines.join(",\n")), "TYPE")
        }
        TypeShape::Domain { base, required, checks } => {
            let Some((mut text, check)) = type_of(draft, &format!("{field}.domain.base"), &object, base) else {
                return;
            };
            if *required {
                text += " NOT NULL";
            }
            if let Some(check) = check {
                text += &format!("\n    CHECK ({})", check.replace('?', "VALUE"));
            }
            for (at, rule) in checks.iter().enumerate() {
                let field = format!("{field}.domain.checks[{at}].expression");
                if let Some(check) = domain_check(draft, &field, found, rule) {
                    text += &format!("\n    {check}");
                }
            }
            (format!("CREATE DOMAIN {name} AS {text};"), "DOMAIN")
        }
    };
    draft.make(Made::Type, &found.name, sql);
    comment(draft, kind, &name, &found.comment);
}

/// A condition of a domain as it is added to it.
pub(super) fn domain_check(
    draft: &mut Draft<'_>,
    field: &str,
    found: &TypeDefinition,
    rule: &CheckDefinition,
) -> Option<String> {
    let condition = draft.sql(field, &format!("type {}", found.name), rule.sql())?;
    Some(format!("{}CHECK ({condition})", constraint(&PostgresDialect, &rule.name)))
}

/// A type as it is written, with the condition that it needs, in which `?` stands for the column.
pub(super) fn type_of(
    draft: &mut Draft<'_>,
    field: &str,
    object: &str,
    column_type: &ColumnType,
) -> Option<(String, Option<String>)> {
    match column_type {
        // The name as the type itself was given it.
        ColumnType::Declared(name) => {
            let found = draft.definition.find_type(name)?;
            let name = ObjectName { schema: found.schema.clone(), name: found.name.clone() };
            Some((PostgresDialect.qualified(&name), None))
        }
        ColumnType::Native { engine, text } if *engine == PostgresDialect.engine() => Some((text.clone(), None)),
        ColumnType::Native { engine, text } => {
            draft.refuse(field, object, format!("has the type {text}, which only {} has", engine.as_str()));
            None
        }
        ColumnType::Neutral(neutral) => match written_type(*neutral) {
            Ok(written) => Some((written.text, written.check)),
            Err(lack) => {
                draft.refuse(field, object, lack);
                None
            }
        },
    }
}

pub(super) fn create_table(draft: &mut Draft<'_>, planned: &PlannedTable<'_>) {
    let table = planned.table;
    let mut lines = Vec::new();
    for (place, column) in table.columns.iter().enumerate() {
        let field = format!("{}.columns[{place}]", planned.field);
        lines.extend(column_line(draft, planned, &field, column));
    }
    if let Some(primary) = &table.primary_key {
        lines.push(key(&PostgresDialect, table, "PRIMARY KEY", &primary.name, &primary.columns));
    }
    for (name, unique) in &planned.unique {
        lines.push(key(&PostgresDialect, table, "UNIQUE", name, &unique.columns));
    }
    let keys = planned.foreign_keys.iter().filter(|key| !key.is_early);
    lines.extend(keys.map(|key| foreign_key(&PostgresDialect, table, key)));
    lines.extend(draft.checks(planned));
    let sql = format!("CREATE TABLE {} (\n    {}\n);", planned.name, lines.join(",\n    "));
    draft.make(Made::Table, table.full_name(), sql);
    comment(draft, "TABLE", &planned.name, &table.comment);
    for column in &table.columns {
        let name = format!("{}.{}", planned.name, PostgresDialect.quoted(&column.name));
        comment(draft, "COLUMN", &name, &column.comment);
    }
}

pub(super) fn column_line(
    draft: &mut Draft<'_>,
    planned: &PlannedTable<'_>,
    field: &str,
    column: &ColumnDefinition,
) -> Option<String> {
    let object = column_object(planned, column);
    let name = PostgresDialect.quoted(&column.name);
    let (data_type, check) = type_of(draft, &format!("{field}.type"), &object, &column.column_type)?;
    let mut text = format!("{name} {data_type}{}", collation(draft, field, &object, column));
    if !column.nullable {
        text += " NOT NULL";
    }
    text += &value_of(draft, field, &object, column, &data_type);
    if let Some(check) = check {
        text += &format!(" CHECK ({})", check.replace('?', &name));
    }
    Some(text)
}

/// The type of a column, and its collation with a blank before it.
pub(super) fn column_type(
    draft: &mut Draft<'_>,
    planned: &PlannedTable<'_>,
    field: &str,
    column: &ColumnDefinition,
) -> Option<(String, String)> {
    let object = column_object(planned, column);
    let (data_type, _) = type_of(draft, &format!("{field}.type"), &object, &column.column_type)?;
    Some((data_type, collation(draft, field, &object, column)))
}

fn collation(draft: &mut Draft<'_>, field: &str, object: &str, column: &ColumnDefinition) -> String {
    if collation::engine_of(&column.collation).is_some() {
        let lack = format!("has the collation {:?}, which is of another engine", column.collation);
        draft.refuse(&format!("{field}.collation"), object, lack);
        return String::new();
    }
    match column.collation.as_str() {
        "" => String::new(),
        name => format!(" COLLATE {}", PostgresDialect.quoted(name)),
    }
}

/// What the column takes when a row does not say it, with a blank before it.
pub(super) fn value(
    draft: &mut Draft<'_>,
    planned: &PlannedTable<'_>,
    field: &str,
    column: &ColumnDefinition,
) -> String {
    let object = column_object(planned, column);
    match type_of(draft, &format!("{field}.type"), &object, &column.column_type) {
        Some((data_type, _)) => value_of(draft, field, &object, column, &data_type),
        None => String::new(),
    }
}

fn value_of(draft: &mut Draft<'_>, field: &str, object: &str, column: &ColumnDefinition, data_type: &str) -> String {
    if let Some(generated) = &column.generated {
        if !generated.stored {
            let lack = "is computed when it is read, which only PostgreSQL 18 can; set stored";
            draft.refuse(&format!("{field}.generated.stored"), object, lack);
        }
        let text = draft.sql(&format!("{field}.generated.expression"), object, generated.sql());
        return text.map(|text| format!(" GENERATED ALWAYS AS ({text}) STORED")).unwrap_or_default();
    }
    if let Some(identity) = column.identity {
        if data_type.starts_with("numeric") {
            draft.refuse(&format!("{field}.identity"), object, "is an identity of the type uint64; use int64");
        }
        let when = if identity == Identity::Always { "ALWAYS" } else { "BY DEFAULT" };
        return format!(" GENERATED {when} AS IDENTITY");
    }
    let Some(default) = &column.default else { return String::new() };
    let neutral = match &column.column_type {
        ColumnType::Neutral(neutral) => Some(*neutral),
        _ => None,
    };
    let moment = match neutral {
        Some(NeutralType::Date) => "CURRENT_DATE",
        Some(NeutralType::Time { zoned: false, .. }) => "LOCALTIME",
        Some(NeutralType::Time { zoned: true, .. }) => "CURRENT_TIME",
        _ => "now()",
    };
    let write = DefaultWriter { neutral, boolean: ["false", "true"], moment, uuid: "gen_random_uuid()" };
    let text = draft.default_value(&format!("{field}.default"), object, default, &write);
    text.map(|text| format!(" DEFAULT {text}")).unwrap_or_default()
}

pub(super) fn create_indexes(draft: &mut Draft<'_>, planned: &PlannedTable<'_>) {
    for (name, index) in &planned.indexes {
        let Some(sql) = create_index(draft, planned, name, "") else { continue };
        draft.make(Made::Index, name, sql);
        let schema = planned.table.schema.clone();
        comment(draft, "INDEX", &PostgresDialect.qualified(&ObjectName { schema, name: name.clone() }), &index.comment);
    }
}

/// The statement of one index, by its name. `beside` is empty or ` CONCURRENTLY`.
pub(super) fn create_index(
    draft: &mut Draft<'_>,
    planned: &PlannedTable<'_>,
    name: &str,
    beside: &str,
) -> Option<String> {
    let (place, (_, index)) = planned.indexes.iter().enumerate().find(|(_, (found, _))| found == name)?;
    let field = format!("{}.indexes[{place}]", planned.field);
    let predicate = draft.predicate(&field, name, index)?;
    let unique = if index.unique { "UNIQUE " } else { "" };
    let terms = match index.full_text {
        true => full_text(planned.table, index),
        false => format!(" ({})", terms(&PostgresDialect, planned.table, index)),
    };
    let quoted = PostgresDialect.quoted(name);
    Some(format!("CREATE {unique}INDEX{beside} {quoted} ON {}{terms}{predicate};", planned.name))
}

fn full_text(table: &TableDefinition, index: &IndexDefinition) -> String {
    let texts = index.columns.iter().map(|part| {
        let column = columns(&PostgresDialect, table, std::slice::from_ref(&part.column));
        format!("coalesce({column}, '')")
    });
    let texts = texts.collect::<Vec<_>>().join(" || ' ' || ");
    format!(" USING gin (to_tsvector('{TEXT_SEARCH}', {texts}))")
}

pub(super) fn touched_columns<'a>(planned: &PlannedTable<'a>) -> impl Iterator<Item = &'a ColumnDefinition> + use<'a> {
    planned.table.columns.iter().filter(|column| column.touched_on_update)
}

/// One function for each schema and column, and one trigger for each column. `create` is the words that a function begins with.
pub(super) fn create_triggers(draft: &mut Draft<'_>, touched: &[(&PlannedTable<'_>, &ColumnDefinition)], create: &str) {
    let mut functions = BTreeSet::new();
    for (planned, column) in touched {
        let function = ObjectName {
            schema: planned.table.schema.clone(),
            name: names::function_name(&column.name, PostgresDialect.max_name_length()),
        };
        let (function_name, touched) = (PostgresDialect.qualified(&function), PostgresDialect.quoted(&column.name));
        if functions.insert((function_name.clone(), touched.clone())) {
            let sql = format!(
                "{create} {function_name}() RETURNS trigger LANGUAGE plpgsql AS $touch$\nBEGIN\n    NEW.{touched} := \
                 now();\n    RETURN NEW;\nEND;\n$touch$;"
            );
            draft.make(Made::Function, function.name, sql);
        }
        let name = names::trigger_name(&planned.table.name, &column.name, PostgresDialect.max_name_length());
        let sql = format!(
            "CREATE TRIGGER {} BEFORE UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION {function_name}();",
            PostgresDialect.quoted(&name),
            planned.name
        );
        draft.make(Made::Trigger, name, sql);
    }
}

pub(super) fn create_view(draft: &mut Draft<'_>, place: usize, view: &ViewDefinition) {
    let Some(query) = draft.view(place, view) else { return };
    let name = ObjectName { schema: view.schema.clone(), name: view.name.clone() };
    let name = PostgresDialect.qualified(&name);
    draft.make(Made::View, &view.name, format!("CREATE VIEW {name} AS\n{query};"));
    comment(draft, "VIEW", &name, &view.comment);
}

fn comment(draft: &mut Draft<'_>, kind: &str, name: &str, text: &str) {
    if !text.is_empty() {
        draft.make(Made::Comment, name, comment_text(kind, name, text));
    }
}

/// The statement that gives something a comment, or takes it away.
pub(super) fn comment_text(kind: &str, name: &str, text: &str) -> String {
    let text = if text.is_empty() { "NULL".to_owned() } else { PostgresDialect.string(text) };
    format!("COMMENT ON {kind} {name} IS {text};")
}

/// The columns of an expression that [`full_text`] writes, as the server writes it back:
/// `to_tsvector('simple'::regconfig, ((COALESCE(title, ''::text) || ' '::text) || COALESCE(body, ''::text)))`.
pub(super) fn searched_columns(expression: &str) -> Option<Vec<String>> {
    let begin = format!("to_tsvector('{TEXT_SEARCH}'");
    let rest = expression.trim().strip_prefix(begin.as_str())?;
    let rest = rest.strip_prefix("::regconfig").unwrap_or(rest).strip_prefix(',')?;
    let mut columns = Vec::new();
    for part in rest.to_lowercase().match_indices("coalesce(").map(|(start, word)| &rest[start + word.len()..]) {
        columns.push(first_name(part.trim_start_matches('('))?);
    }
    (!columns.is_empty()).then_some(columns)
}

/// The name that a text begins with, without its quotes.
fn first_name(text: &str) -> Option<String> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|character: char| !character.is_alphanumeric() && character != '_' && character != '$')?;
        return Some(text[..end].to_owned());
    };
    let mut name = String::new();
    let mut characters = quoted.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if characters.peek() == Some(&'"') => name.extend(characters.next()),
            '"' => return Some(name),
            other => name.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::searched_columns;

    #[test]
    fn the_columns_of_a_search_are_read_back() {
        let written = "to_tsvector('simple'::regconfig, ((COALESCE(title, ''::text) || ' '::text) || COALESCE((\"The \"\"Body\"::text), ''::text)))";
        assert_eq!(searched_columns(written).unwrap(), ["title", "The \"Body"]);
        assert_eq!(searched_columns("to_tsvector('english'::regconfig, title)"), None);
        assert_eq!(searched_columns("lower(title)"), None);
    }
}
