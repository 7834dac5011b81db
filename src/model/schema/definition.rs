//! A schema as its author means it: in types that every engine knows, before an engine writes it down.
//!
//! The same shape is what a caller gives, what SQL and YAML are read into, and what a live database is exported to.

mod check;
mod column;
mod index;
mod key;
mod limits;
mod standard;
mod table;
mod types;
mod unmapped;
mod view;

use serde::{Deserialize, Serialize};

pub(in crate::model::schema) use self::limits::MAX_VIOLATIONS;
pub use self::{
    column::{ColumnDefinition, ColumnType, DefaultValue, GeneratedValue, Identity},
    index::{IndexColumn, IndexDefinition},
    key::{CheckDefinition, ForeignKeyDefinition, KeyDefinition},
    limits::{MAX_DEFINITION_TEXT, MAX_EXPRESSION, MAX_GENERATED, MAX_TABLES},
    standard::StandardColumns,
    table::TableDefinition,
    types::{TypeDefinition, TypeField, TypeShape},
    unmapped::{PartKind, Unmapped, UnmappedName},
    view::ViewDefinition,
};
use super::ObjectName;
use crate::model::connection::EngineKind;

/// A schema: types, tables and views. Their order says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SchemaDefinition {
    /// Types that columns refer to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<TypeDefinition>,
    /// Tables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableDefinition>,
    /// Views.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<ViewDefinition>,
}

impl SchemaDefinition {
    /// The type of a name, compared as [`folded`] names.
    pub fn find_type(&self, name: &ObjectName) -> Option<&TypeDefinition> {
        self.types.iter().find(|found| same(&found.schema, &name.schema) && same(&found.name, &name.name))
    }

    /// The table of a name, compared as [`folded`] names.
    pub fn find_table(&self, schema: &str, name: &str) -> Option<&TableDefinition> {
        self.tables.iter().find(|found| same(&found.schema, schema) && same(&found.name, name))
    }
}

/// A piece of SQL: of one engine, or in the words that all engines share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqlText<'a> {
    /// The text.
    pub text: &'a str,
    /// Whose SQL it is; absent: what all engines share, with names in double quotes and strings in single ones.
    pub engine: Option<EngineKind>,
}

/// A name as it is compared: two names that only their case tells apart are one name to some engines, so that a definition
/// that has both could not be carried to them.
pub fn folded(name: &str) -> String {
    name.to_lowercase()
}

/// Two names are one where case does not count.
pub fn same(one: &str, other: &str) -> bool {
    // Most names are ASCII, and large definitions compare many.
    one.eq_ignore_ascii_case(other) || ((!one.is_ascii() || !other.is_ascii()) && folded(one) == folded(other))
}

/// How a message names something that may be in a schema.
pub fn full_name(schema: &str, name: &str) -> String {
    if schema.is_empty() { name.to_owned() } else { format!("{schema}.{name}") }
}

fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests;
