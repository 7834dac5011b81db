//! The little that has to be known of the text of a statement, and literals for statements that cannot have binds.

/// A text as a literal that means the same whatever `standard_conforming_strings` says. Batches of the simple protocol,
/// which save the round trips of a migration, take no binds.
pub(super) fn literal(text: &str) -> String {
    // PostgreSQL stores no NUL in a text; it would end the message.
    let escaped = text.replace('\0', "").replace('\\', "\\\\").replace('\'', "''");
    format!("E'{escaped}'")
}

/// Why a statement cannot be a part of a migration, where that shows in its first words.
pub(super) fn objection(statement: &str) -> Option<&'static str> {
    let words = words(statement, 8);
    let first = words.first().map(String::as_str);
    let second = words.get(1).map(String::as_str);
    match (first, second) {
        (Some("ROLLBACK"), Some("TO")) => None,
        (Some("ROLLBACK"), _) if words.iter().any(|word| word == "TO") => None,
        (Some("BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT"), _)
        | (Some("PREPARE"), Some("TRANSACTION")) => Some(
            "transaction control is not allowed in a migration: dbkeeper begins and ends the transaction; take it out",
        ),
        (Some("COPY"), _) if statement.to_ascii_uppercase().contains("FROM STDIN") => {
            Some("COPY FROM STDIN is not supported in a migration; use INSERT")
        }
        _ => None,
    }
}

/// SET and RESET of the session, which the statements after them need again when a run goes on on another connection.
pub(super) fn sets_session(statement: &str) -> bool {
    let words = words(statement, 2);
    match words.first().map(String::as_str) {
        Some("SET") => words.get(1).is_none_or(|word| word != "LOCAL"),
        Some("RESET") => true,
        _ => false,
    }
}

/// What can be done about a statement that ran outside of a transaction and whose outcome was not noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rerun {
    /// It builds an index: a valid one is done, an invalid one is dropped and built again.
    BuildsIndex(Option<ConcurrentIndex>),
    /// It can be run again without harm.
    Harmless,
    /// It changes the catalog at its end: the fingerprint tells.
    ByFingerprint,
    /// Nothing tells.
    Unknown,
}

/// The index of a CREATE INDEX CONCURRENTLY, as it is written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConcurrentIndex {
    /// Name of the index, as it is written.
    pub(super) index: String,
    /// Name of the table, as it is written.
    pub(super) table: String,
}

/// Tells what can be done about a statement that was open when a run ended.
pub(super) fn rerun(statement: &str) -> Rerun {
    let words = words(statement, 6);
    let word = |position: usize| words.get(position).map_or("", String::as_str);
    match (word(0), word(1)) {
        ("CREATE", "INDEX" | "UNIQUE") => Rerun::BuildsIndex(concurrent_index(statement)),
        ("VACUUM" | "ANALYZE" | "REINDEX" | "CLUSTER" | "CHECKPOINT" | "REFRESH", _) => Rerun::Harmless,
        ("CALL" | "DO", _) => Rerun::Unknown,
        _ => Rerun::ByFingerprint,
    }
}

/// Reads the names out of `CREATE [UNIQUE] INDEX CONCURRENTLY [IF NOT EXISTS] name ON [ONLY] table`.
pub(super) fn concurrent_index(statement: &str) -> Option<ConcurrentIndex> {
    let tokens = tokens(statement, 16);
    let mut rest = tokens.iter().map(String::as_str).peekable();
    let mut expect = |word: &str, optional: bool| match rest.peek() {
        Some(token) if token.eq_ignore_ascii_case(word) => {
            rest.next();
            true
        }
        _ => optional,
    };
    let head =
        expect("CREATE", false) && expect("UNIQUE", true) && expect("INDEX", false) && expect("CONCURRENTLY", false);
    let head = head && expect("IF", true) && expect("NOT", true) && expect("EXISTS", true);
    if !head {
        return None;
    }
    let index = rest.next()?.to_owned();
    // Without a name PostgreSQL makes one up, and nothing can be said of it beforehand.
    if index.eq_ignore_ascii_case("ON") || !rest.next()?.eq_ignore_ascii_case("ON") {
        return None;
    }
    let mut table = rest.next()?;
    if table.eq_ignore_ascii_case("ONLY") {
        table = rest.next()?;
    }
    Some(ConcurrentIndex { index, table: table.to_owned() })
}

fn words(statement: &str, limit: usize) -> Vec<String> {
    tokens(statement, limit).into_iter().map(|token| token.to_ascii_uppercase()).collect()
}

/// The first tokens: names with their quotes and dots, or single other characters. Comments are left out.
fn tokens(statement: &str, limit: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = skip_blank(statement);
    while !rest.is_empty() && found.len() < limit {
        let length = token_length(rest);
        found.push(rest[..length].to_owned());
        rest = skip_blank(&rest[length..]);
    }
    found
}

fn token_length(text: &str) -> usize {
    let mut quoted = false;
    for (position, character) in text.char_indices() {
        if character == '"' {
            quoted = !quoted;
        } else if !(quoted || character.is_alphanumeric() || matches!(character, '_' | '$' | '.')) {
            return position.max(character.len_utf8() * usize::from(position == 0));
        }
    }
    text.len()
}

fn skip_blank(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        if let Some(comment) = text.strip_prefix("--") {
            text = comment.split_once('\n').map_or("", |(_, rest)| rest);
        } else if text.starts_with("/*") {
            text = &text[block_comment_length(text)..];
        } else {
            return text;
        }
    }
}

/// Length of the block comment that the text begins with; they nest.
fn block_comment_length(text: &str) -> usize {
    let mut depth = 0;
    let mut position = 0;
    while position < text.len() {
        let rest = &text.as_bytes()[position..];
        if rest.starts_with(b"/*") {
            depth += 1;
            position += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            position += 2;
            if depth == 0 {
                return position;
            }
        } else {
            position += 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_survives_quotes_and_backslashes() {
        assert_eq!(literal(r"it's a \ title"), r"E'it''s a \\ title'");
    }

    #[test]
    fn transaction_control_is_seen_behind_comments() {
        assert!(objection("/* a /* b */ */ -- c\n commit").is_some());
        assert!(objection("PREPARE TRANSACTION 'x'").is_some());
        assert!(objection("copy t from stdin").is_some());
        for harmless in [
            "ROLLBACK TO SAVEPOINT a",
            "rollback work to a",
            "SAVEPOINT a",
            "PREPARE p AS SELECT 1",
            "COMMENT ON TABLE a IS 'commit'",
        ] {
            assert_eq!(objection(harmless), None, "{harmless}");
        }
    }

    #[test]
    fn the_names_of_a_concurrent_index_are_read_as_written() {
        let found = concurrent_index(
            "create unique index /* x */ concurrently if not exists \"My Index\" on only app.\"T.x\"(a)",
        );
        assert_eq!(found, Some(ConcurrentIndex { index: "\"My Index\"".to_owned(), table: "app.\"T.x\"".to_owned() }));
        assert_eq!(concurrent_index("CREATE INDEX CONCURRENTLY ON t (a)"), None);
        assert_eq!(concurrent_index("CREATE INDEX i ON t (a)"), None);
    }

    #[test]
    fn what_a_statement_sets_for_the_session_is_told_apart() {
        assert!(sets_session("SET search_path TO app"));
        assert!(!sets_session("SET LOCAL search_path TO app"));
        assert!(!sets_session("SELECT 1"));
    }
}
