//! Keys and checks of a definition.

use serde::{Deserialize, Serialize};

use super::{SqlText, is_false};
use crate::model::{connection::EngineKind, schema::ReferentialAction};

/// A primary key or a unique constraint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyDefinition {
    /// Name; empty: made by the conventions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Columns in order.
    pub columns: Vec<String>,
}

/// A foreign key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignKeyDefinition {
    /// Name; empty: made by the conventions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Columns of this table.
    pub columns: Vec<String>,
    /// Schema of the table pointed to; empty: the default one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub referenced_schema: String,
    /// Table pointed to.
    pub referenced_table: String,
    /// Columns pointed to; empty: its primary key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub referenced_columns: Vec<String>,
    /// When the row pointed to changes its key.
    #[serde(default, skip_serializing_if = "is_no_action")]
    pub on_update: ReferentialAction,
    /// When the row pointed to is deleted.
    #[serde(default, skip_serializing_if = "is_no_action")]
    pub on_delete: ReferentialAction,
    /// The check waits for the end of the transaction.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deferred: bool,
}

fn is_no_action(action: &ReferentialAction) -> bool {
    *action == ReferentialAction::NoAction
}

/// A check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckDefinition {
    /// Name; empty: made by the conventions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Condition.
    pub expression: String,
    /// Whose SQL it is; absent: that of all engines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineKind>,
}

impl CheckDefinition {
    /// The condition with its engine.
    pub fn sql(&self) -> SqlText<'_> {
        SqlText { text: &self.expression, engine: self.engine }
    }
}
