//! The statements that make a file again: SQLite keeps the text of each, and they need only an order.

use async_trait::async_trait;
use sqlx::{Connection as _, Row, SqliteConnection};
use tokio::sync::mpsc;

use super::{
    super::{SCHEMA, SqliteDatabase, token::tokens},
    UNREADABLE, unreadable,
};
use crate::{
    engine::ReadDdl,
    model::{
        Result,
        schema::{DdlKind, DdlSelection, DdlStatement, DdlSubject, ObjectKind, Skipped},
    },
};

#[async_trait]
impl ReadDdl for SqliteDatabase {
    async fn stream_ddl(
        &self,
        selection: &DdlSelection,
        statements: mpsc::Sender<DdlStatement>,
    ) -> Result<Option<Vec<Skipped>>> {
        let mut lease = self.pool.lease(UNREADABLE).await?;
        let found = async {
            let mut snapshot = lease.begin().await?;
            let mut found = definitions(&mut snapshot).await?;
            let is_there = narrow(&mut found, &selection.subject);
            if selection.subject == DdlSubject::Database {
                found.splice(0..0, settings(&mut snapshot).await?);
            }
            snapshot.rollback().await?;
            Ok(is_there.then_some(found))
        };
        let found = found.await.map_err(unreadable)?;
        lease.give_back().await;
        let Some(found) = found else { return Ok(None) };
        for statement in found {
            if statements.send(statement).await.is_err() {
                break;
            }
        }
        Ok(Some(Vec::new()))
    }
}

/// All statements in their order.
async fn definitions(connection: &mut SqliteConnection) -> Result<Vec<DdlStatement>, sqlx::Error> {
    let rows: Vec<(String, String, String, String)> =
        sqlx::query_as(include_str!("../catalog/statements.sql")).fetch_all(connection).await?;
    let statement = |(word, name, table, sql): (String, String, String, String)| {
        let kind = match word.as_str() {
            "index" => DdlKind::Index,
            "view" => DdlKind::View,
            "trigger" => DdlKind::Trigger,
            _ => DdlKind::Table,
        };
        let belongs = matches!(kind, DdlKind::Index | DdlKind::Trigger);
        let table = if belongs { table } else { String::new() };
        DdlStatement { kind, schema: SCHEMA.to_owned(), name, table, sql: ended(&sql) }
    };
    Ok(rows.into_iter().map(statement).collect())
}

/// Keeps the statements that are asked for; false where one thing was and is not there. SQLite takes names that differ in the case
/// of ASCII letters for the same.
fn narrow(statements: &mut Vec<DdlStatement>, subject: &DdlSubject) -> bool {
    let is_main = |schema: &str| schema.eq_ignore_ascii_case(SCHEMA);
    match subject {
        DdlSubject::Database => true,
        DdlSubject::Schema(schema) => is_main(schema),
        DdlSubject::Table(name) => {
            let is_wanted = |found: &str| found.eq_ignore_ascii_case(name.name.as_str());
            let is_itself = |statement: &DdlStatement| {
                matches!(statement.kind, DdlKind::Table | DdlKind::View) && is_wanted(&statement.name)
            };
            statements.retain(|statement| is_itself(statement) || is_wanted(&statement.table));
            name.schema.as_ref().is_none_or(|schema| is_main(schema.as_str())) && statements.iter().any(is_itself)
        }
        DdlSubject::Object(object) => {
            let is_wanted = |statement: &DdlStatement| {
                object.kind == ObjectKind::Trigger
                    && statement.kind == DdlKind::Trigger
                    && statement.name.eq_ignore_ascii_case(object.name.name.as_str())
                    && object.table.as_ref().is_none_or(|table| statement.table.eq_ignore_ascii_case(table.as_str()))
            };
            statements.retain(is_wanted);
            object.name.schema.as_ref().is_none_or(|schema| is_main(schema.as_str())) && !statements.is_empty()
        }
    }
}

/// What the header of the file has that is not as in a new one.
async fn settings(connection: &mut SqliteConnection) -> Result<Vec<DdlStatement>, sqlx::Error> {
    let row = sqlx::query(include_str!("../catalog/file_settings.sql")).fetch_one(connection).await?;
    let encoding: String = row.try_get(0)?;
    let mut settings = Vec::new();
    if encoding != "UTF-8" {
        settings.push(("encoding", format!("'{encoding}'")));
    }
    for (place, name) in [(1, "auto_vacuum"), (2, "application_id"), (3, "user_version")] {
        let value: i64 = row.try_get(place)?;
        if value != 0 {
            settings.push((name, value.to_string()));
        }
    }
    let statement = |(name, value): (&str, String)| DdlStatement {
        kind: DdlKind::Setting,
        schema: SCHEMA.to_owned(),
        name: name.to_owned(),
        table: String::new(),
        sql: format!("PRAGMA {name} = {value};"),
    };
    Ok(settings.into_iter().map(statement).collect())
}

/// A text with its end. A comment behind the last word may run to the end of its line, and would take the semicolon in.
fn ended(sql: &str) -> String {
    let sql = sql.trim_end();
    let is_bare = tokens(sql).last().is_some_and(|last| last.end() == sql.len());
    if is_bare { format!("{sql};") } else { format!("{sql}\n;") }
}

#[cfg(test)]
mod tests {
    use super::ended;

    #[test]
    fn a_comment_at_the_end_does_not_take_the_semicolon_in() {
        assert_eq!(ended("CREATE VIEW v AS SELECT 1"), "CREATE VIEW v AS SELECT 1;");
        assert_eq!(ended("CREATE VIEW v AS SELECT 1 -- one"), "CREATE VIEW v AS SELECT 1 -- one\n;");
        assert_eq!(ended("CREATE VIEW v AS SELECT '--'\n"), "CREATE VIEW v AS SELECT '--';");
    }
}
