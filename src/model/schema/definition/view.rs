//! Views of a definition.

use serde::{Deserialize, Serialize};

use super::SqlText;
use crate::model::connection::EngineKind;

/// A view.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewDefinition {
    /// Schema; empty: the default one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub schema: String,
    /// Name.
    pub name: String,
    /// Comment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Query.
    pub query: String,
    /// Whose SQL it is; absent: that of all engines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineKind>,
}

impl ViewDefinition {
    /// The query with its engine.
    pub fn sql(&self) -> SqlText<'_> {
        SqlText { text: &self.query, engine: self.engine }
    }
}
