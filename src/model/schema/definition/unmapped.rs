//! What of a live database is not in its definition.

use serde::{Deserialize, Serialize};

use super::is_false;
use crate::model::schema::ObjectName;

/// Something of a schema that could not be taken over, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmapped {
    /// What it is, such as `column album.cover`.
    pub object: String,
    /// Why it could not be taken over.
    pub reason: String,
    /// What mends it; empty: nothing does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
    /// It could not be read; otherwise a definition has no place for it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unread: bool,
    /// The name that it has, where something of a definition could have the same; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<UnmappedName>,
}

/// A name that is taken by what is not in a definition: that the definition has nothing of the name does not mean that the
/// schema has nothing. Schemas are named as in a definition, the default one by no name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnmappedName {
    /// Of a table, a view or a type, which share their names.
    InSchema(ObjectName),
    /// Of any tables and views that are not in the definition: nobody tells their names.
    AnyRelation,
    /// Of a part of a table.
    Part {
        /// The table.
        table: ObjectName,
        /// What it is.
        kind: PartKind,
        /// Its own name; empty: it has none.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        name: String,
        /// The columns that it is on; empty where it is known by its name alone.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        columns: Vec<String>,
    },
}

/// What a part of a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// A primary key.
    PrimaryKey,
    /// A unique constraint.
    Unique,
    /// A foreign key.
    ForeignKey,
    /// A check.
    Check,
    /// An index.
    Index,
    /// An exclusion constraint.
    Exclusion,
}

impl PartKind {
    /// What it is called.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PrimaryKey => "primary key",
            Self::Unique => "unique constraint",
            Self::ForeignKey => "foreign key",
            Self::Check => "check",
            Self::Index => "index",
            Self::Exclusion => "exclusion",
        }
    }
}
