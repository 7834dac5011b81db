//! Finds the place of an error in a statement's text. SQLite knows the offset but tells it through a call that is out of
//! reach here; its message names the token, which is enough where the token can be found without doubt.

use sqlx::{AssertSqlSafe, Executor as _, SqlSafeStr as _, SqliteConnection};

use super::{
    error,
    token::{Token, tokens},
};

/// Tokens of the same text that are tried.
const MAX_CANDIDATES: usize = 200;

/// Offset in characters of the token that a message complains about.
pub(super) async fn offset(connection: &mut SqliteConnection, sql: &str, message: &str) -> Option<usize> {
    let (name, is_syntax) = complaint(message)?;
    let found = tokens(sql);
    let candidates: Vec<&Token<'_>> = found.iter().filter(|token| means(token, name, is_syntax)).collect();
    let token = match candidates.as_slice() {
        [only] => only,
        [_, _, ..] if is_syntax => first_refused(connection, sql, &candidates, message).await?,
        _ => return None,
    };
    Some(sql[..token.start].chars().count())
}

/// The token that a message names, and whether the parser itself stumbled over it.
fn complaint(message: &str) -> Option<(&str, bool)> {
    if let Some(token) = message.strip_prefix("near \"").and_then(|rest| rest.strip_suffix("\": syntax error")) {
        return Some((token, true));
    }
    if let Some(token) = message.strip_prefix("unrecognized token: \"").and_then(|rest| rest.strip_suffix('"')) {
        return Some((token, true));
    }
    let names =
        ["no such table: ", "no such column: ", "no such function: ", "no such index: ", "duplicate column name: "];
    let named = names.iter().find_map(|prefix| message.strip_prefix(prefix));
    let existing =
        || message.strip_suffix(" already exists").and_then(|rest| rest.split_once(' ')).map(|(_, name)| name);
    let name = named.or_else(existing)?;
    // Qualified names come as `main.table` or `table.column`; the last part is the one that is not there.
    Some((name.rsplit('.').next().unwrap_or(name), false))
}

fn means(token: &Token<'_>, name: &str, is_syntax: bool) -> bool {
    if is_syntax {
        return token.text == name;
    }
    token.name().is_some_and(|found| found.eq_ignore_ascii_case(name))
}

/// The parser reads from left to right and stops at the first token that cannot be: the shortest beginning of the text
/// that gives the same complaint ends with that token. Preparing runs nothing.
async fn first_refused<'a, 'b>(
    connection: &mut SqliteConnection,
    sql: &str,
    candidates: &[&'b Token<'a>],
    message: &str,
) -> Option<&'b Token<'a>> {
    for token in candidates.iter().take(MAX_CANDIDATES) {
        let beginning = AssertSqlSafe(sql[..token.end()].to_owned()).into_sql_str();
        match (&mut *connection).prepare(beginning).await {
            Err(refused) if error::message(&refused) == message => return Some(token),
            _ => {}
        }
    }
    None
}
