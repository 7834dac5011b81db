//! What is done to the statements that the server shows, so that they make the same in another database.

use std::collections::BTreeMap;

use crate::engine::mysql::inspect::{creation::backquoted, holds_login};

/// The functions of sequences, which the server shows with the database of the sequence.
const SEQUENCE_FUNCTIONS: [&str; 3] = ["nextval(", "lastval(", "setval("];

/// A CREATE TABLE without its foreign keys, and these as ALTER TABLE adds them, by name.
pub(super) fn without_foreign_keys(create: &str) -> (String, Vec<(String, String)>) {
    let mut kept: Vec<&str> = Vec::new();
    let mut keys = Vec::new();
    for line in create.lines() {
        // A line a part: a line break in a name, a comment or a default is shown as an escape.
        match foreign_key(line) {
            Some(name) => {
                let text = line.trim().trim_end_matches(',').to_owned();
                keys.push((name, text));
                // The part before has a comma, which the last must not have.
                if !line.ends_with(',') {
                    let last = kept.pop().unwrap_or_default();
                    kept.push(last.strip_suffix(',').unwrap_or(last));
                }
            }
            None => kept.push(line),
        }
    }
    (kept.join("\n"), keys)
}

fn foreign_key(line: &str) -> Option<String> {
    let (name, rest) = backquoted(line.strip_prefix("  CONSTRAINT ")?)?;
    rest.starts_with(" FOREIGN KEY (").then_some(name)
}

/// A CREATE TABLE without an option that has a number.
pub(super) fn without_option(create: &str, option: &str) -> String {
    let is_options = |line: &&str| line.starts_with(") ENGINE=");
    let Some(options) = create.lines().find(is_options) else { return create.to_owned() };
    // A comment, in which the same may stand, comes behind it or not before a quote.
    let (before, after) = options.split_at(options.find(" COMMENT='").unwrap_or(options.len()));
    let Some((start, rest)) = before.split_once(&format!(" {option}=")) else { return create.to_owned() };
    let rest = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
    create.replacen(options, &format!("{start}{rest}{after}"), 1)
}

/// Whether the table of a CREATE TABLE is kept by an engine that logs in to another server, with the password in the statement.
pub(super) fn shows_login(create: &str) -> bool {
    let is_other = |line: &str| {
        let engine = line.strip_prefix(") ENGINE=").and_then(|rest| rest.split_ascii_whitespace().next());
        engine.is_some_and(holds_login)
    };
    create.lines().any(is_other)
}

/// A CREATE TABLE that finds the sequences of its defaults in whatever database it runs in.
pub(super) fn without_schema(create: &str, schema: &str) -> String {
    let qualifier = format!("`{}`.", schema.replace('`', "``"));
    let mut text = String::with_capacity(create.len());
    let mut quote = None;
    let mut rest = create;
    while let Some(letter) = rest.chars().next() {
        if quote.is_none() {
            let called = SEQUENCE_FUNCTIONS.iter().find(|function| rest.starts_with(**function));
            if let Some(function) = called.filter(|function| rest[function.len()..].starts_with(&qualifier)) {
                text.push_str(function);
                rest = &rest[function.len() + qualifier.len()..];
                continue;
            }
        }
        let length = match letter {
            '\\' if quote == Some('\'') => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            _ => letter.len_utf8(),
        };
        match quote {
            Some(open) if open == letter => quote = None,
            None if matches!(letter, '\'' | '`') => quote = Some(letter),
            _ => {}
        }
        text.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    text
}

/// A CREATE TABLE with the spatial reference systems of columns, which MariaDB does not show.
pub(super) fn with_reference_systems(create: &str, systems: &BTreeMap<String, u32>) -> String {
    if systems.is_empty() {
        return create.to_owned();
    }
    let line = |line: &str| {
        let column = line.strip_prefix("  ").and_then(backquoted);
        let Some((system, rest)) = column.and_then(|(name, rest)| Some((systems.get(&name)?, rest))) else {
            return line.to_owned();
        };
        let (name, data_type) = (&line[..line.len() - rest.len()], rest.trim_start());
        let end = data_type.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(data_type.len());
        format!("{name} {} REF_SYSTEM_ID={system}{}", &data_type[..end], &data_type[end..])
    };
    create.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// A statement without DEFINER, so that what it makes belongs to who runs it.
pub(super) fn without_definer(create: &str) -> String {
    let Some((before, rest)) = create.split_once("DEFINER=") else { return create.to_owned() };
    // It stands before the word of the kind, and before it nothing is quoted.
    if before.contains(['`', '"', '\'', '(']) {
        return create.to_owned();
    }
    let rest = past_quoted(rest);
    let rest = rest.strip_prefix('@').map_or(rest, past_quoted);
    format!("{before}{}", rest.trim_start())
}

/// What comes behind a quoted name.
fn past_quoted(text: &str) -> &str {
    let Some(quote) = text.chars().next().filter(|letter| matches!(letter, '`' | '"' | '\'')) else {
        return text.trim_start_matches(|letter: char| !letter.is_whitespace() && letter != '@');
    };
    let mut rest = &text[1..];
    loop {
        let Some((_, after)) = rest.split_once(quote) else { return "" };
        match after.strip_prefix(quote) {
            Some(doubled) => rest = doubled,
            None => return after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_keys_are_taken_out_wherever_they_stand() {
        let create = "CREATE TABLE `t` (\n  `a` int COMMENT '  CONSTRAINT `x` FOREIGN KEY (',\n  KEY `k` (`a`),\n  \
            CONSTRAINT `one``1` FOREIGN KEY (`a`) REFERENCES `u` (`a`),\n  CONSTRAINT `two` FOREIGN KEY (`a`) REFERENCES `v` (`a`)\n) ENGINE=InnoDB";
        let (table, keys) = without_foreign_keys(create);
        assert_eq!(
            table,
            "CREATE TABLE `t` (\n  `a` int COMMENT '  CONSTRAINT `x` FOREIGN KEY (',\n  KEY `k` (`a`)\n) ENGINE=InnoDB"
        );
        assert_eq!(keys[0].1, "CONSTRAINT `one``1` FOREIGN KEY (`a`) REFERENCES `u` (`a`)");
        assert_eq!((keys[0].0.as_str(), keys[1].0.as_str()), ("one`1", "two"));
        let between = "CREATE TABLE `t` (\n  CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `u` (`a`),\n  CONSTRAINT `c` CHECK (`a` > 0)\n)";
        assert_eq!(without_foreign_keys(between).0, "CREATE TABLE `t` (\n  CONSTRAINT `c` CHECK (`a` > 0)\n)");
    }

    #[test]
    fn a_quote_in_a_name_opens_no_string() {
        let create = "CREATE TABLE `t` (\n  `it's` int,\n  `n` int DEFAULT nextval(`s`.`n`)\n)";
        let expected = "CREATE TABLE `t` (\n  `it's` int,\n  `n` int DEFAULT nextval(`n`)\n)";
        assert_eq!(without_schema(create, "s"), expected);
    }

    #[test]
    fn an_engine_with_a_login_is_told_from_a_comment_about_it() {
        assert!(shows_login("CREATE TABLE `t` (\n  `a` int\n) ENGINE=FEDERATED DEFAULT CHARSET=utf8mb4"));
        assert!(shows_login("CREATE TABLE `t` (\n  `a` int\n) ENGINE=Spider"));
        assert!(!shows_login("CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB COMMENT=') ENGINE=SPIDER'"));
    }

    #[test]
    fn the_counter_goes_and_a_comment_that_looks_like_it_stays() {
        let create = "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB AUTO_INCREMENT=12 DEFAULT CHARSET=utf8mb4 COMMENT=' AUTO_INCREMENT=3'";
        let expected =
            "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT=' AUTO_INCREMENT=3'";
        assert_eq!(without_option(create, "AUTO_INCREMENT"), expected);
        assert_eq!(without_option(expected, "AUTO_INCREMENT"), expected);
    }

    #[test]
    fn sequences_lose_their_database_and_texts_keep_it() {
        let create = r"a DEFAULT nextval(`s`.`n`), b DEFAULT 'nextval(`s`.`n`) \' nextval(`s`.`n`) ''', c DEFAULT (lastval(`s`.`n`))";
        let expected =
            r"a DEFAULT nextval(`n`), b DEFAULT 'nextval(`s`.`n`) \' nextval(`s`.`n`) ''', c DEFAULT (lastval(`n`))";
        assert_eq!(without_schema(create, "s"), expected);
    }

    #[test]
    fn a_reference_system_stands_behind_the_type() {
        let systems = BTreeMap::from([("p".to_owned(), 4326)]);
        assert_eq!(
            with_reference_systems("(\n  `p` point NOT NULL,\n  `q` point,\n", &systems),
            "(\n  `p` point REF_SYSTEM_ID=4326 NOT NULL,\n  `q` point,"
        );
    }

    #[test]
    fn a_definer_goes_however_it_is_quoted() {
        for (create, expected) in [
            (
                "CREATE DEFINER=`a b`@`%` PROCEDURE `p`() SELECT 'DEFINER=`x`'",
                "CREATE PROCEDURE `p`() SELECT 'DEFINER=`x`'",
            ),
            (
                "CREATE DEFINER=\"a\"@\"h\" FUNCTION \"f\"() RETURNS int RETURN 1",
                "CREATE FUNCTION \"f\"() RETURNS int RETURN 1",
            ),
            (
                "CREATE ALGORITHM=MERGE DEFINER=`a``b`@`h` SQL SECURITY DEFINER VIEW `v` AS select 1",
                "CREATE ALGORITHM=MERGE SQL SECURITY DEFINER VIEW `v` AS select 1",
            ),
            ("CREATE DEFINER=`role` EVENT `e` DO SELECT 1", "CREATE EVENT `e` DO SELECT 1"),
            ("CREATE EVENT `e` DO SELECT 'DEFINER=`x`'", "CREATE EVENT `e` DO SELECT 'DEFINER=`x`'"),
        ] {
            assert_eq!(without_definer(create), expected);
        }
    }
}
