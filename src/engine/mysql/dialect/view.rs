//! Queries of views as the server tells them: each table with the name of its database.

use crate::model::name::Identifier;

/// The query without the name of the database that it is in, so that it reads the tables of whichever it is made in. Names of other
/// databases stay.
pub(super) fn without_database(database: &str, query: &str) -> String {
    let own = Identifier::of_catalog(database).backquoted();
    let mut written = String::with_capacity(query.len());
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '`' => quoted_end(rest, false),
            '\'' | '"' => quoted_end(rest, true),
            _ => first.len_utf8(),
        };
        let (part, after) = rest.split_at(end);
        rest = match after.strip_prefix('.') {
            Some(named) if part == own && !written.ends_with('.') && named.starts_with('`') => {
                // What it names may be called like the database.
                let (name, after) = named.split_at(quoted_end(named, false));
                written.push_str(name);
                after
            }
            _ => {
                written.push_str(part);
                after
            }
        };
    }
    written
}

/// Where a quoted part ends. A quote in it is doubled, and in a string may stand behind a backslash.
fn quoted_end(text: &str, is_string: bool) -> usize {
    let mut characters = text.char_indices().peekable();
    let Some((_, quote)) = characters.next() else { return 0 };
    while let Some((place, character)) = characters.next() {
        if is_string && character == '\\' {
            characters.next();
        } else if character == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return place + quote.len_utf8();
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::without_database;

    #[test]
    fn only_the_database_of_the_view_is_left_out() {
        for (told, expected) in [
            ("select `d`.`t`.`a` AS `a` from `d`.`t`", "select `t`.`a` AS `a` from `t`"),
            ("select `d`.`d`.`d` AS `d` from `d`.`d`", "select `d`.`d` AS `d` from `d`"),
            ("select `o`.`d`.`a` from `o`.`d`", "select `o`.`d`.`a` from `o`.`d`"),
            ("select '`d`.`t`' AS `it's``d`,'\\'`d`.'", "select '`d`.`t`' AS `it's``d`,'\\'`d`.'"),
            ("select `d`.`f`(1.5)", "select `f`(1.5)"),
        ] {
            assert_eq!(without_database("d", told), expected);
        }
    }
}
