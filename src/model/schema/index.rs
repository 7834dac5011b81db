//! Indexes.

use super::{ObjectName, Parameter};

/// What an index indexes at one position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexTerm {
    /// A column.
    Column(String),
    /// An expression as the engine writes it; empty where the engine does not tell.
    Expression(String),
}

/// A part of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPart {
    /// What is indexed.
    pub term: IndexTerm,
    /// Descending.
    pub descending: bool,
    /// Characters of the prefix; 0: the whole.
    pub prefix_length: u32,
    /// Collation, where it is not the column's own.
    pub collation: String,
    /// Operator class.
    pub operator_class: Option<OperatorClass>,
    /// Where NULL goes.
    pub nulls: NullsOrder,
}

impl IndexPart {
    /// A part that is like the engine makes one when nothing more is said.
    pub fn plain(term: IndexTerm) -> Self {
        Self {
            term,
            descending: false,
            prefix_length: 0,
            collation: String::new(),
            operator_class: None,
            nulls: NullsOrder::Untold,
        }
    }
}

/// Where NULL goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NullsOrder {
    /// The engine has one order only.
    #[default]
    Untold,
    /// Before all values.
    First,
    /// After all values.
    Last,
}

/// An operator class with its options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperatorClass {
    /// Schema and name.
    pub name: ObjectName,
    /// It is the type's default for the method.
    pub default: bool,
    /// Options.
    pub parameters: Vec<Parameter>,
}

/// An index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// Name.
    pub name: String,
    /// Method, lower case.
    pub method: String,
    /// Unique.
    pub unique: bool,
    /// Of the primary key.
    pub primary: bool,
    /// Parts in order.
    pub parts: Vec<IndexPart>,
    /// Columns beside the key.
    pub included_columns: Vec<String>,
    /// Condition of a partial index; empty: none.
    pub predicate: String,
    /// The engine uses it.
    pub valid: bool,
    /// Bytes on disk.
    pub size_bytes: i64,
    /// Writers keep it.
    pub ready: bool,
    /// The planner may use it.
    pub visible: bool,
    /// Two NULLs count as the same.
    pub nulls_not_distinct: bool,
    /// Storage parameters.
    pub storage_parameters: Vec<Parameter>,
    /// Parser of a full-text index; empty: the built-in one.
    pub parser: String,
    /// Comment.
    pub comment: String,
    /// Name of the constraint that it is for; empty: none.
    pub constraint: String,
    /// Tablespace; empty: the table's.
    pub tablespace: String,
    /// The table was last ordered by it.
    pub clustered: bool,
    /// The index of the partitioned table that it is a part of.
    pub partition_of: Option<ObjectName>,
    /// The CREATE statement as the engine writes it; empty where it keeps none.
    pub definition: String,
}
