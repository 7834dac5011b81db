//! How an engine writes names, types and changes.

use crate::model::{
    name::Identifier,
    schema::{ChangedTable, NeutralType, ObjectName, SchemaChange},
};

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

    /// What a type as the engine writes it means; absent where no other engine has it.
    fn neutral_type(&self, data_type: &str) -> Option<NeutralType>;

    /// True where a moment is best kept in the type with a time zone.
    fn prefers_zoned_timestamps(&self) -> bool {
        false
    }

    /// The statements that make a change, in their order. Empty: the engine has none for it, as SQLite has none that changes
    /// a column in place.
    fn statements(&self, table: &ChangedTable, change: &SchemaChange) -> Vec<String>;
}

/// True where a name can be written without quotes: lower case, digits and underscores. What is reserved is not asked here.
fn is_plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
