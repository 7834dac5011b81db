//! Keys, checks and other constraints of tables.

use super::{IndexTerm, NullsOrder, OperatorClass};

/// A primary key or a unique constraint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyConstraint {
    /// Name; empty: none.
    pub name: String,
    /// Columns in order.
    pub columns: Vec<String>,
    /// The check can wait for the end of the transaction.
    pub deferrable: bool,
    /// It does so without being told.
    pub initially_deferred: bool,
    /// Two NULLs count as the same.
    pub nulls_not_distinct: bool,
    /// Columns beside the key.
    pub included_columns: Vec<String>,
    /// Name of its index; empty: none of its own.
    pub index: String,
    /// Comment.
    pub comment: String,
    /// Keys may repeat where the ranges of the last column do not overlap.
    pub without_overlaps: bool,
    /// What happens to a row that breaks it (SQLite's ON CONFLICT); empty: an error.
    pub on_conflict: String,
}

/// What happens to a row when the row that it points to changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferentialAction {
    /// Refused at the end.
    #[default]
    NoAction,
    /// Refused at once.
    Restrict,
    /// Goes with it.
    Cascade,
    /// Becomes NULL.
    SetNull,
    /// Takes the default.
    SetDefault,
}

/// How rows of a foreign key with some NULLs are matched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MatchType {
    /// One NULL is enough for the key not to be checked.
    #[default]
    Simple,
    /// All columns are NULL or none.
    Full,
    /// The columns that are not NULL are matched.
    Partial,
}

/// A foreign key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForeignKey {
    /// Name; empty: none.
    pub name: String,
    /// Columns of this table.
    pub columns: Vec<String>,
    /// Schema pointed to.
    pub referenced_schema: String,
    /// Table pointed to.
    pub referenced_table: String,
    /// Columns pointed to.
    pub referenced_columns: Vec<String>,
    /// On update.
    pub on_update: ReferentialAction,
    /// On delete.
    pub on_delete: ReferentialAction,
    /// Can wait for the end of the transaction.
    pub deferrable: bool,
    /// Existing rows were checked.
    pub validated: bool,
    /// It waits without being told.
    pub initially_deferred: bool,
    /// How rows with some NULLs are matched.
    pub match_type: MatchType,
    /// Columns that ON DELETE SET NULL or SET DEFAULT changes; empty: all of the key.
    pub on_delete_columns: Vec<String>,
    /// It is checked, not only declared.
    pub enforced: bool,
    /// Comment.
    pub comment: String,
    /// The last columns are ranges that must be covered.
    pub period: bool,
}

/// A check constraint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckConstraint {
    /// Name; empty: none.
    pub name: String,
    /// Condition as the engine writes it.
    pub expression: String,
    /// Existing rows were checked.
    pub validated: bool,
    /// Tables that inherit do not have it.
    pub no_inherit: bool,
    /// It is checked, not only declared.
    pub enforced: bool,
    /// Comment.
    pub comment: String,
    /// The one column that it was declared with; empty: the table, or the engine does not tell.
    pub column: String,
}

/// A constraint that keeps rows apart by operators.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExclusionConstraint {
    /// Name.
    pub name: String,
    /// Method of its index, lower case.
    pub method: String,
    /// What is compared, in order.
    pub elements: Vec<ExclusionElement>,
    /// Columns beside the key.
    pub included_columns: Vec<String>,
    /// Condition; empty: all rows.
    pub predicate: String,
    /// The check can wait for the end of the transaction.
    pub deferrable: bool,
    /// It does so without being told.
    pub initially_deferred: bool,
    /// Comment.
    pub comment: String,
}

/// What an exclusion constraint compares at one position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExclusionElement {
    /// What is compared.
    pub term: IndexTerm,
    /// With which operator.
    pub operator: String,
    /// Operator class.
    pub operator_class: Option<OperatorClass>,
    /// Collation, where it is not the column's own.
    pub collation: String,
    /// Descending.
    pub descending: bool,
    /// Where NULL goes.
    pub nulls: NullsOrder,
}
