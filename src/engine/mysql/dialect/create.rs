//! A schema in the statements of MySQL 8.0 and MariaDB 10.6 and newer, in what both of them read.

use super::{MysqlDialect, settle::enumeration};
use crate::{
    engine::{
        Dialect as _,
        dialect::{
            Created, Made, WrittenType, collation,
            create::{
                DefaultWriter, Draft, Inlined, InlinedBase, PlannedKey, PlannedTable, column_object, columns,
                foreign_key, order, terms,
            },
        },
    },
    model::{
        connection::EngineKind,
        schema::{
            CheckConstraint, Column, ColumnDetails, Generation, KeyConstraint, MysqlColumn, NeutralType,
            ReferentialAction,
            definition::{
                CheckDefinition, ColumnDefinition, DefaultValue, Identity, IndexDefinition, KeyDefinition,
                SchemaDefinition, TableDefinition, ViewDefinition, same,
            },
        },
    },
};

/// Most characters of a `varchar`: a row takes 65,535 bytes, and a character of utf8mb4 up to four.
const MAX_VARCHAR: u32 = 16_383;
/// Most characters of a `char`.
const MAX_CHAR: u32 = 255;
/// Most digits of a `decimal`, and most of them behind the point.
const MAX_DIGITS: (u32, u32) = (65, 30);

/// How a type of all engines is written.
pub(super) fn written_type(neutral: NeutralType) -> Result<WrittenType, String> {
    use NeutralType as T;
    Ok(WrittenType::plain(match neutral {
        T::Boolean => "boolean".to_owned(),
        T::Integer { bits, unsigned } => {
            let word = match bits {
                8 => "tinyint",
                16 => "smallint",
                24 => "mediumint",
                32 => "int",
                _ => "bigint",
            };
            format!("{word}{}", if unsigned { " unsigned" } else { "" })
        }
        T::Decimal { digits: None } => {
            return Err("has the type decimal without digits; say how many, as decimal(20,6)".to_owned());
        }
        T::Decimal { digits: Some((precision, scale)) } if precision > MAX_DIGITS.0 || scale > MAX_DIGITS.1 => {
            return Err("has more than 65 digits, or more than 30 behind the point".to_owned());
        }
        T::Decimal { digits: Some((precision, scale)) } => format!("decimal({precision},{scale})"),
        T::Float { bits: 32 } => "float".to_owned(),
        T::Float { .. } => "double".to_owned(),
        T::Money => return Err("has the type money, which only PostgreSQL has".to_owned()),
        T::PaddedText { length } if length > MAX_CHAR => {
            return Err(format!("has the type char({length}); most are {MAX_CHAR} characters"));
        }
        T::PaddedText { length } => format!("char({length})"),
        T::Text { length: Some(length) } if length > MAX_VARCHAR => {
            return Err(format!("has the type text({length}); a length is at most {MAX_VARCHAR}, or leave it away"));
        }
        T::Text { length: Some(length) } => format!("varchar({length})"),
        T::Text { length: None } => "longtext".to_owned(),
        T::Bytes => "longblob".to_owned(),
        T::Date => "date".to_owned(),
        T::Time { zoned: false, digits } => format!("time{}", in_brackets(digits)),
        T::Time { zoned: true, .. } => return Err("has the type time_tz; a time of day has no zone here".to_owned()),
        T::Timestamp { zoned: false, digits } => format!("datetime{}", in_brackets(digits)),
        T::Timestamp { zoned: true, digits } => format!("timestamp{}", in_brackets(digits)),
        // MariaDB has a type for it and MySQL has none.
        T::Uuid => "char(36)".to_owned(),
        T::Json { .. } => "json".to_owned(),
    }))
}

/// The digits of a second as the server tells them: none where there are none.
fn in_brackets(digits: u8) -> String {
    if digits == 0 { String::new() } else { format!("({digits})") }
}

pub(super) fn create(definition: &SchemaDefinition) -> Created {
    let mut draft = Draft::new(&MysqlDialect, definition);
    draft.refuse_schemas();
    draft.refuse_comments_of_types();
    let tables = draft.tables();
    for table in &tables {
        create_table(&mut draft, table);
    }
    tables.iter().for_each(|table| create_early_keys(&mut draft, table));
    tables.iter().for_each(|table| create_indexes(&mut draft, table));
    for (place, view) in order::views(definition) {
        create_view(&mut draft, place, view);
    }
    draft.finish()
}

/// Foreign keys to tables that are made later than their own.
pub(super) fn create_early_keys(draft: &mut Draft<'_>, planned: &PlannedTable<'_>) {
    for key in planned.foreign_keys.iter().filter(|key| key.is_early) {
        let sql = format!("ALTER TABLE {} ADD {};", planned.name, foreign_key(&MysqlDialect, planned.table, key));
        draft.make(Made::ForeignKey, &key.name, sql);
    }
}

pub(super) fn create_view(draft: &mut Draft<'_>, place: usize, view: &ViewDefinition) {
    if !view.comment.is_empty() {
        let field = format!("views[{place}].comment");
        draft.refuse(&field, &format!("view {}", view.name), "has a comment, which views do not keep here");
    }
    if let Some(query) = draft.view(place, view) {
        draft.make(Made::View, &view.name, format!("CREATE VIEW {} AS\n{query};", MysqlDialect.quoted(&view.name)));
    }
}

pub(super) fn create_table(draft: &mut Draft<'_>, planned: &PlannedTable<'_>) {
    let table = planned.table;
    let mut lines = Vec::new();
    for place in 0..table.columns.len() {
        lines.extend(column_line(draft, planned, place));
    }
    lines.extend(primary_key(draft, planned));
    lines.extend(planned.unique.iter().map(|(name, key)| unique_key(table, name, key)));
    for (place, key) in planned.foreign_keys.iter().enumerate() {
        check_key(draft, planned, place, key);
        if !key.is_early {
            lines.push(foreign_key(&MysqlDialect, table, key));
        }
    }
    lines.extend(draft.checks(planned));
    let comment = if table.comment.is_empty() {
        String::new()
    } else {
        format!(" COMMENT = {}", MysqlDialect.string(&table.comment))
    };
    let options = "ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4";
    let sql = format!("CREATE TABLE {} (\n    {}\n) {options}{comment};", planned.name, lines.join(",\n    "));
    draft.make(Made::Table, table.full_name(), sql);
}

pub(super) fn primary_key(draft: &mut Draft<'_>, planned: &PlannedTable<'_>) -> Option<String> {
    let key = planned.table.primary_key.as_ref()?;
    if !key.name.is_empty() {
        let lack = "has a name; a primary key is always called PRIMARY here";
        draft.refuse(&format!("{}.primary_key.name", planned.field), &format!("primary key {}", key.name), lack);
    }
    Some(format!("PRIMARY KEY ({})", columns(&MysqlDialect, planned.table, &key.columns)))
}

pub(super) fn unique_key(table: &TableDefinition, name: &str, key: &KeyDefinition) -> String {
    format!("UNIQUE KEY {} ({})", MysqlDialect.quoted(name), columns(&MysqlDialect, table, &key.columns))
}

/// The definition of a column; absent where the server has none for it.
pub(super) fn column_line(draft: &mut Draft<'_>, planned: &PlannedTable<'_>, place: usize) -> Option<String> {
    let column = planned.table.columns.get(place)?;
    let field = &format!("{}.columns[{place}]", planned.field);
    let object = column_object(planned, column);
    let name = MysqlDialect.quoted(&column.name);
    let inlined = draft.inlined(&format!("{field}.type"), &object, &column.name, &column.column_type)?;
    let data_type = match &inlined.base {
        InlinedBase::Neutral(neutral) => written_type(*neutral).map(|written| written.text),
        InlinedBase::Labels(labels) => Ok(enumeration(labels)),
        InlinedBase::Native(text) => Ok(text.clone()),
    };
    let data_type = data_type.map_err(|lack| draft.refuse(&format!("{field}.type"), &object, lack)).ok()?;
    if is_unbounded(&inlined) && is_in_key(planned.table, column) {
        let lack = "is in a key or an index, for which a text or bytes need a length; say it, as text(190)";
        draft.refuse(&format!("{field}.type"), &object, lack);
    }
    let is_required = !column.nullable || inlined.required;
    let mut text = format!("{name} {data_type}");
    if collation::engine_of(&column.collation) == Some(EngineKind::Mysql) {
        text += &format!(" COLLATE {}", MysqlDialect.quoted(&column.collation));
    } else if !column.collation.is_empty() {
        let lack = format!(
            "has the collation {:?}; those of MySQL and MariaDB begin with a character set, as utf8mb4_bin",
            column.collation
        );
        draft.refuse(&format!("{field}.collation"), &object, lack);
    }
    if let Some(generated) = &column.generated {
        if is_required {
            let lack = "is generated and not nullable, which MariaDB does not take; make it nullable";
            draft.refuse(&format!("{field}.nullable"), &object, lack);
        }
        let expression = draft.sql(&format!("{field}.generated.expression"), &object, generated.sql())?;
        text += &format!(" GENERATED ALWAYS AS ({expression}) {}", if generated.stored { "STORED" } else { "VIRTUAL" });
    } else {
        text += if is_required { " NOT NULL" } else { " NULL" };
        text += &value(draft, planned, field, &object, column, &inlined);
    }
    if !column.comment.is_empty() {
        text += &format!(" COMMENT {}", MysqlDialect.string(&column.comment));
    }
    // MariaDB takes one check of a column.
    match inlined.checks.as_slice() {
        [] => {}
        [condition] => text += &format!(" CHECK ({condition})"),
        conditions => text += &format!(" CHECK (({}))", conditions.join(") AND (")),
    }
    Some(text)
}

/// What the column takes when a row does not say it, and when the row changes.
fn value(
    draft: &mut Draft<'_>,
    planned: &PlannedTable<'_>,
    field: &str,
    object: &str,
    column: &ColumnDefinition,
    inlined: &Inlined,
) -> String {
    if let Some(identity) = column.identity {
        if identity == Identity::Always {
            draft.refuse(
                &format!("{field}.identity"),
                object,
                "is an identity that only the database gives; use by_default",
            );
        }
        if !begins_key(planned.table, column)
            || planned.table.columns.iter().filter(|one| one.identity.is_some()).count() > 1
        {
            let lack = "is an identity, of which a table has one, and that is the first column of a key";
            draft.refuse(&format!("{field}.identity"), object, lack);
        }
        return " AUTO_INCREMENT".to_owned();
    }
    let moment = moment(inlined);
    let mut text = String::new();
    if let Some(default) = &column.default {
        let written = default_text(draft, &format!("{field}.default"), object, default, inlined);
        text = written.map(|written| format!(" DEFAULT {written}")).unwrap_or_default();
    }
    if column.touched_on_update {
        if !matches!(inlined.neutral(), Some(NeutralType::Timestamp { .. })) {
            let lack = "is touched on update, which takes the type timestamp or timestamp_tz";
            draft.refuse(&format!("{field}.touched_on_update"), object, lack);
        }
        text += &format!(" ON UPDATE {moment}");
    }
    text
}

/// The moment of the writing: the server wants as many digits of a second as the column keeps.
fn moment(inlined: &Inlined) -> String {
    match inlined.neutral() {
        Some(NeutralType::Timestamp { digits, .. }) => format!("CURRENT_TIMESTAMP{}", in_brackets(digits)),
        Some(NeutralType::Date) => "(CURRENT_DATE)".to_owned(),
        Some(NeutralType::Time { digits, .. }) => format!("(CURRENT_TIME{})", in_brackets(digits)),
        _ => "(CURRENT_TIMESTAMP(6))".to_owned(),
    }
}

/// A default as it stands behind DEFAULT; absent where it is in the SQL of another engine.
fn default_text(
    draft: &mut Draft<'_>,
    field: &str,
    object: &str,
    default: &DefaultValue,
    inlined: &Inlined,
) -> Option<String> {
    let moment = moment(inlined);
    let write =
        DefaultWriter { neutral: inlined.neutral(), boolean: ["FALSE", "TRUE"], moment: &moment, uuid: "(uuid())" };
    let written = draft.default_value(field, object, default, &write)?;
    // A long text takes an expression only.
    let is_literal = matches!(default, DefaultValue::Literal(_));
    let is_long = is_unbounded(inlined) || matches!(inlined.neutral(), Some(NeutralType::Json { .. }));
    Some(if is_literal && is_long { format!("({written})") } else { written })
}

/// Tells of a column of a settled definition what has to be said again where it is changed. A column that cannot be said again in
/// full, because its default is in another engine's SQL, is told without details, so that no statement changes it.
pub(super) fn complete(settled: &SchemaDefinition, own: &ColumnDefinition, told: &mut Column) {
    let mut draft = Draft::new(&MysqlDialect, settled);
    let Some(inlined) = draft.inlined("", "", &own.name, &own.column_type) else { return };
    if own.identity.is_some() {
        told.generation = Generation::AutoIncrement;
    }
    if let Some(default) = &own.default {
        told.default_expression = default_text(&mut draft, "", "", default, &inlined);
    }
    if told.default_expression.is_some() == own.default.is_some() {
        let on_update = if own.touched_on_update { moment(&inlined) } else { String::new() };
        told.details = Some(ColumnDetails::Mysql(Box::new(MysqlColumn { on_update, ..MysqlColumn::default() })));
    }
}

/// The unique indexes of a settled definition, each of which the server tells as a constraint, too.
pub(super) fn unique_indexes(table: &TableDefinition) -> impl Iterator<Item = KeyConstraint> {
    table.indexes.iter().filter(|index| index.unique).map(|index| KeyConstraint {
        name: index.name.clone(),
        columns: table.own_names(&index.column_names()),
        index: index.name.clone(),
        ..KeyConstraint::default()
    })
}

/// The checks of a settled definition that MariaDB keeps as a part of a column, and calls like the column.
pub(super) fn column_checks(table: &TableDefinition) -> Vec<CheckConstraint> {
    let of_column = |check: &CheckDefinition| {
        let column = table.columns.iter().find(|column| same(&column.name, &check.name))?.name.clone();
        let expression = match check.engine {
            None => from_portable(&check.expression),
            Some(_) => check.expression.clone(),
        };
        Some(CheckConstraint {
            name: column.clone(),
            column,
            expression,
            validated: true,
            enforced: true,
            ..Default::default()
        })
    };
    table.checks.iter().filter_map(of_column).collect()
}

/// Notes what of a foreign key the server lacks.
pub(super) fn check_key(draft: &mut Draft<'_>, planned: &PlannedTable<'_>, place: usize, key: &PlannedKey<'_>) {
    let (field, object) = (format!("{}.foreign_keys[{place}]", planned.field), format!("foreign key {}", key.name));
    if key.key.deferred {
        let lack = "waits for the end of the transaction, which no key does here";
        draft.refuse(&format!("{field}.deferred"), &object, lack);
    }
    if [key.key.on_update, key.key.on_delete].contains(&ReferentialAction::SetDefault) {
        draft.refuse(&field, &object, "sets columns to their default, which InnoDB does not do");
    }
}

pub(super) fn create_indexes(draft: &mut Draft<'_>, planned: &PlannedTable<'_>) {
    for (place, (name, index)) in planned.indexes.iter().enumerate() {
        let (kind, terms) = (index_kind(index), index_terms(draft, planned, place));
        let sql = format!("CREATE {kind}INDEX {} ON {} {terms};", MysqlDialect.quoted(name), planned.name);
        draft.make(Made::Index, name, sql);
    }
}

/// The word before INDEX.
pub(super) fn index_kind(index: &IndexDefinition) -> &'static str {
    match (index.unique, index.full_text) {
        (_, true) => "FULLTEXT ",
        (true, false) => "UNIQUE ",
        (false, false) => "",
    }
}

/// The columns of an index, and its comment.
pub(super) fn index_terms(draft: &mut Draft<'_>, planned: &PlannedTable<'_>, place: usize) -> String {
    let (name, index) = &planned.indexes[place];
    if !index.predicate.is_empty() {
        let field = format!("{}.indexes[{place}].predicate", planned.field);
        draft.refuse(&field, &format!("index {name}"), "has a predicate; an index is over all rows here");
    }
    let terms = terms(&MysqlDialect, planned.table, index);
    match index.comment.as_str() {
        "" => format!("({terms})"),
        comment => format!("({terms}) COMMENT {}", MysqlDialect.string(comment)),
    }
}

/// A text or bytes without a length.
fn is_unbounded(inlined: &Inlined) -> bool {
    matches!(inlined.neutral(), Some(NeutralType::Text { length: None } | NeutralType::Bytes))
}

fn is_in_key(table: &TableDefinition, column: &ColumnDefinition) -> bool {
    let has = |columns: &[String]| columns.iter().any(|name| same(name, &column.name));
    has(table.key_columns())
        || table.unique_constraints.iter().any(|key| has(&key.columns))
        || table.foreign_keys.iter().any(|key| has(&key.columns))
        || table.indexes.iter().any(|index| !index.full_text && has(&index.column_names()))
}

fn begins_key(table: &TableDefinition, column: &ColumnDefinition) -> bool {
    let begins = |columns: &[String]| columns.first().is_some_and(|name| same(name, &column.name));
    begins(table.key_columns()) || table.unique_constraints.iter().any(|key| begins(&key.columns))
}

/// SQL in the words of all engines: names in double quotes become names in back quotes, and a backslash in a string stands for
/// itself.
pub(super) fn from_portable(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut quote: Option<char> = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_doubled = quote == Some(character) && characters.peek() == Some(&character);
        match character {
            '"' if is_doubled => {
                characters.next();
                written.push('"');
            }
            '\'' if is_doubled => {
                characters.next();
                written.push_str("''");
            }
            '"' if quote != Some('\'') => {
                quote = if quote.is_some() { None } else { Some('"') };
                written.push('`');
            }
            '\'' if quote != Some('"') => {
                quote = if quote.is_some() { None } else { Some('\'') };
                written.push('\'');
            }
            '`' if quote == Some('"') => written.push_str("``"),
            '\\' if quote == Some('\'') => written.push_str("\\\\"),
            other => written.push(other),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::from_portable;

    #[test]
    fn names_and_strings_of_all_engines_are_written_as_mysql_reads_them() {
        for (portable, written) in [
            (r#""order" > 1"#, "`order` > 1"),
            (r#""a""b`c" = 'it''s "x"'"#, r#"`a"b``c` = 'it''s "x"'"#),
            (r"path <> 'C:\new'", r"path <> 'C:\\new'"),
            ("'' = x", "'' = x"),
        ] {
            assert_eq!(from_portable(portable), written);
        }
    }
}
