//! How tables of a live database are declared, where a definition tells it in other words.
//!
//! SQLite keeps whatever word a column is declared with, and takes values of other types unless the table is STRICT. A definition has
//! neither, and a table that is made anew keeps both all the same.

use std::collections::HashMap;

use super::StayingTable;
use crate::model::schema::{
    ObjectName,
    definition::{ColumnDefinition, folded, full_name},
    difference::ColumnAttribute,
};

/// Tables by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeclaredTables(HashMap<String, DeclaredTable>);

/// How a table is declared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeclaredTable {
    /// Columns hold nothing but what they are declared as.
    pub is_strict: bool,
    /// Columns by their folded names.
    columns: HashMap<String, DeclaredColumn>,
}

/// How a column is declared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeclaredColumn {
    /// The type, which may be no word at all.
    pub data_type: String,
    /// The default as the engine tells it.
    pub default: Option<String>,
}

impl DeclaredTable {
    /// A table without columns.
    pub fn new(is_strict: bool) -> Self {
        Self { is_strict, columns: HashMap::new() }
    }

    /// The column of a name.
    pub(in crate::engine) fn column(&self, name: &str) -> Option<&DeclaredColumn> {
        self.columns.get(&folded(name))
    }

    /// Adds a column.
    pub fn insert(&mut self, name: &str, column: DeclaredColumn) {
        self.columns.insert(folded(name), column);
    }
}

impl DeclaredTables {
    /// Adds a table.
    pub fn insert(&mut self, name: &ObjectName, table: DeclaredTable) {
        self.0.insert(key(name), table);
    }

    fn get(&self, name: &ObjectName) -> Option<&DeclaredTable> {
        self.0.get(&key(name))
    }
}

fn key(name: &ObjectName) -> String {
    folded(&full_name(&name.schema, &name.name))
}

/// The declarations that a change keeps.
#[derive(Debug, Clone, Copy)]
pub enum Kept<'a> {
    /// Those of the schema as it is. What a change gives another type or default has none.
    Source(&'a DeclaredTables),
    /// Those of the schema as it is to be, because it was so before.
    Target(&'a DeclaredTables),
}

impl<'a> Kept<'a> {
    /// Whether a table that stays keeps to what its columns are declared as; absent where that is not known.
    pub(in crate::engine) fn is_strict(&self, table: &StayingTable<'_, '_>) -> Option<bool> {
        self.table(table).map(|found| found.is_strict)
    }

    /// The type that a column of a table that stays is declared with.
    pub(in crate::engine) fn data_type(
        &self,
        table: &StayingTable<'_, '_>,
        column: &ColumnDefinition,
    ) -> Option<&'a str> {
        let found = self.column(table, column, ColumnAttribute::Type)?;
        Some(&found.data_type)
    }

    /// The default that a column of a table that stays is declared with.
    pub(in crate::engine) fn default(
        &self,
        table: &StayingTable<'_, '_>,
        column: &ColumnDefinition,
    ) -> Option<&'a str> {
        self.column(table, column, ColumnAttribute::Default)?.default.as_deref()
    }

    /// How a table that comes back was declared.
    pub(in crate::engine) fn coming(&self, table: &ObjectName) -> Option<&'a DeclaredTable> {
        match self {
            Self::Source(_) => None,
            Self::Target(tables) => tables.get(table),
        }
    }

    fn table(&self, table: &StayingTable<'_, '_>) -> Option<&'a DeclaredTable> {
        match self {
            Self::Source(tables) => tables.get(&table.former),
            Self::Target(tables) => tables.get(&table.after.table.object_name()),
        }
    }

    fn column(
        &self,
        table: &StayingTable<'_, '_>,
        column: &ColumnDefinition,
        kept: ColumnAttribute,
    ) -> Option<&'a DeclaredColumn> {
        let declared = self.table(table)?;
        if matches!(self, Self::Target(_)) {
            return declared.column(&column.name);
        }
        let before = table.before.column(&column.name)?;
        let is_kept = !ColumnAttribute::between(before, column).contains(&kept);
        declared.column(table.former_column(&column.name)).filter(|_| is_kept)
    }
}
