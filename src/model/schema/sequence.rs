//! Names, options and number generators, which many objects have.

use serde::{Deserialize, Serialize};

/// The name of an object with its schema.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectName {
    /// Schema; empty where objects of the kind have none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub schema: String,
    /// Name.
    pub name: String,
}

/// A named option or parameter as the engine writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parameter {
    /// Name.
    pub name: String,
    /// Value; empty for an option that is a word alone.
    pub value: String,
}

/// What a number generator does. Numbers are decimal text, because those of MariaDB may need 64 bits without a sign.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SequenceOptions {
    /// The sequence; absent where the generator has no name of its own.
    pub sequence: Option<ObjectName>,
    /// Type of its numbers as the engine writes it.
    pub data_type: String,
    /// First number.
    pub start: String,
    /// Step.
    pub increment: String,
    /// Least number.
    pub minimum: String,
    /// Greatest number.
    pub maximum: String,
    /// Numbers that a session takes at once.
    pub cache: i64,
    /// It begins again after the end.
    pub cycle: bool,
    /// The last number that was given out.
    pub last_value: Option<String>,
}
