//! Types that a definition declares.

use serde::{Deserialize, Serialize};

use super::{CheckDefinition, ColumnType, is_false};

/// What a declared type is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TypeShape {
    /// One of a list of labels, in their order.
    Enum(Vec<String>),
    /// A type with conditions.
    Domain {
        /// The type that it narrows.
        base: ColumnType,
        /// NULL is refused.
        #[serde(default, skip_serializing_if = "is_false")]
        required: bool,
        /// What holds for each value, which is called VALUE.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        checks: Vec<CheckDefinition>,
    },
    /// Several values with names.
    Composite(Vec<TypeField>),
}

/// A field of a composite type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeField {
    /// Name.
    pub name: String,
    /// Type.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
}

/// A type of a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeDefinition {
    /// Schema; empty: the default one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub schema: String,
    /// Name.
    pub name: String,
    /// Comment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// What it is.
    pub shape: TypeShape,
}

impl TypeDefinition {
    /// The types that this one is made of.
    pub fn parts(&self) -> Vec<&ColumnType> {
        match &self.shape {
            TypeShape::Enum(_) => Vec::new(),
            TypeShape::Domain { base, .. } => vec![base],
            TypeShape::Composite(fields) => fields.iter().map(|field| &field.column_type).collect(),
        }
    }
}
