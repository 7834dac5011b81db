//! The statements of one thing, and where they stand among all.

use crate::{
    engine::postgres::dialect::{qualified, quoted},
    model::schema::{DdlKind, DdlStatement, ObjectName},
};

/// What is made, in the order in which it is made where nothing else is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Step {
    Schema,
    Extension,
    ForeignServer,
    Collation,
    Type,
    Sequence,
    Routine,
    Table,
    /// A default that needs something which needs its table.
    Default,
    /// A check that needs something which needs its table, or that holds for new rows only.
    Check,
    /// Primary keys, unique constraints and exclusions.
    Key,
    /// A view without its query, for what needs it while it needs something else.
    Placeholder,
    View,
    MaterializedView,
    /// From here on nothing is needed by anything else.
    Index,
    IndexPart,
    SequenceOwner,
    TableOption,
    Statistics,
    ForeignKey,
    /// A foreign key that comes with that of a partitioned table.
    InheritedKey,
    Rule,
    Trigger,
    TriggerState,
    Policy,
    Publication,
    Refresh,
}

impl Step {
    /// Other things may need what is made here, so that it is ordered by what needs what.
    pub(super) fn is_needed(self) -> bool {
        self < Self::Index
    }
}

/// Where the statements of one thing stand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) step: Step,
    pub(super) schema: String,
    pub(super) name: String,
    /// Signature of a routine; name of a part of a table.
    pub(super) part: String,
}

impl Place {
    pub(super) fn new(step: Step, schema: &str, name: &str) -> Self {
        Self { step, schema: schema.to_owned(), name: name.to_owned(), part: String::new() }
    }

    /// A part of a table, or one of several routines of a name.
    pub(super) fn part(step: Step, schema: &str, name: &str, part: &str) -> Self {
        Self { part: part.to_owned(), ..Self::new(step, schema, name) }
    }

    pub(super) fn of(step: Step, name: &ObjectName) -> Self {
        Self::new(step, &name.schema, &name.name)
    }

    /// As a message names it.
    pub(super) fn in_words(&self) -> String {
        let schema = if self.schema.is_empty() { String::new() } else { format!("{}.", self.schema) };
        let part = if self.part.is_empty() { String::new() } else { format!(" ({})", self.part) };
        format!("{schema}{}{part}", self.name)
    }
}

/// The statements of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) place: Place,
    pub(super) statements: Vec<DdlStatement>,
}

impl Piece {
    pub(super) fn new(place: Place, statements: Vec<DdlStatement>) -> Self {
        Self { place, statements }
    }
}

/// What statements are about: a thing, as SQL names it behind the word of its kind.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) kind: DdlKind,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) table: String,
    /// Such as `TABLE app.account`.
    pub(super) in_sql: String,
}

impl Subject {
    /// Something in a schema.
    pub(super) fn in_schema(kind: DdlKind, word: &str, name: &ObjectName) -> Self {
        Self {
            kind,
            schema: name.schema.clone(),
            name: name.name.clone(),
            table: String::new(),
            in_sql: format!("{word} {}", qualified(name)),
        }
    }

    /// Something of the database.
    pub(super) fn of_database(kind: DdlKind, word: &str, name: &str) -> Self {
        Self {
            kind,
            schema: String::new(),
            name: name.to_owned(),
            table: String::new(),
            in_sql: format!("{word} {}", quoted(name)),
        }
    }

    /// A part of a table: a constraint, a trigger, a policy or a rule.
    pub(super) fn of_table(kind: DdlKind, word: &str, name: &str, table: &ObjectName) -> Self {
        Self {
            kind,
            schema: table.schema.clone(),
            name: name.to_owned(),
            table: table.name.clone(),
            in_sql: format!("{word} {} ON {}", quoted(name), qualified(table)),
        }
    }

    /// A column of a table, view or composite type.
    pub(super) fn column(name: &str, table: &ObjectName) -> Self {
        Self {
            kind: DdlKind::Column,
            schema: table.schema.clone(),
            name: name.to_owned(),
            table: table.name.clone(),
            in_sql: format!("COLUMN {}.{}", qualified(table), quoted(name)),
        }
    }

    /// A statement about it; the text comes without its end.
    pub(super) fn statement(&self, sql: impl Into<String>) -> DdlStatement {
        self.statement_of(self.kind, sql)
    }

    /// A statement of another kind about it.
    pub(super) fn statement_of(&self, kind: DdlKind, sql: impl Into<String>) -> DdlStatement {
        let mut sql = sql.into();
        sql.push(';');
        DdlStatement { kind, schema: self.schema.clone(), name: self.name.clone(), table: self.table.clone(), sql }
    }

    /// Its comment; absent where it has none.
    pub(super) fn comment(&self, text: &str) -> Option<DdlStatement> {
        let comment =
            || self.statement_of(DdlKind::Comment, format!("COMMENT ON {} IS {}", self.in_sql, literal(text)));
        (!text.is_empty()).then(comment)
    }

    /// Its owner, where owners are asked for.
    pub(super) fn owner(&self, owner: Option<&str>) -> Option<DdlStatement> {
        let owner = owner.filter(|owner| !owner.is_empty())?;
        Some(self.statement_of(DdlKind::Owner, format!("ALTER {} OWNER TO {}", self.in_sql, quoted(owner))))
    }
}

/// A text as SQL writes it, whatever `standard_conforming_strings` is.
pub(super) fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

/// Names with commas between them.
pub(super) fn name_list(names: &[String]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

/// A text between brackets, or nothing.
pub(super) fn in_brackets(before: &str, items: &[String]) -> String {
    if items.is_empty() { String::new() } else { format!("{before} ({})", items.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn a_text_is_the_same_under_every_setting() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"a\'b"), r"E'a\\''b'");
    }
}
