//! What the writers of all engines share: the order of things, names by the conventions, and what cannot be expressed.

mod inline;
pub(in crate::engine) mod order;
mod part;
mod plan;

pub(in crate::engine) use self::{
    inline::{Inlined, InlinedBase},
    part::{column_object, columns, constraint, foreign_key, key, terms},
    plan::{PlannedKey, PlannedTable},
};

use super::{Dialect, names::TakenNames};
use crate::model::schema::{
    NeutralType,
    definition::{DefaultValue, MAX_GENERATED, SchemaDefinition, SqlText, ViewDefinition},
};

/// Most parts that an engine cannot express which are kept; the others are counted.
const MAX_UNSUPPORTED: usize = 5_000;

/// What a statement makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// A schema.
    Schema,
    /// A type.
    Type,
    /// A table.
    Table,
    /// A foreign key of a table that was made before.
    ForeignKey,
    /// An index.
    Index,
    /// A view.
    View,
    /// A function.
    Function,
    /// A trigger.
    Trigger,
    /// A comment.
    Comment,
}

/// A statement that makes one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateStatement {
    /// What it makes.
    pub made: Made,
    /// Name of that; of a comment what it is on.
    pub object: String,
    /// The statement with its semicolon.
    pub sql: String,
}

/// Something that an engine cannot express.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// Path of the field in the definition.
    pub field: String,
    /// What it is, such as `column album.cover`.
    pub object: String,
    /// What the engine lacks, in a sentence's part that follows the object.
    pub feature: String,
}

/// A schema in the statements of an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Created {
    /// The statements in their order. What cannot be expressed is missing in them.
    pub statements: Vec<CreateStatement>,
    /// What cannot be expressed, the first 5,000 of it.
    pub unsupported: Vec<Unsupported>,
    /// How much more cannot be expressed.
    pub more_unsupported: usize,
    /// The statements would come to more than [`MAX_GENERATED`] bytes, so that some are missing.
    pub is_too_large: bool,
}

/// A schema while an engine writes it.
pub(in crate::engine) struct Draft<'a> {
    dialect: &'a dyn Dialect,
    pub(in crate::engine) definition: &'a SchemaDefinition,
    created: Created,
    names: TakenNames,
    /// Bytes of the statements.
    written: usize,
    /// Bytes of types that were taken apart for the next statement.
    inlined: usize,
}

impl<'a> Draft<'a> {
    pub(in crate::engine) fn new(dialect: &'a dyn Dialect, definition: &'a SchemaDefinition) -> Self {
        Self { dialect, definition, created: Created::default(), names: TakenNames::default(), written: 0, inlined: 0 }
    }

    pub(in crate::engine) fn finish(self) -> Created {
        self.created
    }

    /// The statements since this was asked last.
    pub(in crate::engine) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.created.statements).into_iter().map(|statement| statement.sql).collect()
    }

    /// Adds a statement, as long as there is room for it.
    pub(in crate::engine) fn make(&mut self, made: Made, object: impl Into<String>, sql: String) {
        self.inlined = 0;
        self.written += sql.len();
        if self.is_full() {
            return;
        }
        self.created.statements.push(CreateStatement { made, object: object.into(), sql });
    }

    /// True from when the statements come to more than an answer holds. What one column repeats of its type can be as long as the
    /// whole definition, so that this is asked while a statement is written, too.
    fn is_full(&mut self) -> bool {
        self.created.is_too_large |= self.written + self.inlined > MAX_GENERATED;
        self.created.is_too_large
    }

    /// Notes what the engine cannot express.
    pub(in crate::engine) fn refuse(&mut self, field: &str, object: &str, feature: impl Into<String>) {
        if self.created.unsupported.len() == MAX_UNSUPPORTED {
            self.created.more_unsupported += 1;
            return;
        }
        let unsupported = Unsupported { field: field.to_owned(), object: object.to_owned(), feature: feature.into() };
        self.created.unsupported.push(unsupported);
    }

    /// A piece of SQL as the engine reads it; absent where it is of another engine.
    pub(in crate::engine) fn sql(&mut self, field: &str, object: &str, sql: SqlText<'_>) -> Option<String> {
        match sql.engine {
            None => Some(self.dialect.portable_here(sql.text.trim())),
            Some(engine) if engine == self.dialect.engine() => Some(sql.text.trim().to_owned()),
            Some(engine) => {
                self.refuse(field, object, format!("is written in the SQL of {}", engine.as_str()));
                None
            }
        }
    }

    /// The view's query, and an error where the engine lacks the schema that it is in.
    pub(in crate::engine) fn view(&mut self, place: usize, view: &ViewDefinition) -> Option<String> {
        let object = format!("view {}", view.name);
        let query = self.sql(&format!("views[{place}].query"), &object, view.sql())?;
        Some(query.trim_end_matches(';').trim_end().to_owned())
    }

    /// Refuses schemas where the engine has none inside of a database.
    pub(in crate::engine) fn refuse_schemas(&mut self) {
        let definition = self.definition;
        let types = definition.types.iter().map(|found| ("types", &found.schema, &found.name));
        let tables = definition.tables.iter().map(|found| ("tables", &found.schema, &found.name));
        let views = definition.views.iter().map(|found| ("views", &found.schema, &found.name));
        for (kind, all) in
            [("types", types.collect::<Vec<_>>()), ("tables", tables.collect()), ("views", views.collect())]
        {
            for (place, (_, schema, name)) in all.into_iter().enumerate() {
                if !schema.is_empty() {
                    let feature = "is in a schema, which the engine does not have inside of a database; leave it empty";
                    self.refuse(&format!("{kind}[{place}].schema"), &format!("{schema}.{name}"), feature);
                }
            }
        }
    }

    /// A column's default, given how the engine writes a moment and a UUID.
    pub(in crate::engine) fn default_value(
        &mut self,
        field: &str,
        object: &str,
        default: &DefaultValue,
        write: &DefaultWriter<'_>,
    ) -> Option<String> {
        Some(match default {
            DefaultValue::Literal(text) => self.literal(text, write.neutral, write.boolean),
            DefaultValue::CurrentTimestamp => write.moment.to_owned(),
            DefaultValue::NewUuid => write.uuid.to_owned(),
            DefaultValue::Expression { text, engine } => {
                let text = self.sql(field, object, SqlText { text, engine: *engine })?;
                format!("({text})")
            }
        })
    }

    fn literal(&self, text: &str, neutral: Option<NeutralType>, boolean: [&str; 2]) -> String {
        use NeutralType as T;
        match neutral {
            Some(T::Boolean) => boolean[usize::from(text == "true")].to_owned(),
            Some(T::Integer { .. } | T::Decimal { .. } | T::Float { .. }) => text.to_owned(),
            _ => self.dialect.string(text),
        }
    }
}

/// How an engine writes the defaults that have a name of their own, for one column.
pub(in crate::engine) struct DefaultWriter<'a> {
    /// What the column holds in the end; absent for what is no neutral type.
    pub(in crate::engine) neutral: Option<NeutralType>,
    /// False and true.
    pub(in crate::engine) boolean: [&'a str; 2],
    /// The moment of the writing.
    pub(in crate::engine) moment: &'a str,
    /// A new UUID.
    pub(in crate::engine) uuid: &'a str,
}
