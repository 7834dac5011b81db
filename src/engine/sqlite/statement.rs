//! Tells statements of a migration apart by their first words: which cannot run, and which need care around a
//! transaction.
//!
//! ATTACH would open any file of the machine, and VACUUM INTO would write one, past the SQLite root. They are refused here by
//! their words, before anything runs and with a text that says why; what words hide is refused by [`super::confine`].
//! Triggers cannot hold them, and `load_extension()` is switched off inside SQLite.

use super::token::{Token, tokens};

/// Settings that are those of the whole process: of the databases of every account, and of our own store.
pub(super) const SERVER_WIDE_PRAGMAS: [&str; 4] =
    ["temp_store_directory", "data_store_directory", "hard_heap_limit", "soft_heap_limit"];

/// What matters about a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StatementKind {
    /// May run in a transaction.
    Ordinary,
    /// Begins a transaction.
    Begin,
    /// Ends one.
    Commit,
    /// Takes one back. `ROLLBACK TO` is ordinary.
    Rollback,
    /// Cannot run in a transaction.
    Vacuum,
    /// Changes or reads a setting; many do nothing inside a transaction, or last as long as the connection.
    Pragma {
        /// Its name in lower case.
        name: String,
        /// The value that is set, in lower case.
        value: Option<String>,
    },
}

impl StatementKind {
    /// Whether it sets the enforcement of foreign keys, and to what.
    pub(super) fn sets_foreign_keys(&self) -> Option<bool> {
        match self {
            Self::Pragma { name, value: Some(value) } if name == "foreign_keys" => {
                Some(matches!(value.as_str(), "on" | "true" | "yes" | "1"))
            }
            _ => None,
        }
    }
}

/// Tells what a statement is, or why it is refused.
pub(super) fn classify(text: &str) -> Result<StatementKind, &'static str> {
    let tokens = tokens(text);
    let mut first = None;
    for statement in statements(&tokens) {
        let kind = classify_one(statement)?;
        first.get_or_insert(kind);
    }
    Ok(first.unwrap_or(StatementKind::Ordinary))
}

fn classify_one(statement: &[Token<'_>]) -> Result<StatementKind, &'static str> {
    if let Some(explained) = explained(statement) {
        // It is not run, but some of PRAGMA takes effect while it is read.
        return classify_one(explained).map(|_| StatementKind::Ordinary);
    }
    let Some(head) = statement.first() else {
        return Ok(StatementKind::Ordinary);
    };
    if head.is_any(&["ATTACH", "DETACH"]) {
        return Err(
            "ATTACH and DETACH are not allowed: a migration changes the database that it is for, and no other file",
        );
    }
    if head.is("VACUUM") {
        if statement.iter().any(|token| token.is("INTO")) {
            return Err("VACUUM INTO is not allowed: it writes another file; take a backup instead");
        }
        return Ok(StatementKind::Vacuum);
    }
    if head.is("PRAGMA") {
        return pragma(statement);
    }
    Ok(match () {
        () if head.is("BEGIN") => StatementKind::Begin,
        () if head.is_any(&["COMMIT", "END"]) => StatementKind::Commit,
        () if head.is("ROLLBACK") && !to_savepoint(statement) => StatementKind::Rollback,
        () => StatementKind::Ordinary,
    })
}

/// What stands behind EXPLAIN or EXPLAIN QUERY PLAN.
fn explained<'a, 'b>(statement: &'b [Token<'a>]) -> Option<&'b [Token<'a>]> {
    let (head, rest) = statement.split_first()?;
    if !head.is("EXPLAIN") {
        return None;
    }
    match rest {
        [query, plan, rest @ ..] if query.is("QUERY") && plan.is("PLAN") => Some(rest),
        _ => Some(rest),
    }
}

fn to_savepoint(statement: &[Token<'_>]) -> bool {
    statement.iter().any(|token| token.is("TO"))
}

fn pragma(statement: &[Token<'_>]) -> Result<StatementKind, &'static str> {
    // PRAGMA [schema .] name [= value | (value)]
    let qualified = statement.get(2).is_some_and(|token| token.is_symbol("."));
    let at = if qualified { 3 } else { 1 };
    let name = statement.get(at).and_then(Token::name).unwrap_or_default().to_ascii_lowercase();
    if SERVER_WIDE_PRAGMAS.contains(&name.as_str()) {
        return Err("this PRAGMA is not allowed: it would set temporary files or memory of the whole server");
    }
    let value = match statement.get(at + 1) {
        Some(token) if token.is_symbol("=") || token.is_symbol("(") => statement.get(at + 2),
        _ => None,
    };
    let value = value.map(|token| token.name().unwrap_or_else(|| token.text.to_owned()).to_ascii_lowercase());
    Ok(StatementKind::Pragma { name, value })
}

/// Cuts at the semicolons that end a statement; those inside the body of a trigger do not.
fn statements<'a, 'b>(tokens: &'b [Token<'a>]) -> Vec<&'b [Token<'a>]> {
    let mut found = Vec::new();
    let mut begin = 0;
    while begin < tokens.len() {
        let rest = &tokens[begin..];
        let length = if is_trigger(rest) { trigger_length(rest) } else { plain_length(rest) };
        if length > 0 {
            found.push(&rest[..length]);
        }
        begin += length + 1;
    }
    found
}

fn is_trigger(tokens: &[Token<'_>]) -> bool {
    let mut words = tokens.iter().filter(|token| !token.is_any(&["TEMP", "TEMPORARY", "EXPLAIN", "QUERY", "PLAN"]));
    words.next().is_some_and(|token| token.is("CREATE")) && words.next().is_some_and(|token| token.is("TRIGGER"))
}

fn plain_length(tokens: &[Token<'_>]) -> usize {
    tokens.iter().position(|token| token.is_symbol(";")).unwrap_or(tokens.len())
}

/// A trigger ends with the END that follows a semicolon.
fn trigger_length(tokens: &[Token<'_>]) -> usize {
    let end = tokens.windows(2).position(|pair| pair[0].is_symbol(";") && pair[1].is("END"));
    end.map_or(tokens.len(), |semicolon| semicolon + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pragma(name: &str, value: Option<&str>) -> StatementKind {
        StatementKind::Pragma { name: name.to_owned(), value: value.map(str::to_owned) }
    }

    #[test]
    fn kinds() {
        for (text, kind) in [
            ("CREATE TABLE t (x)", StatementKind::Ordinary),
            ("-- only a comment", StatementKind::Ordinary),
            ("/* ATTACH */ vacuum", StatementKind::Vacuum),
            ("begin immediate", StatementKind::Begin),
            ("END TRANSACTION", StatementKind::Commit),
            ("ROLLBACK", StatementKind::Rollback),
            ("ROLLBACK TO a", StatementKind::Ordinary),
            ("PRAGMA foreign_keys = OFF", pragma("foreign_keys", Some("off"))),
            ("pragma main.Foreign_Keys(0)", pragma("foreign_keys", Some("0"))),
            ("PRAGMA user_version", pragma("user_version", None)),
            (
                "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT CASE WHEN 1 THEN 2 END; END",
                StatementKind::Ordinary,
            ),
        ] {
            assert_eq!(classify(text), Ok(kind), "{text}");
        }
        assert_eq!(classify("PRAGMA foreign_keys=ON").unwrap().sets_foreign_keys(), Some(true));
    }

    #[test]
    fn what_reaches_other_files_is_refused() {
        for text in [
            "ATTACH 'x' AS y",
            "/* */ attach database 'x' as y",
            "DETACH y",
            "SELECT 1; ATTACH 'x' AS y",
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END; ATTACH 'x' AS y",
            "VACUUM main INTO '/tmp/x'",
            "PRAGMA temp_store_directory = '/tmp'",
            "PRAGMA main.[temp_store_directory]('/tmp')",
            "EXPLAIN PRAGMA temp_store_directory = '/tmp'",
            "explain query plan pragma hard_heap_limit = 1",
            "PRAGMA soft_heap_limit(1)",
            "EXPLAIN ATTACH 'x' AS y",
            // SQLite takes a mark of the byte order for white space, and parentheses for a part of a parameter's name.
            "\u{feff}ATTACH 'x' AS y",
            "SELECT $a('); ATTACH 'x' AS y; SELECT $b(')",
            "SELECT @a::b('); ATTACH 'x' AS y; SELECT :b(')",
        ] {
            assert!(classify(text).is_err(), "{text}");
        }
        assert!(classify("SELECT 'ATTACH' AS attach").is_ok());
    }
}
