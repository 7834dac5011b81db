//! A schema in the statements of SQLite.
//!
//! Tables are STRICT, so that a column holds what it is declared as; what STRICT has no type for is held to by a check.
//! Comments stand inside of the statements, whose text SQLite keeps.

use std::collections::HashMap;

use super::SqliteDialect;
use crate::{
    engine::{
        Dialect as _,
        dialect::{
            Created, Kept, Made, WrittenType, collation,
            create::{
                DefaultWriter, Draft, Inlined, InlinedBase, PlannedTable, column_object, foreign_key, key, order, terms,
            },
            names,
        },
    },
    model::schema::{
        NeutralType,
        definition::{
            ColumnDefinition, ColumnType, DefaultValue, GeneratedValue, Identity, SchemaDefinition, TableDefinition,
            ViewDefinition, folded,
        },
    },
};

/// A moment with milliseconds, in UTC, in the form that SQLite's own functions read.
pub(in crate::engine::sqlite) const NOW: &str = "strftime('%Y-%m-%d %H:%M:%f', 'now')";
/// A time of day with milliseconds.
pub(in crate::engine::sqlite) const TIME_NOW: &str = "strftime('%H:%M:%f', 'now')";
/// A random UUID of version 4.
pub(in crate::engine::sqlite) const NEW_UUID: &str = "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || \
     substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))";
/// Digits of a decimal number that REAL gives back as they were.
const EXACT_DIGITS: u32 = 15;
/// The types that a STRICT table takes.
const STRICT_TYPES: [&str; 6] = ["INT", "INTEGER", "REAL", "TEXT", "BLOB", "ANY"];

/// What the number of a row is called, unless a column has the name.
pub(super) const ROWID_NAMES: [&str; 3] = ["rowid", "_rowid_", "oid"];

/// How a type of all engines is written.
pub(super) fn written_type(neutral: NeutralType) -> Result<WrittenType, String> {
    use NeutralType as T;
    Ok(match neutral {
        T::Boolean => WrittenType::checked("INTEGER", "? IN (0, 1)"),
        T::Integer { bits: 64, unsigned: true } => {
            return Err("has the type uint64; the largest number of SQLite has 63 bits".to_owned());
        }
        T::Integer { unsigned: true, .. } => WrittenType::checked("INTEGER", "? >= 0"),
        T::Integer { unsigned: false, .. } => WrittenType::plain("INTEGER"),
        T::Float { .. } => WrittenType::plain("REAL"),
        T::Decimal { digits: Some((precision, _)) } if precision <= EXACT_DIGITS => WrittenType::plain("REAL"),
        // REAL would round it, and NUMERIC is no type of a STRICT table.
        T::Decimal { .. } => WrittenType::plain("TEXT"),
        T::Money => return Err("has the type money, which only PostgreSQL has".to_owned()),
        T::PaddedText { length } | T::Text { length: Some(length) } => {
            WrittenType::checked("TEXT", format!("length(?) <= {length}"))
        }
        T::Json { .. } => WrittenType::checked("TEXT", "json_valid(?)"),
        T::Text { length: None } | T::Date | T::Time { .. } | T::Timestamp { .. } | T::Uuid => {
            WrittenType::plain("TEXT")
        }
        T::Bytes => WrittenType::plain("BLOB"),
    })
}

/// What a table of a live database is declared as beside what a definition says of it. Columns are told by their folded names.
#[derive(Debug, Default)]
pub(super) struct Declaration {
    /// It is STRICT; absent: it is if it can be.
    is_strict: Option<bool>,
    /// The words that columns are declared with.
    types: HashMap<String, String>,
    /// Their defaults as SQLite tells them.
    defaults: HashMap<String, String>,
}

impl Declaration {
    /// One that says nothing of any column.
    pub(super) fn new(is_strict: Option<bool>) -> Self {
        Self { is_strict, ..Self::default() }
    }

    /// That of a table that comes back.
    pub(super) fn coming(table: &TableDefinition, kept: Kept<'_>) -> Self {
        let Some(declared) = kept.coming(&table.object_name()) else { return Self::default() };
        let mut declaration = Self::new(Some(declared.is_strict));
        for column in &table.columns {
            let found = declared.column(&column.name);
            let data_type = found.map(|found| found.data_type.as_str());
            declaration.take(&column.name, data_type, found.and_then(|found| found.default.as_deref()));
        }
        declaration
    }

    pub(super) fn take(&mut self, column: &str, data_type: Option<&str>, default: Option<&str>) {
        let column = folded(column);
        self.types.extend(data_type.map(|data_type| (column.clone(), data_type.to_owned())));
        self.defaults.extend(default.map(|default| (column, default.to_owned())));
    }

    /// The word for the type of a column. One that is more than a word and its numbers is a name in quotes.
    fn type_of(&self, column: &str) -> Option<String> {
        let declared = self.types.get(&folded(column))?;
        let is_plain = |part: char| part.is_alphanumeric() || "_ (),+-.".contains(part);
        let is_written_so = declared.chars().all(is_plain);
        Some(if is_written_so { declared.clone() } else { SqliteDialect.quoted(declared) })
    }

    /// The default of a column. In brackets a text in double quotes would be a name.
    fn default_of(&self, column: &str) -> Option<String> {
        let default = self.defaults.get(&folded(column))?;
        Some(if default.starts_with('"') { default.clone() } else { format!("({default})") })
    }
}

pub(super) fn create(definition: &SchemaDefinition) -> Created {
    let mut draft = Draft::new(&SqliteDialect, definition);
    draft.refuse_schemas();
    draft.refuse_comments_of_types();
    let tables = draft.tables();
    for table in &tables {
        create_table(&mut draft, table, &Declaration::default());
    }
    for table in &tables {
        create_indexes(&mut draft, table);
        create_triggers(&mut draft, table);
    }
    for (place, view) in order::views(definition) {
        create_view(&mut draft, place, view);
    }
    draft.finish()
}

pub(super) fn create_view(draft: &mut Draft<'_>, place: usize, view: &ViewDefinition) {
    let Some(query) = draft.view(place, view) else { return };
    let name = SqliteDialect.quoted(&view.name);
    let comment = comment(&view.comment, "");
    draft.make(Made::View, &view.name, format!("CREATE VIEW {name} AS\n{comment}{query};"));
}

pub(super) fn create_table(draft: &mut Draft<'_>, planned: &PlannedTable<'_>, declaration: &Declaration) {
    let table = planned.table;
    let mut lines = Vec::new();
    let mut is_strict = declaration.is_strict.unwrap_or(true);
    let rowid = rowid_column(table);
    for (place, column) in table.columns.iter().enumerate() {
        if let Some((text, strict)) = column_line(draft, planned, place, declaration) {
            is_strict &= strict;
            lines.push(format!("{}    {text}", comment(&column.comment, "    ")));
        }
    }
    let mut parts = Vec::new();
    if let Some(primary) = table.primary_key.as_ref().filter(|_| rowid.is_none()) {
        parts.push(key(&SqliteDialect, table, "PRIMARY KEY", &primary.name, &primary.columns));
    }
    let unique = planned.unique.iter();
    parts.extend(unique.map(|(name, unique)| key(&SqliteDialect, table, "UNIQUE", name, &unique.columns)));
    let keys = planned.foreign_keys.iter();
    parts.extend(keys.map(|key| foreign_key(&SqliteDialect, table, key)));
    parts.extend(draft.checks(planned));
    lines.extend(parts.into_iter().map(|part| format!("    {part}")));
    let comment = comment(&table.comment, "    ");
    let strict = if is_strict { " STRICT" } else { "" };
    let sql = format!("CREATE TABLE {} (\n{comment}{}\n){strict};", planned.name, lines.join(",\n"));
    draft.make(Made::Table, table.full_name(), sql);
}

/// The definition of a column, and whether a STRICT table takes it.
pub(super) fn column_line(
    draft: &mut Draft<'_>,
    planned: &PlannedTable<'_>,
    place: usize,
    declaration: &Declaration,
) -> Option<(String, bool)> {
    let column = planned.table.columns.get(place)?;
    let (field, rowid) = (&format!("{}.columns[{place}]", planned.field), rowid_column(planned.table));
    let object = column_object(planned, column);
    let name = SqliteDialect.quoted(&column.name);
    let inlined = draft.inlined(&format!("{field}.type"), &object, &column.name, &column.column_type)?;
    let (data_type, check) =
        type_of(&inlined, &name).map_err(|lack| draft.refuse(&format!("{field}.type"), &object, lack)).ok()?;
    let data_type = declaration.type_of(&column.name).unwrap_or(data_type);
    let is_strict = is_strict_type(&data_type);
    if rowid == Some(column.name.as_str()) {
        if column.identity == Some(Identity::Always) {
            draft.refuse(
                &format!("{field}.identity"),
                &object,
                "is an identity that only the database gives; use by_default",
            );
        }
        return Some((format!("{name} INTEGER PRIMARY KEY"), is_strict));
    }
    if column.identity.is_some() {
        let lack = "is an identity, which only the one column of a primary key of signed whole numbers can be";
        draft.refuse(&format!("{field}.identity"), &object, lack);
    }
    // INTEGER would make the column the rowid, which gets numbers by itself.
    let is_key = planned.table.key_columns().len() == 1 && is_column_of_key(planned.table, column);
    let data_type = if is_key && data_type.eq_ignore_ascii_case("INTEGER") { "INT".to_owned() } else { data_type };
    let mut text = if data_type.is_empty() { name.clone() } else { format!("{name} {data_type}") };
    if !column.nullable || inlined.required {
        text += " NOT NULL";
    }
    text += &collation(draft, field, &object, column);
    text += &match declaration.default_of(&column.name).filter(|_| column.default.is_some()) {
        Some(default) => format!(" DEFAULT {default}"),
        None => value(draft, field, &object, column, &inlined),
    };
    for condition in check.iter().chain(&inlined.checks) {
        text += &format!(" CHECK ({condition})");
    }
    Some((text, is_strict))
}

/// True where a STRICT table takes a column.
pub(super) fn is_strict(column: &ColumnDefinition) -> bool {
    match &column.column_type {
        ColumnType::Native { text, .. } => is_strict_type(text),
        ColumnType::Neutral(_) | ColumnType::Declared(_) => true,
    }
}

fn is_strict_type(text: &str) -> bool {
    STRICT_TYPES.iter().any(|strict| text.eq_ignore_ascii_case(strict))
}

fn type_of(inlined: &Inlined, column: &str) -> Result<(String, Option<String>), String> {
    Ok(match &inlined.base {
        InlinedBase::Neutral(neutral) => {
            let written = written_type(*neutral)?;
            (written.text, written.check.map(|check| check.replace('?', column)))
        }
        InlinedBase::Labels(labels) => ("TEXT".to_owned(), Some(is_one_of(column, labels))),
        InlinedBase::Native(text) => (text.clone(), None),
    })
}

/// The condition that holds a column to labels.
pub(super) fn is_one_of(column: &str, labels: &[String]) -> String {
    let labels: Vec<String> = labels.iter().map(|label| SqliteDialect.string(label)).collect();
    format!("{column} IN ({})", labels.join(", "))
}

fn collation(draft: &mut Draft<'_>, field: &str, object: &str, column: &ColumnDefinition) -> String {
    match column.collation.as_str() {
        "" => String::new(),
        name if collation::OF_SQLITE.iter().any(|known| known.eq_ignore_ascii_case(name)) => format!(" COLLATE {name}"),
        name => {
            let lack = format!("has the collation {name:?}; SQLite has BINARY, NOCASE and RTRIM");
            draft.refuse(&format!("{field}.collation"), object, lack);
            String::new()
        }
    }
}

/// What the column takes when a row does not say it.
fn value(draft: &mut Draft<'_>, field: &str, object: &str, column: &ColumnDefinition, inlined: &Inlined) -> String {
    if let Some(generated @ GeneratedValue { stored, .. }) = &column.generated {
        let Some(text) = draft.sql(&format!("{field}.generated.expression"), object, generated.sql()) else {
            return String::new();
        };
        return format!(" GENERATED ALWAYS AS ({text}) {}", if *stored { "STORED" } else { "VIRTUAL" });
    }
    let Some(default) = &column.default else { return String::new() };
    let text = default_text(draft, &format!("{field}.default"), object, default, inlined);
    text.map(|text| format!(" DEFAULT {text}")).unwrap_or_default()
}

/// A default as it stands behind its word.
pub(super) fn default_text(
    draft: &mut Draft<'_>,
    field: &str,
    object: &str,
    default: &DefaultValue,
    inlined: &Inlined,
) -> Option<String> {
    let neutral = inlined.neutral();
    let moment = match neutral {
        Some(NeutralType::Date) => "CURRENT_DATE".to_owned(),
        Some(NeutralType::Time { .. }) => format!("({TIME_NOW})"),
        _ => format!("({NOW})"),
    };
    let uuid = format!("({NEW_UUID})");
    // TEXT keeps an exact number as it is written, which a number that SQLite reads would not be.
    let is_text = |neutral: &NeutralType| written_type(*neutral).is_ok_and(|written| written.text == "TEXT");
    let neutral = neutral.filter(|neutral| !is_text(neutral));
    let write = DefaultWriter { neutral, boolean: ["0", "1"], moment: &moment, uuid: &uuid };
    draft.default_value(field, object, default, &write)
}

pub(super) fn create_indexes(draft: &mut Draft<'_>, planned: &PlannedTable<'_>) {
    (0..planned.indexes.len()).for_each(|place| create_index(draft, planned, place));
}

pub(super) fn create_index(draft: &mut Draft<'_>, planned: &PlannedTable<'_>, place: usize) {
    let (name, index) = &planned.indexes[place];
    let field = format!("{}.indexes[{place}]", planned.field);
    if index.full_text {
        let lack = "is a full-text index; SQLite has full-text tables (FTS5) in place of them";
        return draft.refuse(&field, &format!("index {name}"), lack);
    }
    let Some(predicate) = draft.predicate(&field, name, index) else { return };
    let terms = terms(&SqliteDialect, planned.table, index);
    let unique = if index.unique { "UNIQUE " } else { "" };
    let (quoted, comment) = (SqliteDialect.quoted(name), comment(&index.comment, "    "));
    let on = format!("ON {} ({terms}){predicate}", planned.name);
    let gap = if comment.is_empty() { " ".to_owned() } else { format!("\n{comment}    ") };
    draft.make(Made::Index, name, format!("CREATE {unique}INDEX {quoted}{gap}{on};"));
}

/// The triggers of all columns that are touched.
pub(super) fn create_triggers(draft: &mut Draft<'_>, planned: &PlannedTable<'_>) {
    let touched = planned.table.columns.iter().filter(|column| column.touched_on_update);
    touched.for_each(|column| create_trigger(draft, planned, column));
}

/// The moment of the change, unless the statement gives one itself. The condition of the inner statement ends it where triggers
/// fire triggers.
pub(super) fn create_trigger(draft: &mut Draft<'_>, planned: &PlannedTable<'_>, column: &ColumnDefinition) {
    let (name, condition) = trigger(&planned.table.name, &column.name);
    let (quoted, table, touched) = (SqliteDialect.quoted(&name), &planned.name, SqliteDialect.quoted(&column.name));
    let Some(rowid) = rowid_name(planned.table) else {
        let lack = "is touched on update, for which one of the names rowid, _rowid_ and oid must be free";
        return draft.refuse(&planned.field, &column_object(planned, column), lack);
    };
    let sql = format!(
        "CREATE TRIGGER {quoted} AFTER UPDATE ON {table}\nFOR EACH ROW WHEN {condition}\nBEGIN\n    \
         UPDATE {table} SET {touched} = {NOW} WHERE {rowid} = NEW.{rowid} AND {touched} IS NOT {NOW};\nEND;"
    );
    draft.make(Made::Trigger, name, sql);
}

/// What the number of a row can be called by; absent where columns have all of its names.
pub(super) fn rowid_name(table: &TableDefinition) -> Option<&'static str> {
    ROWID_NAMES.into_iter().find(|rowid| table.column(rowid).is_none())
}

/// Name and condition of the trigger that touches a column.
pub(super) fn trigger(table: &str, column: &str) -> (String, String) {
    let name = names::trigger_name(table, column, SqliteDialect.max_name_length());
    let touched = SqliteDialect.quoted(column);
    (name, format!("NEW.{touched} IS OLD.{touched}"))
}

/// The one column of a key that becomes the rowid, so that the database gives it numbers.
pub(super) fn rowid_column(table: &TableDefinition) -> Option<&str> {
    let [name] = table.key_columns() else { return None };
    let column = table.column(name)?;
    let is_whole = matches!(column.column_type, ColumnType::Neutral(NeutralType::Integer { unsigned: false, .. }));
    (column.identity.is_some() && is_whole).then_some(column.name.as_str())
}

fn is_column_of_key(table: &TableDefinition, column: &ColumnDefinition) -> bool {
    table.key_columns().iter().any(|name| table.column(name).is_some_and(|found| found.name == column.name))
}

/// The lines of a comment, each as one of SQL.
fn comment(text: &str, indent: &str) -> String {
    text.lines().map(|line| format!("{indent}-- {line}\n")).collect()
}
