//! Columns of a definition.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{SqlText, full_name, is_false, same};
use crate::model::{
    connection::EngineKind,
    schema::{NeutralType, ObjectName},
};

/// The type of a column. Its text form, in YAML and in messages, is that of a [`NeutralType`], `declared:name` or `engine:text`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum ColumnType {
    /// A type that every engine knows.
    Neutral(NeutralType),
    /// A type of the definition.
    Declared(ObjectName),
    /// A type that only one engine has, as it writes it.
    Native {
        /// Whose type it is.
        engine: EngineKind,
        /// The type as the engine writes it.
        text: String,
    },
}

impl ColumnType {
    /// The type that every engine knows; absent for one that is declared or of one engine.
    pub fn neutral(&self) -> Option<NeutralType> {
        match self {
            Self::Neutral(neutral) => Some(*neutral),
            Self::Declared(_) | Self::Native { .. } => None,
        }
    }

    /// The same type, where the case of a declared type's name does not count.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Declared(one), Self::Declared(other)) => {
                same(&one.schema, &other.schema) && same(&one.name, &other.name)
            }
            (one, other) => one == other,
        }
    }
}

impl Default for ColumnType {
    fn default() -> Self {
        Self::Neutral(NeutralType::Text { length: None })
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Neutral(neutral) => write!(f, "{neutral}"),
            Self::Declared(name) => write!(f, "declared:{}", full_name(&name.schema, &name.name)),
            Self::Native { engine, text } => write!(f, "{}:{text}", engine.as_str()),
        }
    }
}

impl From<ColumnType> for String {
    fn from(column_type: ColumnType) -> Self {
        column_type.to_string()
    }
}

impl TryFrom<String> for ColumnType {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some(neutral) = NeutralType::parse(&text) {
            return Ok(Self::Neutral(neutral));
        }
        let unknown =
            || format!("unknown type {text:?}; a type is one of {}, declared:name or engine:text", NeutralType::FORMS);
        match text.split_once(':').ok_or_else(unknown)? {
            ("declared", name) => {
                let (schema, name) = name.split_once('.').unwrap_or(("", name));
                Ok(Self::Declared(ObjectName { schema: schema.to_owned(), name: name.to_owned() }))
            }
            (engine, native) => {
                let engine = EngineKind::parse(engine).ok_or_else(unknown)?;
                Ok(Self::Native { engine, text: native.to_owned() })
            }
        }
    }
}

/// What a column takes when a row does not say it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DefaultValue {
    /// A value. The column's type decides how it is written: a number, `true`, or a text in quotes.
    Literal(String),
    /// The moment of the writing.
    CurrentTimestamp,
    /// A new UUID of version 4.
    NewUuid,
    /// An expression.
    Expression {
        /// The expression.
        text: String,
        /// Whose SQL it is; absent: that of all engines.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        engine: Option<EngineKind>,
    },
}

/// How numbers are given to the rows of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// By the database unless the row says one.
    ByDefault,
    /// By the database alone.
    Always,
}

/// The value of a column that is computed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratedValue {
    /// The expression.
    pub expression: String,
    /// Computed when a row is written; otherwise when it is read.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stored: bool,
    /// Whose SQL it is; absent: that of all engines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineKind>,
}

impl GeneratedValue {
    /// The expression with its engine.
    pub fn sql(&self) -> SqlText<'_> {
        SqlText { text: &self.expression, engine: self.engine }
    }
}

/// A column of a definition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnDefinition {
    /// Name.
    pub name: String,
    /// Type.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// NULL is allowed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub nullable: bool,
    /// What it takes when a row does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<DefaultValue>,
    /// How numbers are given to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// The expression that it is computed by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<GeneratedValue>,
    /// It takes the moment of every change of its row.
    #[serde(default, skip_serializing_if = "is_false")]
    pub touched_on_update: bool,
    /// Collation as the engine names it; empty: that of the database.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub collation: String,
    /// Comment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}
