//! The catalog queries and their rows, as the server gives them.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, MySqlConnection, mysql::MySqlRow};

use super::table_kind;
use crate::{
    engine::mysql::{row, server::Server},
    model::schema::{Skipped, TableKind, TableSummary},
};

/// What is read.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    /// The database.
    pub(super) schema: &'a str,
    /// One table of it; absent: all.
    pub(super) table: Option<&'a str>,
}

impl Scope<'_> {
    /// Rows of a query that ends with its condition on the schema; `column` names the table in it.
    async fn rows(
        self,
        connection: &mut MySqlConnection,
        sql: &'static str,
        column: &str,
    ) -> Result<Vec<MySqlRow>, sqlx::Error> {
        let Some(table) = self.table else {
            return sqlx::query(sql).bind(self.schema).fetch_all(connection).await;
        };
        // Both servers then look at this one table, however many others there are.
        let sql = AssertSqlSafe(format!("{sql} AND {column} = ?"));
        sqlx::query(sql).bind(self.schema).bind(table).fetch_all(connection).await
    }
}

/// The rows of all catalog queries.
pub(super) struct Catalog {
    /// Collation of the database, which columns that differ from it tell.
    pub(super) collation: String,
    pub(super) tables: Vec<MySqlRow>,
    pub(super) columns: Vec<MySqlRow>,
    pub(super) indexes: Vec<MySqlRow>,
    pub(super) key_columns: Vec<MySqlRow>,
    pub(super) referential_actions: Vec<MySqlRow>,
    pub(super) checks: Vec<MySqlRow>,
    pub(super) triggers: Vec<MySqlRow>,
    pub(super) views: Vec<MySqlRow>,
    pub(super) mariadb: bool,
}

impl Catalog {
    pub(super) async fn read(
        connection: &mut MySqlConnection,
        server: &Server,
        scope: Scope<'_>,
    ) -> Result<Self, sqlx::Error> {
        let collation = sqlx::query("SELECT @@collation_database").fetch_one(&mut *connection).await?;
        let checks = match checks_query(server) {
            Some(sql) => scope.rows(connection, sql, "TABLE_NAME").await?,
            None => Vec::new(),
        };
        Ok(Self {
            collation: row::text(&collation, 0)?,
            tables: scope.rows(connection, include_str!("catalog/tables.sql"), "TABLE_NAME").await?,
            columns: scope.rows(connection, include_str!("catalog/columns.sql"), "TABLE_NAME").await?,
            indexes: scope.rows(connection, indexes_query(server), "TABLE_NAME").await?,
            key_columns: scope.rows(connection, include_str!("catalog/key_columns.sql"), "TABLE_NAME").await?,
            referential_actions: scope
                .rows(connection, include_str!("catalog/referential_actions.sql"), "TABLE_NAME")
                .await?,
            checks,
            triggers: scope.rows(connection, include_str!("catalog/triggers.sql"), "EVENT_OBJECT_TABLE").await?,
            views: scope.rows(connection, include_str!("catalog/views.sql"), "TABLE_NAME").await?,
            mariadb: server.is_mariadb(),
        })
    }

    /// What the user may not see, though it is there.
    pub(super) fn skipped(&self, username: &str) -> Vec<Skipped> {
        let hidden = self.views.iter().filter(|view| row::text(view, 1).is_ok_and(|text| text.is_empty())).count();
        if hidden == 0 {
            return Vec::new();
        }
        vec![Skipped {
            subject: format!("definitions of {hidden} views"),
            reason: format!("the user {username:?} lacks SHOW VIEW"),
            remedy: format!("GRANT SHOW VIEW ON *.* TO '{}'@'%';", username.replace('\'', "''")),
        }]
    }
}

fn indexes_query(server: &Server) -> &'static str {
    if server.mariadb_from(10, 6) {
        include_str!("catalog/indexes_mariadb.sql")
    } else if server.mysql_from(8, 0) {
        include_str!("catalog/indexes_mysql.sql")
    } else {
        include_str!("catalog/indexes_old.sql")
    }
}

/// Absent where the server has no such view.
fn checks_query(server: &Server) -> Option<&'static str> {
    if server.mariadb_from(10, 5) {
        Some(include_str!("catalog/checks_mariadb.sql"))
    } else if server.mysql_from(8, 0) {
        Some(include_str!("catalog/checks_mysql.sql"))
    } else {
        None
    }
}

/// Names of the relations of one kind or of all, in code-point order.
pub(super) async fn names(
    connection: &mut MySqlConnection,
    schema: &str,
    kind: Option<TableKind>,
) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query(include_str!("catalog/names.sql")).bind(schema).fetch_all(connection).await?;
    let mut names = Vec::with_capacity(rows.len());
    for relation in &rows {
        let found = table_kind(&row::text(relation, 1)?);
        if found.is_some() && (kind.is_none() || kind == found) {
            names.push(row::text(relation, 0)?);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Summaries of the relations from `first` to `last`, in code-point order.
pub(super) async fn summaries(
    connection: &mut MySqlConnection,
    schema: &str,
    first: &str,
    last: &str,
) -> Result<Vec<TableSummary>, sqlx::Error> {
    let counted = sqlx::query(include_str!("catalog/column_counts.sql"))
        .bind(schema)
        .bind(first)
        .bind(last)
        .fetch_all(&mut *connection)
        .await?;
    let mut column_counts = BTreeMap::new();
    for count in &counted {
        column_counts.insert(row::text(count, 0)?, i32::try_from(row::number(count, 1)?).unwrap_or(i32::MAX));
    }
    const RANGE: &str = concat!(
        include_str!("catalog/tables.sql"),
        " AND CAST(TABLE_NAME AS BINARY) BETWEEN CAST(? AS BINARY) AND CAST(? AS BINARY)"
    );
    let rows = sqlx::query(RANGE).bind(schema).bind(first).bind(last).fetch_all(connection).await?;
    let mut summaries = Vec::with_capacity(rows.len());
    for relation in &rows {
        let Some(kind) = table_kind(&row::text(relation, 1)?) else { continue };
        let name = row::text(relation, 0)?;
        summaries.push(TableSummary {
            schema: schema.to_owned(),
            column_count: column_counts.get(&name).copied().unwrap_or(0),
            kind,
            row_estimate: row::number(relation, 7)?,
            data_size_bytes: row::number(relation, 8)?,
            index_size_bytes: row::number(relation, 9)?,
            comment: comment(kind, row::text(relation, 6)?),
            name,
        });
    }
    summaries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(summaries)
}

/// A view's comment is always the word VIEW, which nobody wrote.
pub(super) fn comment(kind: TableKind, text: String) -> String {
    if kind == TableKind::View { String::new() } else { text }
}
