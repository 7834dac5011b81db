//! Changes of a schema. An engine writes the statements that make them.

use super::{CheckConstraint, Column, Index, NeutralType, ObjectName, TableKind};

/// The table that a change is made to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedTable<'a> {
    /// Its name.
    pub name: ObjectName,
    /// Its kind: not every statement works on each.
    pub kind: TableKind,
    /// Its checks: one that stands with a column is a part of it to some engines.
    pub checks: &'a [CheckConstraint],
}

/// A change of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaChange {
    /// A new index on columns.
    CreateIndex {
        /// Its name.
        name: String,
        /// Its columns in order.
        columns: Vec<String>,
    },
    /// An index goes.
    DropIndex {
        /// Its name.
        name: String,
    },
    /// The table gets another name.
    RenameTable {
        /// The new one.
        to: String,
    },
    /// A column gets another name.
    RenameColumn {
        /// The old one.
        column: String,
        /// The new one.
        to: String,
    },
    /// An index gets another name.
    RenameIndex {
        /// The index as it is.
        index: Box<Index>,
        /// The new name.
        to: String,
    },
    /// A foreign key gets another name.
    RenameForeignKey {
        /// The old one.
        name: String,
        /// The new one.
        to: String,
    },
    /// A column gets another type.
    RetypeColumn {
        /// The column as it is.
        column: Box<Column>,
        /// The new type.
        to: NeutralType,
    },
    /// A column takes NULL no longer.
    RequireValue {
        /// The column as it is.
        column: Box<Column>,
    },
    /// A new column for a moment.
    AddTimestamp {
        /// Its name.
        column: String,
        /// It may be NULL; otherwise it is the time of the row's creation unless a value is given.
        optional: bool,
    },
    /// A new first key: a column of numbers that the database gives.
    AddNumberedKey {
        /// Name of the column.
        column: String,
    },
    /// All texts of the table in four-byte UTF-8 (MySQL, MariaDB).
    WidenCharacterSet,
    /// The table in the engine that has transactions (MySQL, MariaDB).
    UseTransactionalEngine,
}
