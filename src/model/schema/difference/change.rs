//! Changes.

use crate::model::schema::{
    ObjectName,
    definition::{
        CheckDefinition, ColumnDefinition, ForeignKeyDefinition, IndexDefinition, KeyDefinition, TableDefinition,
        TypeDefinition, ViewDefinition,
    },
};

/// A change of a schema, with all that is needed to make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A type that is not there yet.
    CreateType(TypeDefinition),
    /// A type that goes.
    DropType(TypeDefinition),
    /// A type gets another name.
    RenameType {
        /// The old name.
        from: ObjectName,
        /// The new name.
        to: ObjectName,
    },
    /// A type has another shape or comment. Both sides have the new name.
    AlterType {
        /// As it is.
        from: TypeDefinition,
        /// As it is to be.
        to: TypeDefinition,
    },
    /// A table that is not there yet, with its keys, checks and indexes.
    CreateTable(Box<TableDefinition>),
    /// A table that goes, with its keys, checks and indexes.
    DropTable(Box<TableDefinition>),
    /// A table that stays.
    AlterTable {
        /// Its name as it is to be.
        table: ObjectName,
        /// What changes.
        change: TableChange,
    },
    /// A view that is not there yet.
    CreateView(ViewDefinition),
    /// A view that goes.
    DropView(ViewDefinition),
    /// A view with another query, comment or case of its name.
    ReplaceView {
        /// As it is.
        from: ViewDefinition,
        /// As it is to be.
        to: ViewDefinition,
    },
}

/// A change of a table that stays. Columns are named as they are to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableChange {
    /// It gets another name, in the same schema.
    Rename {
        /// The old name.
        from: ObjectName,
    },
    /// It gets another comment.
    Comment {
        /// As it is.
        from: String,
        /// As it is to be.
        to: String,
    },
    /// A new column.
    AddColumn {
        /// The column.
        column: Box<ColumnDefinition>,
        /// The column that it stands behind; absent: it is the first.
        after: Option<String>,
    },
    /// A column goes.
    DropColumn(Box<ColumnDefinition>),
    /// A column gets another name.
    RenameColumn {
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
    /// A column of which something else than its name and its place changes.
    AlterColumn {
        /// As it is, under its new name.
        from: Box<ColumnDefinition>,
        /// As it is to be.
        to: Box<ColumnDefinition>,
    },
    /// A column stands at another place. Only told of engines that can change it. Made in the order of the target's columns, each
    /// move finds the column that it goes behind in its place.
    MoveColumn {
        /// Its name.
        column: String,
        /// The column that it stands behind; absent: it is the first.
        after: Option<String>,
    },
    /// A new primary key.
    AddPrimaryKey(KeyDefinition),
    /// The primary key goes.
    DropPrimaryKey(KeyDefinition),
    /// A new unique constraint.
    AddUnique(KeyDefinition),
    /// A unique constraint goes.
    DropUnique(KeyDefinition),
    /// A new foreign key.
    AddForeignKey(ForeignKeyDefinition),
    /// A foreign key goes.
    DropForeignKey(ForeignKeyDefinition),
    /// A new check.
    AddCheck(CheckDefinition),
    /// A check goes.
    DropCheck(CheckDefinition),
    /// A new index.
    AddIndex(IndexDefinition),
    /// An index goes.
    DropIndex(IndexDefinition),
    /// An index gets another comment, and nothing else changes of it.
    CommentIndex {
        /// The index as it is to be.
        index: IndexDefinition,
        /// The comment as it is.
        from: String,
    },
}

/// Something of a column that can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnAttribute {
    /// The type.
    Type,
    /// Whether NULL is allowed.
    Nullable,
    /// The default.
    Default,
    /// How numbers are given to it.
    Identity,
    /// The expression that it is computed by.
    Generated,
    /// Whether it takes the moment of every change.
    TouchedOnUpdate,
    /// The collation.
    Collation,
    /// The comment.
    Comment,
}

impl ColumnAttribute {
    /// What differs between two columns beside their names.
    pub fn between(from: &ColumnDefinition, to: &ColumnDefinition) -> Vec<Self> {
        let all = [
            (Self::Type, !from.column_type.is_same(&to.column_type)),
            (Self::Nullable, from.nullable != to.nullable),
            (Self::Default, from.default != to.default),
            (Self::Identity, from.identity != to.identity),
            (Self::Generated, from.generated != to.generated),
            (Self::TouchedOnUpdate, from.touched_on_update != to.touched_on_update),
            (Self::Collation, from.collation != to.collation),
            (Self::Comment, from.comment != to.comment),
        ];
        all.into_iter().filter(|(_, differs)| *differs).map(|(attribute, _)| attribute).collect()
    }
}
