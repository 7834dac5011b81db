//! Which tables and objects are asked for, in what order, and the lists that come back.

use std::cmp::Ordering;

use super::{Dependent, NamePattern, ObjectKind, SchemaObject, Skipped, Table, TableKind, TableSummary};
use crate::model::{Detail, Error, Reason, Result};

/// Which tables are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct TableFilter {
    /// Only this schema.
    pub schema: Option<String>,
    /// Only this kind.
    pub kind: Option<TableKind>,
    /// Only names that match.
    pub name_pattern: Option<NamePattern>,
}

impl TableFilter {
    /// Whether a name is one that is asked for.
    pub fn takes_name(&self, name: &str) -> bool {
        self.name_pattern.as_ref().is_none_or(|pattern| pattern.matches(name))
    }
}

/// What tables are ordered by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum TableRank {
    /// Schema and name in code-point order.
    #[default]
    Name,
    /// Bytes with indexes.
    Size,
    /// Rows by estimate.
    Rows,
}

/// The order of a list of tables. Schema and name decide between equals, upwards unless they are the order themselves, so
/// that a page ends where the next one begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct TableOrder {
    /// What by.
    pub rank: TableRank,
    /// The greatest first.
    pub descending: bool,
}

impl TableOrder {
    /// Reads `name`, `size` or `rows`, with `asc` or `desc` after it or nothing. Empty: `name`.
    pub fn parse(text: &str) -> Result<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (rank, descending) = match words.as_slice() {
            [] => ("name", false),
            [rank] | [rank, "asc"] => (*rank, false),
            [rank, "desc"] => (*rank, true),
            _ => return Err(unknown_order()),
        };
        let rank = match rank {
            "name" => TableRank::Name,
            "size" => TableRank::Size,
            "rows" => TableRank::Rows,
            _ => return Err(unknown_order()),
        };
        Ok(Self { rank, descending })
    }

    /// Schema and name upwards: the order that an engine reads its catalog in.
    pub fn is_by_name(self) -> bool {
        self == Self::default()
    }

    /// Where a table stands in this order.
    pub fn key(self, table: &TableSummary) -> TableKey {
        let figure = match self.rank {
            TableRank::Name => 0,
            TableRank::Size if table.data_size_bytes < 0 && table.index_size_bytes < 0 => -1,
            TableRank::Size => table.data_size_bytes.max(0).saturating_add(table.index_size_bytes.max(0)),
            TableRank::Rows => table.row_estimate.max(-1),
        };
        TableKey { figure, schema: table.schema.clone(), name: table.name.clone() }
    }

    fn compare(self, one: &TableKey, other: &TableKey) -> Ordering {
        let names = (&one.schema, &one.name).cmp(&(&other.schema, &other.name));
        match (self.rank, self.descending) {
            (TableRank::Name, false) => names,
            (TableRank::Name, true) => names.reverse(),
            (_, false) => one.figure.cmp(&other.figure).then(names),
            (_, true) => other.figure.cmp(&one.figure).then(names),
        }
    }
}

fn unknown_order() -> Error {
    let description = "takes name, size or rows, with desc after it for the reverse".to_owned();
    Error::new(Reason::FilterInvalid, format!("order_by: {description}"))
        .with(Detail::Field { field: "order_by".to_owned(), description })
}

/// Where a table stands in an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableKey {
    /// The figure that it is ordered by; 0 where it is ordered by name.
    pub figure: i64,
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
}

impl TableKey {
    /// The words of a page token.
    pub fn to_words(&self) -> Vec<String> {
        vec![self.figure.to_string(), self.schema.clone(), self.name.clone()]
    }

    /// Reads the words of a page token.
    pub fn from_words(words: &[String]) -> Result<Self> {
        let [figure, schema, name] = words else { return Err(Error::page_token_invalid()) };
        let figure = figure.parse().map_err(|_| Error::page_token_invalid())?;
        Ok(Self { figure, schema: schema.clone(), name: name.clone() })
    }
}

/// Which part of a list of tables is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TablePage {
    /// The order of the list.
    pub order: TableOrder,
    /// The last table of the page before.
    pub after: Option<TableKey>,
    /// Most tables.
    pub limit: u32,
}

impl TablePage {
    /// The first tables by schema and name.
    pub fn first(limit: u32) -> Self {
        Self { order: TableOrder::default(), after: None, limit }
    }

    /// Schema and name to go on after, for a list that is read by them.
    pub fn after_name(&self) -> Option<(&str, &str)> {
        self.after.as_ref().map(|key| (key.schema.as_str(), key.name.as_str()))
    }

    /// Cuts the page out of all tables that match, in whatever order they are.
    pub fn cut(&self, tables: Vec<TableSummary>) -> Vec<TableSummary> {
        let mut keyed: Vec<_> = tables.into_iter().map(|table| (self.order.key(&table), table)).collect();
        if let Some(after) = &self.after {
            keyed.retain(|(key, _)| self.order.compare(key, after) == Ordering::Greater);
        }
        keyed.sort_unstable_by(|(one, _), (other, _)| self.order.compare(one, other));
        keyed.truncate(self.limit as usize);
        keyed.into_iter().map(|(_, table)| table).collect()
    }
}

/// A part of a list of tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableList {
    /// The tables in order.
    pub tables: Vec<TableSummary>,
    /// How many match in all.
    pub total: u64,
    /// What could not be read.
    pub skipped: Vec<Skipped>,
}

/// A table that was looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableLookup {
    /// The table.
    pub table: Table,
    /// What depends on it, in their order.
    pub dependents: Vec<Dependent>,
    /// What could not be read.
    pub skipped: Vec<Skipped>,
}

/// Which objects are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ObjectFilter {
    /// Only this schema.
    pub schema: Option<String>,
    /// Only these kinds, in order and each once; empty: all.
    pub kinds: Vec<ObjectKind>,
    /// Only names that match.
    pub name_pattern: Option<NamePattern>,
}

impl ObjectFilter {
    /// Whether objects of a kind are asked for.
    pub fn takes_kind(&self, kind: ObjectKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    /// Whether objects of a schema are asked for.
    pub fn takes_schema(&self, schema: &str) -> bool {
        self.schema.as_deref().is_none_or(|wanted| wanted == schema)
    }

    /// Whether a name is one that is asked for.
    pub fn takes_name(&self, name: &str) -> bool {
        self.name_pattern.as_ref().is_none_or(|pattern| pattern.matches(name))
    }
}

/// Where an object stands among all: by schema, kind, name, table and signature in code-point order. No two are the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Schema.
    pub schema: String,
    /// Kind.
    pub kind: ObjectKind,
    /// Name.
    pub name: String,
    /// Table of a trigger, policy or rule.
    pub table: String,
    /// Types of the arguments of a routine.
    pub signature: String,
}

impl ObjectKey {
    /// Where an object stands.
    pub fn of(object: &SchemaObject) -> Self {
        Self {
            schema: object.schema.clone(),
            kind: object.kind,
            name: object.name.clone(),
            table: object.table.clone(),
            signature: object.signature.clone(),
        }
    }

    /// The words of a page token.
    pub fn to_words(&self) -> Vec<String> {
        let kind = self.kind.as_str().to_owned();
        vec![self.schema.clone(), kind, self.name.clone(), self.table.clone(), self.signature.clone()]
    }

    /// Reads the words of a page token.
    pub fn from_words(words: &[String]) -> Result<Self> {
        let [schema, kind, name, table, signature] = words else { return Err(Error::page_token_invalid()) };
        let kind = ObjectKind::parse(kind).ok_or_else(Error::page_token_invalid)?;
        let [schema, name, table, signature] = [schema, name, table, signature].map(String::clone);
        Ok(Self { schema, kind, name, table, signature })
    }
}

/// Which part of a list of objects is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectPage {
    /// The last object of the page before.
    pub after: Option<ObjectKey>,
    /// Most objects.
    pub limit: u32,
}

impl ObjectPage {
    /// The first objects.
    pub fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }

    /// Cuts the page out of all keys that match, in whatever order they are. An engine reads keys first, and the rest of
    /// the objects of the page alone.
    pub fn cut(&self, mut keys: Vec<ObjectKey>) -> Vec<ObjectKey> {
        if let Some(after) = &self.after {
            keys.retain(|key| key > after);
        }
        keys.sort_unstable();
        keys.truncate(self.limit as usize);
        keys
    }
}

/// A part of a list of objects.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ObjectList {
    /// The objects by their keys.
    pub objects: Vec<SchemaObject>,
    /// How many match in all.
    pub total: u64,
    /// What could not be read.
    pub skipped: Vec<Skipped>,
}

#[cfg(test)]
mod tests;
