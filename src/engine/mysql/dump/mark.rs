//! The mark that a restore leaves in its target until it has ended well: a table whose comment tells the operation.
//!
//! Its name is always the same, so that of two restores into one database the second cannot make it.

use sqlx::{AssertSqlSafe, MySqlConnection};

use crate::{
    engine::mysql::{error, row},
    model::{Error, OperationId, Reason, Result, connection::ConnectionSettings, name::Identifier},
};

/// Name of the table.
pub(super) const MARK_TABLE: &str = "dbkeeper_restore";

/// What the mark of a database tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Operation that restores.
    pub(super) operation: OperationId,
    /// The operation has made the database, so it goes with the restore.
    pub(super) made_database: bool,
}

impl Mark {
    fn comment(&self) -> String {
        format!("dbkeeper restores operation={} made_database={}", self.operation, self.made_database)
    }

    fn parse(comment: &str) -> Option<Self> {
        let rest = comment.strip_prefix("dbkeeper restores operation=")?;
        let (operation, made_database) = rest.split_once(" made_database=")?;
        Some(Self { operation: OperationId::from_stored(operation.to_owned()), made_database: made_database == "true" })
    }

    /// Marks a database, which must not be marked.
    pub(super) async fn set(
        &self,
        connection: &mut MySqlConnection,
        database: &Identifier,
        settings: &ConnectionSettings,
    ) -> Result<()> {
        let comment = self.comment();
        let sql = format!(
            "CREATE TABLE {}.`{MARK_TABLE}` (operation VARCHAR(63)) ENGINE = InnoDB COMMENT = '{comment}'",
            database.backquoted()
        );
        match sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await {
            Ok(_) => Ok(()),
            Err(cause) if error::vendor_code(&cause) == Some(1050) => Err(Error::new(
                Reason::DatabaseBusy,
                format!("another restore into {:?} has just begun; wait for its end", database.as_str()),
            )),
            Err(cause) => Err(error::while_using(cause, settings)),
        }
    }

    /// The mark of a database, where it has one.
    pub(super) async fn find(
        connection: &mut MySqlConnection,
        database: &Identifier,
    ) -> Result<Option<Self>, sqlx::Error> {
        let sql = "SELECT TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?";
        let found = sqlx::query(sql).bind(database.as_str()).bind(MARK_TABLE).fetch_optional(connection).await?;
        match found {
            Some(found) => Ok(Self::parse(&row::text(&found, 0)?)),
            None => Ok(None),
        }
    }

    /// Takes the mark away.
    pub(super) async fn clear(connection: &mut MySqlConnection, database: &Identifier) -> Result<(), sqlx::Error> {
        let sql = format!("DROP TABLE {}.`{MARK_TABLE}`", database.backquoted());
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
    }
}

/// An object of a database, with the statement that drops it.
pub(super) struct Object {
    pub(super) name: String,
    drop: String,
}

/// All objects of a database but the mark. Triggers go with their tables.
pub(super) async fn objects(
    connection: &mut MySqlConnection,
    database: &Identifier,
) -> Result<Vec<Object>, sqlx::Error> {
    let sql = "SELECT TABLE_NAME, CASE TABLE_TYPE WHEN 'VIEW' THEN 'VIEW' WHEN 'SEQUENCE' THEN 'SEQUENCE' ELSE 'TABLE' END \
               FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? \
               UNION ALL SELECT ROUTINE_NAME, ROUTINE_TYPE FROM information_schema.ROUTINES \
               WHERE ROUTINE_TYPE <> 'PACKAGE BODY' AND ROUTINE_SCHEMA = ? \
               UNION ALL SELECT EVENT_NAME, 'EVENT' FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ?";
    let name = database.as_str();
    let rows = sqlx::query(sql).bind(name).bind(name).bind(name).fetch_all(connection).await?;
    let mut objects = Vec::with_capacity(rows.len());
    for found in &rows {
        let (name, kind) = (row::text(found, 0)?, row::text(found, 1)?);
        if name == MARK_TABLE {
            continue;
        }
        let drop = format!("DROP {kind} IF EXISTS {}.`{}`", database.backquoted(), name.replace('`', "``"));
        objects.push(Object { name, drop });
    }
    Ok(objects)
}

/// Drops everything in a database, its mark last, so that a clean-up that is killed can be repeated.
pub(super) async fn empty(connection: &mut MySqlConnection, database: &Identifier) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("SET SESSION foreign_key_checks = 0").execute(&mut *connection).await?;
    for object in objects(connection, database).await? {
        sqlx::raw_sql(AssertSqlSafe(object.drop)).execute(&mut *connection).await?;
    }
    Mark::clear(connection, database).await
}
