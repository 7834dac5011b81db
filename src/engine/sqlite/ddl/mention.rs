//! Whether a query or the body of a trigger names a table.

use super::closing;
use crate::engine::sqlite::token::{Token, TokenKind, tokens};

/// Words that end a FROM clause, or stand where it would name a table.
const ENDS_FROM: [&str; 14] = [
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "WINDOW",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "SET",
    "RETURNING",
    "SELECT",
    "VALUES",
    "WITH",
];

/// Where a reader of tokens stands between two brackets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Outside of a FROM clause.
    Elsewhere,
    /// In a FROM clause where a table is named next.
    Expecting,
    /// In a FROM clause behind a table.
    Behind,
}

/// Whether some statements read or write a table, by where its name stands: behind FROM, JOIN, INTO, UPDATE or IN. A name that
/// WITH gives to a query of its own is none of a table.
pub(in crate::engine::sqlite) fn names_table(sql: &str, table: &str) -> bool {
    let tokens = tokens(sql);
    if !tokens.iter().any(|token| is_named(token, table)) {
        return false;
    }
    let is_own = is_named_by_with(&tokens, table);
    let matches = |at: usize| match (tokens.get(at), tokens.get(at + 1), tokens.get(at + 2)) {
        (Some(_), Some(point), Some(name)) if point.is_symbol(".") => is_named(name, table),
        (Some(name), ..) => !is_own && is_named(name, table),
        (None, ..) => false,
    };
    let mut places = vec![Place::Elsewhere];
    for (at, token) in tokens.iter().enumerate() {
        let place = places.last().copied().unwrap_or(Place::Elsewhere);
        let next = match () {
            () if token.is_symbol("(") => {
                let inner = if place == Place::Expecting { Place::Expecting } else { Place::Elsewhere };
                let outer = if place == Place::Expecting { Place::Behind } else { place };
                replace_last(&mut places, outer);
                places.push(inner);
                continue;
            }
            () if token.is_symbol(")") => {
                places.pop();
                continue;
            }
            () if token.is_symbol(",") && place == Place::Behind => Place::Expecting,
            () if token.is_symbol(";") || token.is_any(&ENDS_FROM) => Place::Elsewhere,
            () if token.is("JOIN") || (token.is("FROM") && !follows(&tokens, at, "DISTINCT")) => Place::Expecting,
            () if token.is_any(&["INTO", "IN", "UPDATE"]) => {
                if matches(target(&tokens, at)) {
                    return true;
                }
                place
            }
            () if place == Place::Expecting && token.kind != TokenKind::Symbol => {
                if matches(at) {
                    return true;
                }
                Place::Behind
            }
            () => place,
        };
        replace_last(&mut places, next);
    }
    false
}

fn replace_last(places: &mut Vec<Place>, place: Place) {
    places.pop();
    places.push(place);
}

fn is_named(token: &Token<'_>, name: &str) -> bool {
    token.name().is_some_and(|found| found.eq_ignore_ascii_case(name))
}

fn follows(tokens: &[Token<'_>], at: usize, word: &str) -> bool {
    at > 0 && tokens[at - 1].is(word)
}

/// Position of the name behind INTO, IN or UPDATE, which can have an `OR IGNORE` before it.
fn target(tokens: &[Token<'_>], at: usize) -> usize {
    if tokens.get(at + 1).is_some_and(|token| token.is("OR")) { at + 3 } else { at + 1 }
}

/// Whether WITH gives a name to a query: the name, maybe columns, AS, and a query in brackets.
fn is_named_by_with(tokens: &[Token<'_>], name: &str) -> bool {
    let begins = |at: usize| {
        let before = at.checked_sub(1).map(|before| &tokens[before]);
        before.is_some_and(|before| before.is_any(&["WITH", "RECURSIVE"]) || before.is_symbol(","))
    };
    let ends = |at: usize| {
        let mut after = at + 1;
        if tokens.get(after).is_some_and(|token| token.is_symbol("(")) {
            after = closing(tokens, after) + 1;
        }
        if !tokens.get(after).is_some_and(|token| token.is("AS")) {
            return false;
        }
        after += 1;
        while tokens.get(after).is_some_and(|token| token.is_any(&["NOT", "MATERIALIZED"])) {
            after += 1;
        }
        let is_open = tokens.get(after).is_some_and(|token| token.is_symbol("("));
        is_open && tokens.get(after + 1).is_some_and(|token| token.is_any(&["SELECT", "VALUES", "WITH"]))
    };
    (0..tokens.len()).any(|at| is_named(&tokens[at], name) && begins(at) && ends(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_found_wherever_a_statement_can_name_it() {
        for sql in [
            "SELECT * FROM t",
            "SELECT a FROM x, T AS y",
            "SELECT a FROM x JOIN y ON x.i = y.i, \"t\"",
            "SELECT a FROM x LEFT JOIN main.t USING (i)",
            "SELECT a FROM (x, t)",
            "SELECT a FROM (SELECT b FROM [t]) AS s",
            "SELECT a, (SELECT max(b) FROM 't') FROM x",
            "SELECT a FROM x WHERE b IN t",
            "SELECT a FROM x WHERE b IN (SELECT c FROM t)",
            "SELECT a FROM x JOIN y ON x.i IN (1, 2), t",
            "WITH x AS (SELECT 1 FROM t) SELECT * FROM x",
            "WITH t AS (SELECT 1) SELECT * FROM main.t",
            "SELECT 1 UNION SELECT 2 FROM t",
            "SELECT t FROM t('words')",
            "INSERT INTO t (a) VALUES (1)",
            "INSERT OR IGNORE INTO t SELECT 1",
            "UPDATE OR REPLACE t SET a = 1",
            "SELECT 1; DELETE FROM t WHERE a = 1",
            "UPDATE x SET a = b FROM t",
        ] {
            assert!(names_table(sql, "t"), "{sql}");
        }
    }

    #[test]
    fn a_name_that_stands_elsewhere_is_no_table() {
        for sql in [
            "SELECT t FROM x",
            "SELECT a, t FROM x ORDER BY b, t",
            "SELECT a FROM x AS t",
            "SELECT a FROM x WHERE b = 't' -- FROM t",
            "SELECT a FROM x WHERE b IN (t, 1)",
            "SELECT a FROM x WHERE a IS NOT DISTINCT FROM t",
            "SELECT a FROM x GROUP BY b, t",
            "SELECT coalesce(a, t) FROM x, y WHERE f(b, t)",
            "WITH t AS (SELECT 1) SELECT * FROM t",
            "WITH RECURSIVE x AS (SELECT 1), t (n) AS NOT MATERIALIZED (SELECT 1) SELECT * FROM t",
            "INSERT INTO x (a) VALUES (1) ON CONFLICT DO UPDATE SET t = 1",
            "UPDATE x SET a = 1, t = 2",
            "DELETE FROM x WHERE a = 1 RETURNING b, t",
        ] {
            assert!(!names_table(sql, "t"), "{sql}");
        }
    }
}
