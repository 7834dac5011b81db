//! Tables of a definition.

use serde::{Deserialize, Serialize};

use super::{CheckDefinition, ColumnDefinition, ForeignKeyDefinition, IndexDefinition, KeyDefinition, full_name, same};
use crate::model::schema::{NeutralType, ObjectName};

/// A table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableDefinition {
    /// Schema; empty: the default one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub schema: String,
    /// Name.
    pub name: String,
    /// Comment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Columns in order.
    pub columns: Vec<ColumnDefinition>,
    /// Primary key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_key: Option<KeyDefinition>,
    /// Unique constraints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unique_constraints: Vec<KeyDefinition>,
    /// Foreign keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign_keys: Vec<ForeignKeyDefinition>,
    /// Checks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckDefinition>,
    /// Indexes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<IndexDefinition>,
}

impl TableDefinition {
    /// The column of a name, compared as folded names.
    pub fn column(&self, name: &str) -> Option<&ColumnDefinition> {
        self.columns.iter().find(|column| same(&column.name, name))
    }

    /// Columns as the table itself was given their names, whatever the case that something names them in.
    pub fn own_names(&self, names: &[String]) -> Vec<String> {
        names.iter().map(|name| self.column(name).map_or(name, |column| &column.name).clone()).collect()
    }

    /// What a column holds; absent where there is none of the name, or it has no neutral type.
    pub fn neutral_type(&self, name: &str) -> Option<NeutralType> {
        self.column(name)?.column_type.neutral()
    }

    /// Schema and name.
    pub fn object_name(&self) -> ObjectName {
        ObjectName { schema: self.schema.clone(), name: self.name.clone() }
    }

    /// How a message names it.
    pub fn full_name(&self) -> String {
        full_name(&self.schema, &self.name)
    }

    /// The columns of the primary key; none where there is no key.
    pub fn key_columns(&self) -> &[String] {
        self.primary_key.as_ref().map_or(&[], |key| key.columns.as_slice())
    }

    /// True where these columns, in any order, are a primary key, a unique constraint or a unique index over all rows.
    pub fn is_key(&self, columns: &[String]) -> bool {
        let is_same = |key: &[String]| {
            key.len() == columns.len() && columns.iter().all(|column| key.iter().any(|part| same(part, column)))
        };
        let of_index = |index: &super::IndexDefinition| {
            index.unique && index.predicate.is_empty() && is_same(&index.column_names())
        };
        is_same(self.key_columns())
            || self.unique_constraints.iter().any(|key| is_same(&key.columns))
            || self.indexes.iter().any(of_index)
    }
}
