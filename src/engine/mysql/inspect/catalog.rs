//! The catalog queries and their rows, as the server gives them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, MySqlConnection, mysql::MySqlRow};

use super::{
    creation::{self, Creations},
    sequence, table_kind,
};
use crate::{
    engine::mysql::{
        row,
        server::Server,
        source::{CATALOG_LOCK_TIMEOUT, limit_lock_waits},
    },
    model::schema::{SequenceOptions, TableKind},
};

/// How long tables that are locked get, so that most definitions that are made just then come to their end.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);

/// Which tables are read.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    /// This one.
    Table(&'a str),
    /// Those from the first to the last name in code-point order.
    Between(&'a str, &'a str),
}

/// What is read.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    /// The database.
    pub(super) schema: &'a str,
    /// Its tables.
    pub(super) part: Part<'a>,
}

impl Scope<'_> {
    /// Rows of a query that ends with its condition on the schema; `column` names the table in it. Both servers test the
    /// condition on the name before they open a table, and go straight to a single one, however many others there are.
    pub(super) async fn rows(
        self,
        connection: &mut MySqlConnection,
        sql: &'static str,
        column: &str,
    ) -> Result<Vec<MySqlRow>, sqlx::Error> {
        match self.part {
            Part::Table(name) => {
                let sql = AssertSqlSafe(format!("{sql} AND {column} = ?"));
                sqlx::query(sql).bind(self.schema).bind(name).fetch_all(connection).await
            }
            Part::Between(first, last) => {
                let range = format!("CAST({column} AS BINARY) BETWEEN CAST(? AS BINARY) AND CAST(? AS BINARY)");
                let sql = AssertSqlSafe(format!("{sql} AND {range}"));
                sqlx::query(sql).bind(self.schema).bind(first).bind(last).fetch_all(connection).await
            }
        }
    }
}

/// The rows of all catalog queries.
pub(super) struct Catalog {
    pub(super) tables: Vec<MySqlRow>,
    pub(super) columns: Vec<MySqlRow>,
    pub(super) spatial_systems: Vec<MySqlRow>,
    pub(super) indexes: Vec<MySqlRow>,
    pub(super) key_columns: Vec<MySqlRow>,
    pub(super) referential_actions: Vec<MySqlRow>,
    pub(super) checks: Vec<MySqlRow>,
    pub(super) triggers: Vec<MySqlRow>,
    pub(super) views: Vec<MySqlRow>,
    pub(super) partitions: Vec<MySqlRow>,
    pub(super) grants: Vec<MySqlRow>,
    /// Sequences by name.
    pub(super) sequences: BTreeMap<String, SequenceOptions>,
    /// What only the CREATE statements of some tables tell.
    pub(super) creations: Creations,
    pub(super) mariadb: bool,
}

impl Catalog {
    /// Absent where another took a lock in the middle, so that a part of the rows may be missing; it is to be read anew then.
    pub(super) async fn read(
        connection: &mut MySqlConnection,
        server: &Server,
        scope: Scope<'_>,
    ) -> Result<Option<Self>, sqlx::Error> {
        let patience = Patience::begin(connection, server).await?;
        let tables = tables(connection, scope).await?;
        let locked = tables.iter().filter(|relation| is_unreadable(relation)).count();
        if locked == 0 {
            patience.end(connection).await?;
        }
        let catalog = Reader { connection, server, scope, locked, complete: true }.read(tables).await?;
        if locked > 0 {
            patience.end(connection).await?;
        }
        Ok(catalog)
    }
}

/// How long a session waits for tables that others have locked. At first it does not wait for each of them but once for all,
/// because there may be many; where none is locked any more, later queries wait for one that gets locked meanwhile.
///
/// MySQL answers from its dictionary, which no lock on a table hinders, and knows no wait of 0.
pub(super) struct Patience {
    limited: bool,
}

impl Patience {
    pub(super) async fn begin(connection: &mut MySqlConnection, server: &Server) -> Result<Self, sqlx::Error> {
        let limited = server.is_mariadb();
        if limited {
            limit_lock_waits(connection, 0).await?;
        }
        Ok(Self { limited })
    }

    pub(super) async fn end(&self, connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
        if self.limited {
            limit_lock_waits(connection, CATALOG_LOCK_TIMEOUT.as_secs()).await?;
        }
        Ok(())
    }
}

/// Rows of tables; where one cannot be opened they are read once more a little later.
pub(super) async fn tables(connection: &mut MySqlConnection, scope: Scope<'_>) -> Result<Vec<MySqlRow>, sqlx::Error> {
    const SQL: &str = include_str!("catalog/tables.sql");
    let found = scope.rows(connection, SQL, "TABLE_NAME").await?;
    if !found.iter().any(is_unreadable) {
        return Ok(found);
    }
    tokio::time::sleep(PATIENCE).await;
    scope.rows(connection, SQL, "TABLE_NAME").await
}

struct Reader<'a> {
    connection: &'a mut MySqlConnection,
    server: &'a Server,
    scope: Scope<'a>,
    /// Tables that are known to be unreadable.
    locked: usize,
    complete: bool,
}

impl Reader<'_> {
    async fn read(mut self, tables: Vec<MySqlRow>) -> Result<Option<Catalog>, sqlx::Error> {
        let columns = self.rows(columns_query(self.server), "TABLE_NAME").await?;
        let spatial_systems = if self.server.is_mariadb() && columns.iter().any(is_spatial) {
            self.rows(include_str!("catalog/geometry_columns.sql"), "F_TABLE_NAME").await?
        } else {
            Vec::new()
        };
        let indexes = self.rows(indexes_query(self.server), "TABLE_NAME").await?;
        let checks = match checks_query(self.server) {
            Some(sql) => self.rows(sql, "TABLE_NAME").await?,
            None => Vec::new(),
        };
        let key_columns = self.rows(include_str!("catalog/key_columns.sql"), "TABLE_NAME").await?;
        let referential_actions = self.rows(include_str!("catalog/referential_actions.sql"), "TABLE_NAME").await?;
        let triggers = self.rows(include_str!("catalog/triggers.sql"), "EVENT_OBJECT_TABLE").await?;
        let views = match tables.iter().any(|relation| kind(relation) == Some(TableKind::View)) {
            true => self.rows(views_query(self.server), "TABLE_NAME").await?,
            false => Vec::new(),
        };
        let partitions = match tables.iter().any(|relation| text(relation, 5).contains("partitioned")) {
            true => self.rows(include_str!("catalog/partitions.sql"), "TABLE_NAME").await?,
            false => Vec::new(),
        };
        let mut grants = self.rows(include_str!("catalog/table_grants.sql"), "TABLE_NAME").await?;
        grants.extend(self.rows(include_str!("catalog/column_grants.sql"), "TABLE_NAME").await?);
        if !self.complete {
            return Ok(None);
        }
        let sequences = sequence::read(self.connection, &names_of(&tables, TableKind::Sequence)).await?;
        let creations = creation::read(self.connection, self.server, &indexes, &checks, &views).await?;
        Ok(Some(Catalog {
            tables,
            columns,
            spatial_systems,
            indexes,
            key_columns,
            referential_actions,
            checks,
            triggers,
            views,
            partitions,
            grants,
            sequences,
            creations,
            mariadb: self.server.is_mariadb(),
        }))
    }

    /// Where a table cannot be opened in time, the servers leave its rows out with a warning. Only a query that took that long,
    /// or one that does not wait, can have met one.
    async fn rows(&mut self, sql: &'static str, column: &str) -> Result<Vec<MySqlRow>, sqlx::Error> {
        let began = Instant::now();
        let rows = self.scope.rows(self.connection, sql, column).await?;
        if self.locked > 0 || began.elapsed() >= CATALOG_LOCK_TIMEOUT {
            self.complete &= lock_warnings(self.connection).await? <= self.locked;
        }
        Ok(rows)
    }
}

/// How many tables the last query did not open because they were locked.
async fn lock_warnings(connection: &mut MySqlConnection) -> Result<usize, sqlx::Error> {
    const LOCK_WAIT_TIMEOUT: &str = "1205";
    // As text, in which every column can be read the same way.
    let warnings = sqlx::raw_sql("SHOW WARNINGS").fetch_all(connection).await?;
    Ok(warnings.iter().filter(|warning| text(warning, 1) == LOCK_WAIT_TIMEOUT).count())
}

/// Whether a table is there and cannot be opened. A view has no engine.
pub(super) fn is_unreadable(relation: &MySqlRow) -> bool {
    !matches!(kind(relation), None | Some(TableKind::View)) && text(relation, 2).is_empty()
}

fn kind(relation: &MySqlRow) -> Option<TableKind> {
    table_kind(&text(relation, 1))
}

fn names_of(tables: &[MySqlRow], wanted: TableKind) -> BTreeSet<String> {
    let of_kind = tables.iter().filter(|relation| kind(relation) == Some(wanted) && !is_unreadable(relation));
    of_kind.map(|relation| text(relation, 0)).collect()
}

fn is_spatial(column: &MySqlRow) -> bool {
    matches!(
        text(column, 10).as_str(),
        "geometry"
            | "point"
            | "linestring"
            | "polygon"
            | "multipoint"
            | "multilinestring"
            | "multipolygon"
            | "geometrycollection"
            | "geomcollection"
    )
}

pub(super) fn columns_query(server: &Server) -> &'static str {
    if server.mysql_from(8, 0) {
        include_str!("catalog/columns_mysql.sql")
    } else {
        include_str!("catalog/columns_mariadb.sql")
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

fn views_query(server: &Server) -> &'static str {
    if server.is_mariadb() {
        include_str!("catalog/views_mariadb.sql")
    } else {
        include_str!("catalog/views_mysql.sql")
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

/// The queries fix number and type of the columns, so a column that cannot be read is one without a value.
pub(super) fn text(row: &MySqlRow, index: usize) -> String {
    row::text(row, index).unwrap_or_default()
}

/// A whole number; see [`text`].
pub(super) fn integer(row: &MySqlRow, index: usize) -> i64 {
    row::number(row, index).unwrap_or(-1)
}
