//! Names by the conventions.

use std::collections::BTreeSet;

use crate::model::schema::definition::folded;

/// `idx_<table>_<column>`, no longer than the engine takes.
pub fn index_name(table: &str, columns: &[String], limit: usize) -> String {
    cut(format!("idx_{}_{}", snake_case(table), words(columns)), limit)
}

/// `fk_<table>_<referenced table>`, no longer than the engine takes.
pub fn foreign_key_name(table: &str, referenced_table: &str, limit: usize) -> String {
    cut(format!("fk_{}_{}", snake_case(table), snake_case(referenced_table)), limit)
}

/// `uq_<table>_<column>`, no longer than the engine takes.
pub(super) fn unique_name(table: &str, columns: &[String], limit: usize) -> String {
    cut(format!("uq_{}_{}", snake_case(table), words(columns)), limit)
}

/// `ck_<table>_<number>`, no longer than the engine takes.
pub(in crate::engine) fn check_name(table: &str, number: usize, limit: usize) -> String {
    cut(format!("ck_{}_{number}", snake_case(table)), limit)
}

/// `trg_<table>_<column>`, no longer than the engine takes.
pub(in crate::engine) fn trigger_name(table: &str, column: &str, limit: usize) -> String {
    cut(format!("trg_{}_{}", snake_case(table), snake_case(column)), limit)
}

/// `touch_<column>`, no longer than the engine takes: the function that gives a column the moment of a change.
pub(in crate::engine) fn function_name(column: &str, limit: usize) -> String {
    cut(format!("touch_{column}"), limit)
}

/// `<name>_before`, no longer than the engine takes: what something is called while its new form is made under its name.
pub(in crate::engine) fn name_aside(name: &str, limit: usize) -> String {
    cut(format!("{name}_before"), limit)
}

/// `nn_<table>_<column>`, no longer than the engine takes: the check that says for a while that a column is not NULL.
pub(in crate::engine) fn required_name(table: &str, column: &str, limit: usize) -> String {
    cut(format!("nn_{}_{}", snake_case(table), snake_case(column)), limit)
}

fn words(columns: &[String]) -> String {
    columns.iter().map(|column| snake_case(column)).collect::<Vec<_>>().join("_")
}

/// A name that is too long ends in a hash of the whole, so that two of them that begin alike stay two.
fn cut(name: String, limit: usize) -> String {
    if name.len() <= limit {
        return name;
    }
    let hash = format!("_{:08x}", crc32fast::hash(name.as_bytes()));
    let begin = name.floor_char_boundary(limit.saturating_sub(hash.len()));
    format!("{}{hash}", &name[..begin])
}

/// Names that are given to what has none, each once.
#[derive(Debug, Default)]
pub(super) struct TakenNames(BTreeSet<String>);

impl TakenNames {
    /// Notes a name that somebody gave; false where it is taken.
    pub(super) fn note(&mut self, name: &str) -> bool {
        self.0.insert(folded(name))
    }

    /// The name, or the name with a number behind it where it is taken.
    pub(super) fn take(&mut self, name: String, limit: usize) -> String {
        let mut free = name.clone();
        let mut number = 2;
        while !self.note(&free) {
            free = cut(format!("{name}_{number}"), limit);
            number += 1;
        }
        free
    }
}

/// The name in lower case, its words with one underscore between: `InvoiceLine`, `invoice-line` and `INVOICE_LINE` all are
/// `invoice_line`.
pub fn snake_case(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    let characters: Vec<char> = name.chars().collect();
    for (place, character) in characters.iter().enumerate() {
        if !character.is_alphanumeric() {
            separate(&mut text);
            continue;
        }
        let before = place.checked_sub(1).map(|before| characters[before]);
        let after = characters.get(place + 1);
        let begins = character.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase()
                    || before.is_numeric()
                    || (before.is_uppercase() && after.is_some_and(|after| after.is_lowercase()))
            });
        if begins {
            separate(&mut text);
        }
        text.extend(character.to_lowercase());
    }
    text.truncate(text.trim_end_matches('_').len());
    text
}

fn separate(text: &mut String) {
    if !text.is_empty() && !text.ends_with('_') {
        text.push('_');
    }
}

#[cfg(test)]
mod tests {
    use super::{TakenNames, index_name, snake_case};

    #[test]
    fn names_become_snake_case() {
        for (name, snake) in [
            ("album", "album"),
            ("InvoiceLine", "invoice_line"),
            ("invoice-line", "invoice_line"),
            ("INVOICE_LINE", "invoice_line"),
            ("HTTPServerId", "http_server_id"),
            ("line2Total", "line2_total"),
            ("  two  words ", "two_words"),
            ("Größe", "größe"),
            ("🦀", ""),
        ] {
            assert_eq!(snake_case(name), snake, "{name}");
        }
    }

    #[test]
    fn a_conventional_name_is_no_longer_than_the_engine_takes() {
        let columns = ["ArtistId".to_owned(), "Title".to_owned()];
        assert_eq!(index_name("Album", &columns, 63), "idx_album_artist_id_title");
        let long = index_name("Größe", &columns, 20);
        assert!(long.starts_with("idx_größ") && long.len() <= 20, "{long}");
        assert_ne!(long, index_name("Größen", &columns, 20), "two that begin alike");
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let mut names = TakenNames::default();
        assert!(names.note("IDX_a"));
        assert_eq!(names.take("idx_a".to_owned(), 63), "idx_a_2");
        assert_eq!(names.take("idx_a".to_owned(), 63), "idx_a_3");
    }
}
