//! How an engine writes names, types, changes and whole schemas.

pub(in crate::engine) mod alter;
pub(in crate::engine) mod collation;
pub mod create;
pub(in crate::engine) mod discovered;
pub(in crate::engine) mod expression;
pub mod names;
mod read_sql;
pub(in crate::engine) mod settle;

pub use self::{
    alter::{AlterScript, Altered, DeclaredColumn, DeclaredTable, DeclaredTables, Effect, Kept, Remade, TableLock},
    create::{CreateStatement, Created, Made, Unsupported},
    expression::MeantDefault,
    read_sql::query::{
        Misread, QueryScope, QueryShape, QueryTable, Term, TermKind,
        harmless::{FindTable, Harmless},
    },
};
pub(crate) use self::{
    create::order::mentions,
    discovered::{MAX_NEUTRAL_NAME, named, neutral_table},
};

use crate::model::{
    Result,
    connection::EngineKind,
    name::Identifier,
    schema::{
        ChangedTable, NeutralType, ObjectName, SchemaChange, Table, Trigger,
        definition::{DefaultValue, SchemaDefinition, TableDefinition},
        difference::SchemaDifference,
    },
};

/// A type as an engine writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenType {
    /// Its name with its numbers.
    pub text: String,
    /// What must hold for each value, so that the type takes no more than was meant; `?` stands for the column.
    pub check: Option<String>,
}

impl WrittenType {
    /// A type that needs no condition.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), check: None }
    }

    /// A type that takes more than was meant, with the condition that mends it.
    pub(super) fn checked(text: impl Into<String>, check: impl Into<String>) -> Self {
        Self { text: text.into(), check: Some(check.into()) }
    }
}

/// What an engine puts around a name that is not plain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quote {
    /// `"name"`, as the standard has it.
    Double,
    /// `` `name` ``.
    Back,
}

/// The SQL of one engine, without a connection to it.
pub trait Dialect: Send + Sync {
    /// Whose SQL it is.
    fn engine(&self) -> EngineKind;

    /// The words that cannot name a table and its column unless they are quoted: lower case, each with a blank on both
    /// sides.
    fn reserved_words(&self) -> &'static str;

    /// What goes around a name that is not plain.
    fn quote(&self) -> Quote {
        Quote::Double
    }

    /// True where the word cannot name a table and its column unless it is quoted.
    fn is_reserved(&self, word: &str) -> bool {
        self.reserved_words().contains(&format!(" {} ", word.to_ascii_lowercase()))
    }

    /// A name as it stands in a statement: in quotes unless it is plain.
    fn quoted(&self, name: &str) -> String {
        if is_plain(name) && !self.is_reserved(name) {
            return name.to_owned();
        }
        let name = Identifier::of_catalog(name);
        match self.quote() {
            Quote::Double => name.double_quoted(),
            Quote::Back => name.backquoted(),
        }
    }

    /// A name with its schema, where it has one.
    fn qualified(&self, name: &ObjectName) -> String {
        match name.schema.as_str() {
            "" => self.quoted(&name.name),
            schema => format!("{}.{}", self.quoted(schema), self.quoted(&name.name)),
        }
    }

    /// Longest name, in bytes or characters as the engine counts.
    fn max_name_length(&self) -> usize;

    /// Length of a name as the engine counts it.
    fn name_length(&self, name: &str) -> usize {
        name.len()
    }

    /// True where a name has only characters that names of the engine may have.
    fn takes_name(&self, _name: &str) -> bool {
        true
    }

    /// What a type as the engine writes it means; absent where no other engine has it.
    fn neutral_type(&self, data_type: &str) -> Option<NeutralType>;

    /// What a type means as people write it in a statement, with the words that the engine itself does not write.
    fn declared_type(&self, data_type: &str) -> Option<NeutralType> {
        self.neutral_type(data_type)
    }

    /// The schema that a name without one is in, where a database has several.
    fn default_schema(&self) -> Option<&'static str> {
        None
    }

    /// The query of a view as it is in any database, where the engine tells it with the name of the one that it is in.
    fn view_query(&self, _database: &str, query: &str) -> String {
        query.to_owned()
    }

    /// How its statements are read.
    fn grammar(&self) -> Box<dyn sqlparser::dialect::Dialect>;

    /// A name without quotes as the engine takes it.
    fn fold(&self, name: &str) -> String {
        name.to_owned()
    }

    /// A default that is no function of a name, as this engine writes it for a column that holds that.
    fn named_default(&self, _text: &str, _neutral: Option<NeutralType>) -> Option<DefaultValue> {
        None
    }

    /// The columns that a search by words looks through, where an expression is the one that [`Dialect::create`] writes for it.
    fn searched_columns(&self, _expression: &str) -> Option<Vec<String>> {
        None
    }

    /// The columns of a table that a trigger gives the moment of each change, where it is the one that [`Dialect::create`] writes.
    fn touched_column(&self, _table: &Table, _trigger: &Trigger) -> Option<String> {
        None
    }

    /// True where a moment is best kept in the type with a time zone.
    fn prefers_zoned_timestamps(&self) -> bool {
        false
    }

    /// The statements that make a change, in their order. Empty: the engine has none for it, as SQLite has none that changes
    /// a column in place.
    fn statements(&self, table: &ChangedTable<'_>, change: &SchemaChange) -> Vec<String>;

    /// How a type of all engines is written; an error says what the engine lacks.
    fn written_type(&self, neutral: NeutralType) -> std::result::Result<WrittenType, String>;

    /// A piece of SQL in the words that all engines share, as this engine reads it.
    fn portable_here(&self, text: &str) -> String {
        text.to_owned()
    }

    /// True where indexes, tables and views of a schema share their names; otherwise each table has its own indexes.
    fn shares_index_names(&self) -> bool {
        true
    }

    /// True where types are declared by themselves; otherwise what they stand for is said at each column.
    fn declares_types(&self) -> bool {
        false
    }

    /// A string as it stands in a statement.
    fn string(&self, text: &str) -> String {
        format!("'{}'", text.replace('\'', "''"))
    }

    /// The statements that make a schema in an empty database, in their order, with what the engine cannot express. The
    /// definition has passed its own check.
    fn create(&self, definition: &SchemaDefinition) -> Created;

    /// True where the place of a column in a table that exists can be changed, so that the order of columns counts.
    fn moves_columns(&self) -> bool {
        false
    }

    /// A definition as a database that [`Dialect::create`] made out of it would tell it. What is written alike is equal then, and
    /// what is settled stays as it is.
    fn settled(&self, definition: &SchemaDefinition) -> SchemaDefinition;

    /// A table of a settled definition as discovery tells that of a database that [`Dialect::create`] made out of it. What only a
    /// live database knows, such as sizes, storage and privileges, is unknown in it.
    fn discovered(&self, settled: &SchemaDefinition, table: &TableDefinition) -> Table;

    /// The statements that change a schema, in their order. Both sides are settled and have passed their checks. Absent where the
    /// engine has none. What is made anew is declared as it was, as far as that is known.
    fn alter(&self, _difference: &SchemaDifference, _kept: Kept<'_>) -> Option<Altered> {
        None
    }
}

impl dyn Dialect + '_ {
    /// Reads statements that make a schema. An error tells line and column of what is wrong or not understood.
    pub fn read_sql(&self, text: &str, field: &str) -> Result<SchemaDefinition> {
        read_sql::read(self, text, field)
    }

    /// Reads queries, one a text: which tables they read, and by which columns they look rows up.
    pub fn read_queries(&self, texts: &[String]) -> Result<Vec<std::result::Result<QueryShape, Misread>>> {
        read_sql::query::read(self, texts)
    }

    /// The statements that a server may plan, with every table in full; of others why not, which begins with "it". Planning computes
    /// beforehand what it can, with the rights of the one who asks.
    pub fn harmless_queries(
        &self,
        texts: &[String],
        find: &FindTable<'_>,
    ) -> Result<Vec<std::result::Result<Harmless, String>>> {
        read_sql::query::harmless::read(self, texts, find)
    }

    /// An expression in the words that all engines share; else as it is, with this engine. What the columns that it names hold
    /// tells which casts change nothing.
    pub fn shared_expression(
        &self,
        text: &str,
        columns: &dyn Fn(&str) -> Option<NeutralType>,
    ) -> (String, Option<EngineKind>) {
        expression::shared(self, text, columns)
    }

    /// What a default means for a column that holds that.
    pub fn meant_default(&self, text: &str, neutral: Option<NeutralType>) -> MeantDefault {
        expression::default(self, text, neutral)
    }
}

/// True where a name can be written without quotes: lower case, digits and underscores. What is reserved is not asked here.
fn is_plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// A type with the word that the engine writes in the place of one that people write; the numbers stay. A word that brings numbers
/// of its own takes them where there are none.
pub(super) fn aliased(aliases: &[(&str, &str)], data_type: &str) -> String {
    let (word, numbers) = NeutralType::split(data_type);
    let (first, unsigned) = match word.strip_suffix(" unsigned") {
        Some(first) => (first, " unsigned"),
        None => (word.as_str(), ""),
    };
    let Some((_, meant)) = aliases.iter().find(|(alias, _)| *alias == first) else { return data_type.to_lowercase() };
    if numbers.is_empty() || meant.contains('(') {
        return format!("{meant}{unsigned}");
    }
    let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
    format!("{meant}({}){unsigned}", numbers.join(","))
}
