//! Makes the statements of a script ready to run.

use crate::model::{
    Error, Reason, Result,
    migration::{Dialect, MigrationScript, Statement},
};

use super::splitter;

/// The statements of a script in order. In one transaction with its history row a script must not end that transaction
/// itself: a BEGIN and COMMIT around the whole of it say what is done anyway and are left out, any other is refused.
pub fn statements(script: &MigrationScript, dialect: Dialect, in_transaction: bool) -> Result<Vec<Statement>> {
    let mut statements = splitter::split(dialect, &script.sql, script.first_line)
        .map_err(|error| refused(script, error.line, error.column, &error.message))?;
    if !in_transaction {
        return Ok(statements);
    }
    let framed = statements.len() > 1
        && statements.first().is_some_and(|first| control(&first.text) == Some(Control::Begin))
        && statements.last().is_some_and(|last| control(&last.text) == Some(Control::Commit));
    if framed {
        statements.remove(0);
        statements.pop();
    }
    match statements.iter().find(|statement| control(&statement.text).is_some()) {
        Some(statement) => Err(refused(
            script,
            statement.line,
            statement.column,
            "the migration runs in one transaction and must not begin or end one; take this statement out, or \
             add the line `-- dbkeeper: no-transaction` before the first statement",
        )),
        None => Ok(statements),
    }
}

fn refused(script: &MigrationScript, line: u32, column: u32, message: &str) -> Error {
    Error::new(Reason::MigrationFileInvalid, format!("{}:{line}:{column}: {message}", script.file))
        .with_metadata("file", &script.file)
        .with_metadata("line", line.to_string())
        .with_metadata("column", column.to_string())
}

/// A statement that begins or ends a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Control {
    Begin,
    Commit,
    Rollback,
}

fn control(statement: &str) -> Option<Control> {
    let mut words =
        statement.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let first = words.next()?.to_ascii_uppercase();
    let mut second_is = |expected: &str| words.any(|word| word.eq_ignore_ascii_case(expected));
    match first.as_str() {
        "BEGIN" => Some(Control::Begin),
        "START" if second_is("TRANSACTION") => Some(Control::Begin),
        "COMMIT" | "END" => Some(Control::Commit),
        // A ROLLBACK TO a savepoint stays inside the transaction.
        "ROLLBACK" if second_is("TO") => None,
        "ROLLBACK" | "ABORT" => Some(Control::Rollback),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(sql: &str) -> MigrationScript {
        MigrationScript { file: "1_a.sql".to_owned(), first_line: 5, sql: sql.to_owned(), transactional: true }
    }

    fn texts(sql: &str, in_transaction: bool) -> Vec<String> {
        let statements = statements(&script(sql), Dialect::Postgresql, in_transaction).expect("it can be run");
        statements.into_iter().map(|statement| statement.text).collect()
    }

    #[test]
    fn a_transaction_around_the_whole_is_left_out() {
        for (begin, end) in [("BEGIN", "COMMIT"), ("begin transaction", "end"), ("START TRANSACTION", "commit work")] {
            let sql = format!("{begin};\nSELECT 1;\n{end};");
            assert_eq!(texts(&sql, true), ["SELECT 1"]);
            assert_eq!(texts(&sql, false).len(), 3, "without a transaction of ours it is the script's own");
        }
        assert_eq!(texts("SAVEPOINT a; ROLLBACK TO SAVEPOINT a; SELECT 1", true).len(), 3);
    }

    #[test]
    fn transaction_control_inside_is_refused_with_its_place() {
        for sql in
            ["SELECT 1;\n  COMMIT;\nSELECT 2", "BEGIN; SELECT 1;\n  ROLLBACK;", "SELECT 1;\n  BEGIN;", "\n  abort"]
        {
            let error = statements(&script(sql), Dialect::Postgresql, true).expect_err(sql);
            assert_eq!(error.reason(), Reason::MigrationFileInvalid);
            assert!(error.message().starts_with("1_a.sql:"), "{error}");
        }
        let error = statements(&script("SELECT 1;\n  COMMIT;"), Dialect::Postgresql, true).expect_err("a COMMIT");
        assert_eq!((error.metadata("line"), error.metadata("column")), (Some("6"), Some("3")));
    }

    #[test]
    fn what_cannot_be_cut_is_refused_with_its_place() {
        let error = statements(&script("SELECT 1;\nSELECT 'x"), Dialect::Postgresql, true).expect_err("not closed");
        assert_eq!((error.metadata("file"), error.metadata("line")), (Some("1_a.sql"), Some("6")));
    }
}
