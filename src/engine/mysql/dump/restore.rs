//! Restores a dump into a new or an empty database, and takes away what a failed or killed restore left.

use std::{io, path::PathBuf};

use sqlx::{AssertSqlSafe, Connection, MySqlConnection};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio_util::sync::CancellationToken;

use super::{
    FIRST_LINE,
    mark::{self, Mark},
    scan::Scanner,
    tools::{self, Tool},
};
use crate::{
    engine::{
        dump::{DumpReader, RestoreTarget},
        mysql::{
            capability::{Grants, RESTORE_PRIVILEGES},
            connect::Connector,
            error,
            named_lock::LockName,
            row,
            server::Server,
        },
        tool,
        tool::RunningTool,
    },
    model::{Error, OperationId, Reason, Result, name::Identifier},
};

/// Databases of the server itself.
const SYSTEM_DATABASES: &[&str] = &["mysql", "information_schema", "performance_schema", "sys"];
/// A first line longer than this is none of ours.
const FIRST_LINE_LENGTH: u64 = 256;

/// Restores dumps on one server.
#[derive(Clone)]
pub(super) struct Restorer {
    pub(super) connector: Connector,
    pub(super) server: Server,
    pub(super) tool_directories: Vec<PathBuf>,
}

impl Restorer {
    /// Whether a database can be restored into.
    pub(super) async fn check(&self, database: &str, grants: &Grants) -> Result<RestoreTarget> {
        let name = parse_target(database)?;
        tool::find(tools::client_tool(&self.server), &self.tool_directories)?;
        grants.require(database, RESTORE_PRIVILEGES)?;

        let (mut connection, _) = self.connector.dial().await?;
        let found = self.look_at(&mut connection, &name).await;
        let _ = connection.close().await;
        found
    }

    async fn look_at(&self, connection: &mut MySqlConnection, database: &Identifier) -> Result<RestoreTarget> {
        let failed = |cause| self.failed(cause);
        if !exists(connection, database).await.map_err(failed)? {
            return Ok(RestoreTarget::New);
        }
        if let Some(mark) = Mark::find(connection, database).await.map_err(failed)? {
            let at_work = LockName::worker(&mark.operation).holder(connection).await.map_err(failed)?;
            return match at_work {
                None => Ok(RestoreTarget::Empty),
                Some(_) => Err(Error::new(
                    Reason::DatabaseBusy,
                    format!("operation {} restores into {:?} now; wait for its end", mark.operation, database.as_str()),
                )),
            };
        }
        let objects = mark::objects(connection, database).await.map_err(failed)?;
        let Some(first) = objects.first() else {
            return Ok(RestoreTarget::Empty);
        };
        Err(Error::target_not_empty(
            database.as_str(),
            format!(
                "database {:?} holds {} objects, such as {:?}; restore into a new or an empty database",
                database.as_str(),
                objects.len(),
                first.name
            ),
        ))
    }

    /// Restores, and takes away what was made where it does not end well.
    pub(super) async fn restore(
        &self,
        operation: &OperationId,
        database: &str,
        target: RestoreTarget,
        input: DumpReader,
        cancellation: CancellationToken,
    ) -> Result<()> {
        let database = parse_target(database)?;
        let tool = Tool::find(tools::client_tool(&self.server), &self.tool_directories).await?;
        let mut input = BufReader::new(input);
        let options = read_database_options(&mut input).await?;

        let (mut connection, _) = self.connector.dial().await?;
        match target {
            RestoreTarget::New => self.create(&mut connection, operation, &database, &options).await?,
            RestoreTarget::Empty => self.take_empty(&mut connection, operation, &database).await?,
        }
        let outcome = self.feed(&tool, operation, &database, &mut input, &cancellation).await;
        let _ = connection.close().await;

        // A session of its own: the one above was idle for as long as the restore took.
        let Err(error) = outcome else {
            let (mut connection, _) = self.connector.dial().await?;
            let cleared = Mark::clear(&mut connection, &database).await;
            let _ = connection.close().await;
            return cleared.map_err(|cause| self.failed(cause));
        };
        if let Err(cause) = self.discard(operation, database.as_str()).await {
            tracing::warn!(error = %cause, operation = %operation, "leftovers of a restore cannot be removed now");
        }
        Err(error)
    }

    /// Makes the database and marks it. Between the two statements MariaDB's comment on the database is the mark.
    async fn create(
        &self,
        connection: &mut MySqlConnection,
        operation: &OperationId,
        database: &Identifier,
        options: &str,
    ) -> Result<()> {
        let name = database.backquoted();
        let comments = self.server.mariadb_from(10, 5);
        let comment = if comments { format!(" COMMENT '{}'", database_comment(operation)) } else { String::new() };
        let sql = format!("CREATE DATABASE {name}{options}{comment}");
        match sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await {
            Ok(_) => {}
            Err(cause) if error::vendor_code(&cause) == Some(1007) => {
                return Err(Error::target_not_empty(
                    database.as_str(),
                    format!("database {:?} was made by somebody else meanwhile; check again", database.as_str()),
                ));
            }
            Err(cause) => return Err(self.failed(cause)),
        }
        let mark = Mark { operation: operation.clone(), made_database: true };
        mark.set(connection, database, &self.connector.settings).await?;
        if comments {
            let sql = format!("ALTER DATABASE {name} COMMENT ''");
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map_err(|cause| self.failed(cause))?;
        }
        Ok(())
    }

    /// Marks an empty database, after the leftovers of a dead restore were taken away.
    async fn take_empty(
        &self,
        connection: &mut MySqlConnection,
        operation: &OperationId,
        database: &Identifier,
    ) -> Result<()> {
        self.look_at(connection, database).await?;
        let failed = |cause| self.failed(cause);
        if Mark::find(connection, database).await.map_err(failed)?.is_some() {
            mark::empty(connection, database).await.map_err(failed)?;
        }
        let mark = Mark { operation: operation.clone(), made_database: false };
        mark.set(connection, database, &self.connector.settings).await
    }

    /// Feeds the dump to the client and waits for its end.
    async fn feed(
        &self,
        tool: &Tool,
        operation: &OperationId,
        database: &Identifier,
        input: &mut (impl AsyncReadExt + Unpin),
        cancellation: &CancellationToken,
    ) -> Result<()> {
        let lock = LockName::worker(operation);
        let mut client = tool
            .run(&self.connector)
            .await?
            // In binary mode the client knows no commands but DELIMITER, so that a dump cannot make it run programs or read
            // files, and the sandbox line of newer dumps is a comment to it.
            .argument("--binary-mode")
            .argument(format!("--init-command=DO GET_LOCK('{}', 0)", lock.as_str()))
            .argument("--")
            .argument(database.as_str())
            .with_stdin()
            .start()?;
        let mut scanner = Scanner::new();
        let fed = tokio::select! {
            fed = copy(&mut client, input, &mut scanner) => fed,
            () = cancellation.cancelled() => Err(Error::cancelled()),
        };
        let whole = fed.and_then(|fed| match fed {
            // The client's own words tell more than that it closed its input.
            Fed::ClientGone => Ok(()),
            Fed::Whole => scanner.finish().map(drop).map_err(|flaw| {
                Error::new(Reason::BackupCorrupt, format!("the dump cannot be restored: {}", flaw.as_str()))
            }),
        });
        if let Err(error) = whole {
            // Its input must not end first: the client would take that for the end of the dump.
            client.kill().await;
            return Err(error);
        }
        tokio::select! {
            ended = client.finish() => ended.map_err(worded),
            () = cancellation.cancelled() => Err(Error::cancelled()),
        }
    }

    /// Takes away what a restore left, where it is marked.
    pub(super) async fn discard(&self, operation: &OperationId, database: &str) -> Result<bool> {
        let database = parse_target(database)?;
        let (mut connection, _) = self.connector.dial().await?;
        let discarded = discard(&mut connection, operation, &database, self.server.mariadb_from(10, 5)).await;
        let _ = connection.close().await;
        discarded.map_err(|cause| self.failed(cause))
    }

    fn failed(&self, cause: sqlx::Error) -> Error {
        error::while_using(cause, &self.connector.settings)
    }
}

async fn discard(
    connection: &mut MySqlConnection,
    operation: &OperationId,
    database: &Identifier,
    comments: bool,
) -> Result<bool, sqlx::Error> {
    LockName::worker(operation).end_holder(connection).await?;
    let drop_database = format!("DROP DATABASE {}", database.backquoted());
    match Mark::find(connection, database).await? {
        Some(mark) if mark.operation != *operation => Ok(false),
        Some(Mark { made_database: false, .. }) => mark::empty(connection, database).await.map(|()| true),
        Some(_) => sqlx::raw_sql(AssertSqlSafe(drop_database)).execute(connection).await.map(|_| true),
        None if comments => {
            let sql = "SELECT SCHEMA_NAME, SCHEMA_COMMENT FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?";
            let found = sqlx::query(sql).bind(database.as_str()).fetch_optional(&mut *connection).await?;
            match found {
                Some(found) if row::text(&found, 1)? == database_comment(operation) => {
                    sqlx::raw_sql(AssertSqlSafe(drop_database)).execute(connection).await.map(|_| true)
                }
                _ => Ok(false),
            }
        }
        None => Ok(false),
    }
}

fn database_comment(operation: &OperationId) -> String {
    format!("dbkeeper restores operation={operation}")
}

/// How feeding the client ended.
enum Fed {
    /// All of the dump was taken.
    Whole,
    /// The client ended first.
    ClientGone,
}

async fn copy(client: &mut RunningTool, input: &mut (impl AsyncReadExt + Unpin), scanner: &mut Scanner) -> Result<Fed> {
    let Some(stdin) = client.stdin.as_mut() else {
        return Ok(Fed::ClientGone);
    };
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = input.read(&mut buffer).await.map_err(input_failed)?;
        if count == 0 {
            return Ok(Fed::Whole);
        }
        scanner.read(&buffer[..count]);
        if stdin.write_all(&buffer[..count]).await.is_err() {
            return Ok(Fed::ClientGone);
        }
    }
}

/// A reader of ours wraps its errors; others are faults of the machine.
pub(super) fn input_failed(cause: io::Error) -> Error {
    cause.downcast::<Error>().unwrap_or_else(Error::internal)
}

/// Adds what to do to the client's words, where it is known.
fn worded(error: Error) -> Error {
    if !error.message().contains("ERROR 1227") {
        return error;
    }
    let hint =
        "grant SET USER (MariaDB) or SET_USER_ID (MySQL) to the user of the connection, or restore as the definer";
    Error::new(
        Reason::PrivilegeMissing,
        format!("the dump holds views, triggers or routines of another definer: {}; {hint}", error.message()),
    )
    .with_metadata("hint", hint)
    .caused_by(error)
}

fn parse_target(database: &str) -> Result<Identifier> {
    let usable = (1..=64).contains(&database.chars().count())
        && !database.contains(['/', '\\', '.'])
        && !database.ends_with(' ')
        && !SYSTEM_DATABASES.iter().any(|system| system.eq_ignore_ascii_case(database));
    if !usable {
        let text = "must be 1 to 64 characters without '/', '\\' and '.', and not a database of the server itself";
        return Err(Error::invalid_field("target_database", text));
    }
    Identifier::parse(database, "target_database")
}

async fn exists(connection: &mut MySqlConnection, database: &Identifier) -> Result<bool, sqlx::Error> {
    let sql = "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?";
    Ok(sqlx::query(sql).bind(database.as_str()).fetch_optional(connection).await?.is_some())
}

/// Takes our own first line off a dump and makes the options of CREATE DATABASE of it; empty where it has none.
async fn read_database_options(input: &mut BufReader<DumpReader>) -> Result<String> {
    let begins_with_ours = input.fill_buf().await.map_err(input_failed)?.starts_with(FIRST_LINE.as_bytes());
    if !begins_with_ours {
        return Ok(String::new());
    }
    let mut line = String::new();
    (&mut *input).take(FIRST_LINE_LENGTH).read_line(&mut line).await.map_err(input_failed)?;
    Ok(database_options(line.trim_end()))
}

/// Names of character sets are letters, digits and underscores; anything else is left out.
fn database_options(line: &str) -> String {
    let word = |key: &str| {
        let value = line.split(' ').find_map(|part| part.strip_prefix(key))?;
        let plain = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        plain.then_some(value)
    };
    match (word("character_set="), word("collation=")) {
        (Some(character_set), Some(collation)) => format!(" CHARACTER SET {character_set} COLLATE {collation}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::database_options;

    #[test]
    fn only_plain_names_of_character_sets_become_sql() {
        let line = "-- dbkeeper: character_set=utf8mb4 collation=utf8mb4_bin";
        assert_eq!(database_options(line), " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
        assert_eq!(database_options("-- dbkeeper: character_set=a;DROP collation=b"), "");
    }
}
