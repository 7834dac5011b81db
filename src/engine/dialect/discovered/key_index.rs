//! The indexes that MySQL and MariaDB make for foreign keys that have none.

use super::{ORDERED, over_columns};
use crate::model::schema::{ForeignKey, Index, IndexPart, IndexTerm, Table};

/// An index for each foreign key of a table that none begins with, called as the key. One that another of them begins with is not
/// made, and of two on the same columns the last one is.
pub(super) fn made(table: &Table) -> Vec<Index> {
    let ordered = table.indexes.iter().filter(|index| index.method == ORDERED);
    let declared: Vec<Vec<&str>> = ordered.map(columns).collect();
    let is_served = |key: &&ForeignKey| declared.iter().any(|columns| begins(columns, &key.columns));
    let open: Vec<&ForeignKey> = table.foreign_keys.iter().filter(|key| !is_served(key)).collect();
    let is_needed = |(place, key): &(usize, &&ForeignKey)| {
        !open.iter().enumerate().any(|(at, other)| {
            let is_longer = other.columns.len() > key.columns.len();
            at != *place && (is_longer || at > *place) && begins(&other.columns, &key.columns)
        })
    };
    let needed = open.iter().enumerate().filter(is_needed);
    needed.map(|(_, key)| over_columns(key.name.clone(), &key.columns)).collect()
}

/// The columns of an index until the first term that is none.
fn columns(index: &Index) -> Vec<&str> {
    fn column(part: &IndexPart) -> Option<&str> {
        match &part.term {
            IndexTerm::Column(column) => Some(column.as_str()),
            IndexTerm::Expression(_) => None,
        }
    }
    index.parts.iter().map_while(column).collect()
}

fn begins(columns: &[impl AsRef<str>], key: &[String]) -> bool {
    columns.len() >= key.len() && columns.iter().zip(key).all(|(one, other)| one.as_ref() == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, columns: &[&str]) -> ForeignKey {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        ForeignKey { name: name.to_owned(), columns, ..ForeignKey::default() }
    }

    fn names(indexes: &[&[&str]], foreign_keys: Vec<ForeignKey>) -> Vec<String> {
        let index = |columns: &&[&str]| {
            over_columns(String::new(), &columns.iter().map(|column| (*column).to_owned()).collect::<Vec<_>>())
        };
        let table = Table { indexes: indexes.iter().map(index).collect(), foreign_keys, ..Table::default() };
        made(&table).into_iter().map(|index| index.name).collect()
    }

    #[test]
    fn a_key_that_no_index_begins_with_in_its_order_gets_one() {
        assert_eq!(names(&[], vec![key("k", &["a", "b"])]), ["k"]);
        assert_eq!(names(&[&["b", "a"], &["c", "a", "b"], &["a"]], vec![key("k", &["a", "b"])]), ["k"]);
        assert!(names(&[&["a", "b", "c"]], vec![key("k", &["a", "b"])]).is_empty());
    }

    #[test]
    fn an_index_that_is_made_for_one_key_serves_another() {
        assert_eq!(names(&[], vec![key("short", &["a"]), key("long", &["a", "b"])]), ["long"]);
        assert_eq!(names(&[], vec![key("long", &["a", "b"]), key("short", &["a"])]), ["long"]);
        assert_eq!(names(&[], vec![key("first", &["a"]), key("last", &["a"])]), ["last"]);
    }
}
