//! How an engine writes names, types and changes.

use crate::model::schema::{ChangedTable, NeutralType, SchemaChange};

/// The SQL of one engine, without a connection to it.
pub trait Dialect: Send + Sync {
    /// True where the word cannot name a table and its column unless it is quoted.
    fn is_reserved(&self, word: &str) -> bool;

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
pub(super) fn is_plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
