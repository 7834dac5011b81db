//! The statements that make a schema again.

use super::ObjectKind;
use crate::model::name::{Identifier, QualifiedName};

/// What a statement makes, in the order in which summaries count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DdlKind {
    /// A setting of the session or the file.
    Setting,
    /// A schema, or the character set of a database.
    Schema,
    /// An extension.
    Extension,
    /// A collation.
    Collation,
    /// A type of a user.
    Type,
    /// A sequence, or what it belongs to.
    Sequence,
    /// A function, procedure or aggregate.
    Routine,
    /// A foreign server.
    ForeignServer,
    /// A table, or one of its options.
    Table,
    /// A default or an option of a column.
    Column,
    /// A key, a check or an exclusion constraint.
    Constraint,
    /// A foreign key.
    ForeignKey,
    /// An index, or what it is a part of.
    Index,
    /// A view or a materialised view.
    View,
    /// Extended statistics.
    Statistics,
    /// A trigger.
    Trigger,
    /// A row security policy.
    Policy,
    /// A rewrite rule.
    Rule,
    /// A scheduled event.
    Event,
    /// A publication.
    Publication,
    /// A comment.
    Comment,
    /// An owner.
    Owner,
    /// The first filling of a materialised view.
    Refresh,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DdlStatement {
    /// What it makes.
    pub kind: DdlKind,
    /// Schema of what it makes; empty where its kind has none.
    pub schema: String,
    /// Name of what it makes.
    pub name: String,
    /// Table that it belongs to; empty: none.
    pub table: String,
    /// The statement, ended by `;`.
    pub sql: String,
}

/// Names an object that is no table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DdlObject {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its name, and its schema where one was given.
    pub name: QualifiedName,
    /// The table of a trigger, policy or rule; absent: of whatever table.
    pub table: Option<Identifier>,
    /// Types of the arguments of a routine; absent: every routine of the name.
    pub signature: Option<String>,
}

impl DdlObject {
    /// Whether it is meant by a name, where the schema is known to be the right one.
    pub fn names(&self, kind: ObjectKind, name: &str, table: &str, signature: &str) -> bool {
        self.kind == kind
            && self.name.name.as_str() == name
            && self.table.as_ref().is_none_or(|wanted| wanted.as_str() == table)
            && self.signature.as_ref().is_none_or(|wanted| wanted == signature)
    }
}

/// Of what the statements are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DdlSubject {
    /// The whole database.
    Database,
    /// A schema with what is in it.
    Schema(String),
    /// A table or view with what belongs to it.
    Table(QualifiedName),
    /// One object that is no table.
    Object(DdlObject),
}

/// Which statements are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DdlSelection {
    /// Of what.
    pub subject: DdlSubject,
    /// Owners too.
    pub owners: bool,
}
