//! What can be left as the source has it: tables, views and types as a whole, and the parts of tables.

use crate::model::schema::definition::{
    CheckDefinition, ForeignKeyDefinition, IndexDefinition, KeyDefinition, PartKind, SchemaDefinition, TableDefinition,
    TypeDefinition, ViewDefinition, folded, full_name,
};

/// Something of a schema. Names are folded, and are those that it has in the target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Element {
    /// A table, a view or a type.
    Whole(String),
    /// A column with all that it has.
    Column {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// Something of a column that it can do without.
    Option {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// What it is.
        option: ColumnOption,
    },
    /// The name of a primary key.
    KeyName(String),
    /// A key, a check or an index.
    Part {
        /// The table.
        table: String,
        /// What it is.
        kind: PartKind,
        /// What tells it from others of its kind.
        identity: String,
    },
}

/// Something of a column that it can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ColumnOption {
    Default,
    Identity,
    TouchedOnUpdate,
    Collation,
    Comment,
}

impl ColumnOption {
    /// By the name of its field.
    fn of(field: &str) -> Option<Self> {
        Some(match field {
            "default" => Self::Default,
            "identity" => Self::Identity,
            "touched_on_update" => Self::TouchedOnUpdate,
            "collation" => Self::Collation,
            "comment" => Self::Comment,
            _ => return None,
        })
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Identity => "identity",
            Self::TouchedOnUpdate => "moment of the last change",
            Self::Collation => "collation",
            Self::Comment => "comment",
        }
    }
}

impl Element {
    /// What a path in a definition leads to, such as `tables[3].columns[1].type`.
    pub(super) fn at(path: &str, definition: &SchemaDefinition) -> Option<Self> {
        let mut steps = path.split('.');
        let (list, place) = step(steps.next()?)?;
        let table = match list {
            "types" => {
                let found = definition.types.get(place)?;
                return Some(Self::Whole(key(&found.schema, &found.name)));
            }
            "views" => {
                let found = definition.views.get(place)?;
                return Some(Self::Whole(key(&found.schema, &found.name)));
            }
            _ => definition.tables.get(place)?,
        };
        let name = table_key(table);
        let Some(part) = steps.next() else { return Some(Self::Whole(name)) };
        if part == "primary_key" {
            return Some(Self::KeyName(name));
        }
        let Some((list, place)) = step(part) else { return Some(Self::Whole(name)) };
        let (kind, identity) = match list {
            "columns" => return Self::of_column(name, &table.columns.get(place)?.name, steps.next()),
            "unique_constraints" => (PartKind::Unique, table.unique_constraints.get(place)?.identity()),
            "foreign_keys" => (PartKind::ForeignKey, table.foreign_keys.get(place)?.identity()),
            "checks" => (PartKind::Check, table.checks.get(place)?.identity()),
            _ => (PartKind::Index, table.indexes.get(place)?.identity()),
        };
        Some(Self::Part { table: name, kind, identity })
    }

    fn of_column(table: String, column: &str, field: Option<&str>) -> Option<Self> {
        let column = folded(column);
        Some(match field.and_then(ColumnOption::of) {
            Some(option) => Self::Option { table, column, option },
            None => Self::Column { table, column },
        })
    }

    /// The table, view or type that it is or is of.
    pub(super) fn whole(&self) -> &str {
        match self {
            Self::Whole(name) | Self::KeyName(name) => name,
            Self::Column { table, .. } | Self::Option { table, .. } | Self::Part { table, .. } => table,
        }
    }
}

/// `columns[2]`.
fn step(text: &str) -> Option<(&str, usize)> {
    let (list, place) = text.strip_suffix(']')?.split_once('[')?;
    Some((list, place.parse().ok()?))
}

/// The name of a table, a view or a type as it is compared.
pub(super) fn key(schema: &str, name: &str) -> String {
    folded(&full_name(schema, name))
}

/// The name of a table as it is compared.
pub(super) fn table_key(table: &TableDefinition) -> String {
    key(&table.schema, &table.name)
}

/// A part of a table of which there may be several.
pub(super) trait TablePart: Clone + PartialEq + Sized {
    /// What tells it from others of its kind: its name, or what it is on where it has none.
    fn identity(&self) -> String;

    /// What it would be told by if it had no name.
    fn columns_identity(&self) -> String;

    /// Those of a table.
    fn all(table: &TableDefinition) -> &Vec<Self>;

    /// The same, to change them.
    fn all_mut(table: &mut TableDefinition) -> &mut Vec<Self>;

    /// What it is called in its table.
    fn words(&self) -> String;
}

/// The identity of something with that name, or without one on these columns.
pub(super) fn identity(name: &str, columns: &[String]) -> String {
    if name.is_empty() { folded(&format!("({})", columns.join(", "))) } else { folded(name) }
}

fn words(name: &str, otherwise: &str) -> String {
    if name.is_empty() { format!(" ({otherwise})") } else { format!(".{name}") }
}

impl TablePart for KeyDefinition {
    fn identity(&self) -> String {
        identity(&self.name, &self.columns)
    }

    fn columns_identity(&self) -> String {
        identity("", &self.columns)
    }

    fn all(table: &TableDefinition) -> &Vec<Self> {
        &table.unique_constraints
    }

    fn all_mut(table: &mut TableDefinition) -> &mut Vec<Self> {
        &mut table.unique_constraints
    }

    fn words(&self) -> String {
        words(&self.name, &self.columns.join(", "))
    }
}

impl TablePart for ForeignKeyDefinition {
    fn identity(&self) -> String {
        identity(&self.name, &self.columns)
    }

    fn columns_identity(&self) -> String {
        identity("", &self.columns)
    }

    fn all(table: &TableDefinition) -> &Vec<Self> {
        &table.foreign_keys
    }

    fn all_mut(table: &mut TableDefinition) -> &mut Vec<Self> {
        &mut table.foreign_keys
    }

    fn words(&self) -> String {
        words(&self.name, &self.columns.join(", "))
    }
}

impl TablePart for CheckDefinition {
    fn identity(&self) -> String {
        identity(&self.name, std::slice::from_ref(&self.expression))
    }

    fn columns_identity(&self) -> String {
        identity("", std::slice::from_ref(&self.expression))
    }

    fn all(table: &TableDefinition) -> &Vec<Self> {
        &table.checks
    }

    fn all_mut(table: &mut TableDefinition) -> &mut Vec<Self> {
        &mut table.checks
    }

    fn words(&self) -> String {
        words(&self.name, &self.expression)
    }
}

impl TablePart for IndexDefinition {
    fn identity(&self) -> String {
        identity(&self.name, &self.column_names())
    }

    fn columns_identity(&self) -> String {
        identity("", &self.column_names())
    }

    fn all(table: &TableDefinition) -> &Vec<Self> {
        &table.indexes
    }

    fn all_mut(table: &mut TableDefinition) -> &mut Vec<Self> {
        &mut table.indexes
    }

    fn words(&self) -> String {
        words(&self.name, &self.column_names().join(", "))
    }
}

/// A table, a view or a type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Whole {
    Type(TypeDefinition),
    Table(Box<TableDefinition>),
    View(ViewDefinition),
}

impl Whole {
    /// The one of a name.
    pub(super) fn find(definition: &SchemaDefinition, name: &str) -> Option<Self> {
        let found = definition.types.iter().find(|found| key(&found.schema, &found.name) == name);
        let view = || definition.views.iter().find(|found| key(&found.schema, &found.name) == name);
        let table = || definition.tables.iter().find(|found| table_key(found) == name);
        found
            .map(|found| Self::Type(found.clone()))
            .or_else(|| table().map(|found| Self::Table(Box::new(found.clone()))))
            .or_else(|| view().map(|found| Self::View(found.clone())))
    }

    /// Takes the one of a name out.
    pub(super) fn take(definition: &mut SchemaDefinition, name: &str) -> Option<Self> {
        let found = Self::find(definition, name)?;
        match &found {
            Self::Type(_) => definition.types.retain(|found| key(&found.schema, &found.name) != name),
            Self::Table(_) => definition.tables.retain(|found| table_key(found) != name),
            Self::View(_) => definition.views.retain(|found| key(&found.schema, &found.name) != name),
        }
        Some(found)
    }

    /// Puts it in.
    pub(super) fn put(self, definition: &mut SchemaDefinition) {
        match self {
            Self::Type(found) => definition.types.push(found),
            Self::Table(found) => definition.tables.push(*found),
            Self::View(found) => definition.views.push(found),
        }
    }

    pub(super) fn words(&self) -> String {
        match self {
            Self::Type(found) => format!("type {}", full_name(&found.schema, &found.name)),
            Self::Table(found) => format!("table {}", found.full_name()),
            Self::View(found) => format!("view {}", full_name(&found.schema, &found.name)),
        }
    }
}
