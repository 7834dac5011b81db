//! What sort of statement a migration holds, and where in it an error stands.

/// How a statement behaves towards transactions and the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// Comments only.
    Empty,
    /// Reads or writes rows; part of a transaction.
    Data,
    /// Changes definitions; commits by itself.
    Definition,
    /// May do both, as a call of a procedure.
    Mixed,
    /// Changes the session only, and is repeated when a run goes on in another one.
    Session,
    /// Makes or drops a temporary table, which ends with the session.
    Temporary,
    /// Begins or ends a transaction; without effect here, because each statement has its own.
    Transaction,
    /// Cannot be kept apart from the journal.
    Refused,
}

impl Nature {
    /// By the first words.
    pub(super) fn of(sql: &str) -> Self {
        let text = skip_comments(sql);
        let mut words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let first = words.next().unwrap_or_default().to_ascii_uppercase();
        let second = words.find(|word| !word.is_empty()).unwrap_or_default().to_ascii_uppercase();
        match (first.as_str(), second.as_str()) {
            ("", _) if text.is_empty() => Self::Empty,
            ("", _) if text.starts_with('(') => Self::Data,
            ("INSERT" | "REPLACE" | "UPDATE" | "DELETE" | "SELECT" | "WITH" | "VALUES" | "TABLE" | "DO", _)
            | ("LOAD" | "SHOW" | "EXPLAIN" | "DESCRIBE" | "DESC", _) => Self::Data,
            ("SET" | "USE" | "PREPARE" | "DEALLOCATE", _) => Self::Session,
            ("CREATE" | "DROP", "TEMPORARY") => Self::Temporary,
            ("BEGIN", "NOT") | ("CALL" | "EXECUTE" | "IF" | "CASE" | "WHILE" | "LOOP" | "REPEAT" | "FOR", _) => {
                Self::Mixed
            }
            ("BEGIN" | "COMMIT", _) | ("START", "TRANSACTION") => Self::Transaction,
            ("ROLLBACK" | "SAVEPOINT" | "RELEASE" | "XA" | "LOCK" | "UNLOCK" | "HANDLER", _) => Self::Refused,
            _ => Self::Definition,
        }
    }
}

/// The text from its first word. A comment that the server executes counts as text.
fn skip_comments(sql: &str) -> &str {
    let mut text = sql;
    loop {
        text = text.trim_start();
        let rest = if let Some(code) = text.strip_prefix("/*!").or_else(|| text.strip_prefix("/*M!")) {
            Some(code.trim_start_matches(|letter: char| letter.is_ascii_digit()))
        } else if let Some(comment) = text.strip_prefix("/*") {
            Some(comment.split_once("*/").map_or("", |(_, rest)| rest))
        } else if text.starts_with('#') || text.starts_with("--") {
            Some(text.split_once('\n').map_or("", |(_, rest)| rest))
        } else {
            None
        };
        match rest {
            Some(rest) => text = rest,
            None => return text,
        }
    }
}

/// The server cuts what it quotes of a statement to so many characters.
const QUOTED_LENGTH: usize = 80;

/// Where a syntax error stands, in characters from the start: the server quotes the statement from there on,
/// as in `... near 'FROMM film' at line 3`.
pub(super) fn error_offset(message: &str, sql: &str) -> Option<usize> {
    let (_, quoted) = message.split_once(" near '")?;
    let (near, line) = quoted.rsplit_once("' at line ")?;
    let line: usize = line.trim().parse().ok()?;
    if near.chars().count() < QUOTED_LENGTH && sql.ends_with(near) {
        return Some(sql[..sql.len() - near.len()].chars().count());
    }
    // Of several places that read alike, the one closest to the line that the server counted.
    let line_of = |index: usize| sql[..index].matches('\n').count() + 1;
    let place = sql.match_indices(near).map(|(index, _)| index).min_by_key(|index| line_of(*index).abs_diff(line))?;
    Some(sql[..place].chars().count())
}

#[cfg(test)]
mod tests {
    use super::{Nature, error_offset};

    #[test]
    fn the_first_words_tell_the_nature() {
        let natures = [
            ("-- why\n INSERT INTO a VALUES (1)", Nature::Data),
            ("/* x */ # y\n(SELECT 1)", Nature::Data),
            ("/*!40101 SET NAMES utf8 */", Nature::Session),
            ("create temporary table a (b int)", Nature::Temporary),
            ("ALTER TABLE a ADD b INT", Nature::Definition),
            ("BEGIN NOT ATOMIC SELECT 1; END", Nature::Mixed),
            ("START TRANSACTION", Nature::Transaction),
            ("START SLAVE", Nature::Definition),
            ("LOCK TABLES a WRITE", Nature::Refused),
            ("  -- only words\n", Nature::Empty),
        ];
        for (sql, nature) in natures {
            assert_eq!(Nature::of(sql), nature, "{sql}");
        }
    }

    #[test]
    fn a_syntax_error_is_found_in_its_statement() {
        let sql = "SELECT 'ä'\nFROMM film";
        let message = "You have an error in your SQL syntax; check the manual ... near 'FROMM film' at line 2";
        assert_eq!(error_offset(message, sql), Some(11));
        assert_eq!(error_offset("... near '' at line 1", "SELECT ("), Some(8));
        assert_eq!(error_offset("Table 'a.b' doesn't exist", sql), None);
    }
}
