//! What no catalog tells and only CREATE statements do: parsers of full-text indexes, periods of MariaDB, algorithms of
//! MySQL's views. Only the statements of objects that can have one of these are asked for, all in one round trip.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, MySqlConnection, mysql::MySqlRow};

use super::catalog::text;
use crate::{
    engine::mysql::server::Server,
    model::{name::Identifier, schema::TimePeriod},
};

/// Statements that are sent at one time.
const BATCH: usize = 100;

/// What was found, by the name of the table or view.
#[derive(Default)]
pub(super) struct Creations {
    /// Parsers by table and index.
    pub(super) parsers: BTreeMap<(String, String), String>,
    /// Periods of applications.
    pub(super) periods: BTreeMap<String, Vec<TimePeriod>>,
    /// Algorithms of views.
    pub(super) algorithms: BTreeMap<String, String>,
    /// Tables and views whose statement was not to be had.
    pub(super) refused: Vec<String>,
}

/// Reads the statements of what the rows of the catalog point to.
pub(super) async fn read(
    connection: &mut MySqlConnection,
    server: &Server,
    indexes: &[MySqlRow],
    checks: &[MySqlRow],
    views: &[MySqlRow],
) -> Result<Creations, sqlx::Error> {
    let mut tables = BTreeSet::new();
    tables.extend(indexes.iter().filter(|index| text(index, 4) == "FULLTEXT").map(|index| text(index, 0)));
    let mut creations = Creations::default();
    if server.is_mariadb() {
        tables.extend(checks.iter().filter(|check| compares_columns(&text(check, 2))).map(|check| text(check, 0)));
    } else {
        let names: BTreeSet<String> = views.iter().map(|view| text(view, 0)).collect();
        creations.read_views(connection, names).await?;
    }
    creations.read_tables(connection, tables).await?;
    Ok(creations)
}

impl Creations {
    async fn read_tables(
        &mut self,
        connection: &mut MySqlConnection,
        names: BTreeSet<String>,
    ) -> Result<(), sqlx::Error> {
        let names: Vec<String> = names.into_iter().collect();
        let statements = statements(connection, names.iter().map(|name| ("TABLE", name.as_str()))).await?;
        for (name, found) in names.into_iter().zip(statements) {
            let Some(found) = found else {
                self.refused.push(name);
                continue;
            };
            // The statement has a line a part: a line break in a comment or a name is written as an escape.
            for line in text(&found, 1).lines().map(str::trim) {
                if let Some((index, parser)) = parser(line) {
                    self.parsers.insert((name.clone(), index), parser);
                }
                self.periods.entry(name.clone()).or_default().extend(period(line));
            }
        }
        Ok(())
    }

    async fn read_views(
        &mut self,
        connection: &mut MySqlConnection,
        names: BTreeSet<String>,
    ) -> Result<(), sqlx::Error> {
        let names: Vec<String> = names.into_iter().collect();
        let statements = statements(connection, names.iter().map(|name| ("VIEW", name.as_str()))).await?;
        for (name, found) in names.into_iter().zip(statements) {
            let algorithm = found.as_ref().and_then(|found| algorithm(&text(found, 1)));
            if let Some(algorithm) = algorithm {
                self.algorithms.insert(name, algorithm);
            }
        }
        Ok(())
    }
}

/// The answers of SHOW CREATE for objects of a kind; absent where the server refuses one, for want of a privilege or because
/// the object has just gone.
pub(super) async fn statements<'a>(
    connection: &mut MySqlConnection,
    objects: impl Iterator<Item = (&'static str, &'a str)>,
) -> Result<Vec<Option<MySqlRow>>, sqlx::Error> {
    let statement = |(kind, name)| {
        let name = Identifier::parse(name, "name").ok()?;
        Some(format!("SHOW CREATE {kind} {}", name.backquoted()))
    };
    let statements: Vec<Option<String>> = objects.map(statement).collect();
    let mut answers = Vec::with_capacity(statements.len());
    while answers.len() < statements.len() {
        let rest = &statements[answers.len()..];
        let batch: Vec<&str> = rest.iter().map_while(Option::as_deref).take(BATCH).collect();
        if batch.is_empty() {
            answers.push(None);
            continue;
        }
        let mut rows = sqlx::raw_sql(AssertSqlSafe(batch.join("; "))).fetch(&mut *connection);
        loop {
            match rows.try_next().await {
                Ok(Some(found)) => answers.push(Some(found)),
                Ok(None) => break,
                // The server goes no further in a text of statements than to the first that it refuses.
                Err(sqlx::Error::Database(_)) => {
                    answers.push(None);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(answers)
}

/// Name and parser of a line that makes a full-text index with a parser. A comment that looks like one ends with a quote.
fn parser(line: &str) -> Option<(String, String)> {
    let (index, rest) = backquoted(line.strip_prefix("FULLTEXT KEY ")?)?;
    let rest = rest.trim_end_matches([',', ' ']).strip_suffix("*/")?;
    let start = rest.rfind("WITH PARSER ")? + "WITH PARSER ".len();
    let (parser, _) = backquoted(&rest[start..])?;
    Some((index, parser))
}

/// The period of a line such as PERIOD FOR `p` (`a`, `b`). The one of system versioning has no quotes and shows in its columns.
fn period(line: &str) -> Option<TimePeriod> {
    let (name, rest) = backquoted(line.strip_prefix("PERIOD FOR ")?)?;
    let (start_column, rest) = backquoted(rest.strip_prefix(" (")?)?;
    let (end_column, _) = backquoted(rest.strip_prefix(", ")?)?;
    Some(TimePeriod { name, start_column, end_column })
}

/// Whether a condition has the shape that MariaDB gives the check of a period: `a` < `b`.
fn compares_columns(condition: &str) -> bool {
    let compared = backquoted(condition).and_then(|(_, rest)| backquoted(rest.strip_prefix(" < ")?));
    compared.is_some_and(|(_, rest)| rest.is_empty())
}

fn algorithm(statement: &str) -> Option<String> {
    let rest = statement.strip_prefix("CREATE ALGORITHM=")?;
    rest.split(' ').next().map(str::to_owned)
}

/// Takes a name in backquotes off the start of a text.
pub(super) fn backquoted(text: &str) -> Option<(String, &str)> {
    let rest = text.strip_prefix('`')?;
    let mut name = String::new();
    let mut letters = rest.char_indices().peekable();
    while let Some((index, letter)) = letters.next() {
        if letter != '`' {
            name.push(letter);
        } else if letters.peek().is_some_and(|(_, next)| *next == '`') {
            letters.next();
            name.push('`');
        } else {
            return Some((name, &rest[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parser_is_told_from_a_comment_that_looks_like_one() {
        let line = "FULLTEXT KEY `a``b` (`x`,`y`) COMMENT 'c' /*!50100 WITH PARSER `ngram` */ ,";
        assert_eq!(parser(line), Some(("a`b".to_owned(), "ngram".to_owned())));
        for line in [
            "FULLTEXT KEY `a` (`x`)",
            "FULLTEXT KEY `a` (`x`) COMMENT '/*!50100 WITH PARSER `ngram` */',",
            "KEY `a` (`x`) /*!50100 WITH PARSER `ngram` */",
            "FULLTEXT KEY `a",
        ] {
            assert_eq!(parser(line), None, "{line}");
        }
    }

    #[test]
    fn a_period_is_read_with_its_columns() {
        let found = period("PERIOD FOR `of``use` (`from`, `to`),").unwrap();
        assert_eq!(
            (found.name.as_str(), found.start_column.as_str(), found.end_column.as_str()),
            ("of`use", "from", "to")
        );
        assert_eq!(period("PERIOD FOR SYSTEM_TIME (`s`, `e`)"), None);
        assert!(compares_columns("`a` < `b`") && !compares_columns("`a` < `b` + 1") && !compares_columns("`a` < 1"));
    }

    #[test]
    fn the_algorithm_of_a_view_is_its_first_word() {
        assert_eq!(algorithm("CREATE ALGORITHM=MERGE DEFINER=`a`@`b` VIEW `v`").as_deref(), Some("MERGE"));
        assert_eq!(algorithm("CREATE VIEW `v`"), None);
    }
}
