//! Indexes of a definition.

use serde::{Deserialize, Serialize};

use super::{SqlText, is_false};
use crate::model::connection::EngineKind;

/// A column of an index.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexColumn {
    /// Name of the column.
    pub column: String,
    /// Descending.
    #[serde(default, skip_serializing_if = "is_false")]
    pub descending: bool,
}

/// An index.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexDefinition {
    /// Name; empty: made by the conventions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Columns in order.
    pub columns: Vec<IndexColumn>,
    /// Keeps values unique.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unique: bool,
    /// For searches by words.
    #[serde(default, skip_serializing_if = "is_false")]
    pub full_text: bool,
    /// Condition of the rows in it; empty: all rows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub predicate: String,
    /// Whose SQL the condition is; absent: that of all engines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineKind>,
    /// Comment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

impl IndexDefinition {
    /// The condition with its engine; absent: all rows.
    pub fn sql(&self) -> Option<SqlText<'_>> {
        (!self.predicate.is_empty()).then_some(SqlText { text: &self.predicate, engine: self.engine })
    }

    /// Names of its columns.
    pub fn column_names(&self) -> Vec<String> {
        self.columns.iter().map(|part| part.column.clone()).collect()
    }
}
