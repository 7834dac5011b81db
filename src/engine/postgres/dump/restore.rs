//! Restores into a new or an empty database, and takes away what a failed or killed restore left.

use std::path::PathBuf;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use super::{PostgresDump, tools};
use crate::{
    engine::{
        dump::{DumpReader, RestoreTarget},
        postgres::{
            MAX_NAME_BYTES,
            connect::{Dialer, operation_name},
            failure,
        },
        tool::{RunningTool, ToolRun},
    },
    model::{Error, OperationId, Reason, Result, name::Identifier},
};

/// Begin of the comment on a database that a restore has made and not finished.
const MARK: &str = "dbkeeper restore in progress: ";
/// Database that every cluster has, for work on the registered one itself.
const MAINTENANCE_DATABASE: &str = "postgres";
const TARGET: &str = "SELECT pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database \
    WHERE datname = $1::name";
/// Relations, functions and types of users. Those of extensions that a template brought do not count.
const CONTENT: &str = "SELECT pg_catalog.format('%I.%I', n.nspname, o.name) FROM ( \
        SELECT oid, 'pg_catalog.pg_class'::regclass AS catalog, relname AS name, relnamespace AS schema \
        FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') \
        UNION ALL SELECT oid, 'pg_catalog.pg_proc'::regclass, proname, pronamespace FROM pg_catalog.pg_proc \
        UNION ALL SELECT oid, 'pg_catalog.pg_type'::regclass, typname, typnamespace FROM pg_catalog.pg_type \
        WHERE typtype IN ('e', 'd', 'r')) o \
    JOIN pg_catalog.pg_namespace n ON n.oid = o.schema \
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = o.catalog AND e.objid = o.oid AND e.deptype = 'e') \
    ORDER BY 1 LIMIT 3";
const MAY_CREATE_HERE: &str = "SELECT pg_catalog.has_database_privilege(current_database(), 'CREATE') \
    AND coalesce((SELECT pg_catalog.has_schema_privilege(oid, 'CREATE') FROM pg_catalog.pg_namespace \
                  WHERE nspname = 'public'), true)";
const MAY_CREATE_DATABASES: &str =
    "SELECT rolcreatedb OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user";
const ENCODING: &str = "SELECT pg_catalog.pg_encoding_to_char(encoding)::text, datcollate::text, datctype::text \
    FROM pg_catalog.pg_database WHERE datname = current_database()";
const WORKERS: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE datname = $1::name \
    AND application_name LIKE 'dbkeeper operation/%')";

impl PostgresDump {
    pub(super) async fn check_target(&self, database: &str) -> Result<RestoreTarget> {
        let name = database_name(database)?;
        let mut connection = self.maintenance(database).dial().await?;
        let outcome = self.look_at_target(&mut connection, &name).await;
        let _ = connection.close().await;
        outcome
    }

    async fn look_at_target(&self, connection: &mut PgConnection, name: &Identifier) -> Result<RestoreTarget> {
        let failed = |error| failure::classify(error, &self.dialer.place);
        let Some(mark) = read_mark(connection, name).await.map_err(failed)? else {
            let allowed: bool = sqlx::query_scalar(MAY_CREATE_DATABASES).fetch_one(connection).await.map_err(failed)?;
            if allowed {
                return Ok(RestoreTarget::New);
            }
            let user = super::super::capability::quoted(&self.dialer.place.username);
            let statement = format!("ALTER ROLE {user} CREATEDB");
            return Err(self.privilege_missing("may not create a database".to_owned(), &statement));
        };
        if mark.starts_with(MARK) {
            let query = sqlx::query_scalar(WORKERS).bind(name.as_str()).fetch_one(connection).await;
            if query.map_err(failed)? {
                let text = format!("another restore into {:?} is running; wait for it", name.as_str());
                return Err(Error::new(Reason::DatabaseBusy, text));
            }
            return Ok(RestoreTarget::Empty);
        }
        self.look_inside(name).await?;
        Ok(RestoreTarget::Empty)
    }

    /// Refuses a database with objects, or one in which the user may not make any.
    async fn look_inside(&self, name: &Identifier) -> Result<()> {
        let dialer = self.dialer.for_database(name.as_str());
        let mut connection = dialer.dial().await?;
        let outcome = async {
            let content: Vec<String> = sqlx::query_scalar(CONTENT).fetch_all(&mut connection).await?;
            let allowed: bool = sqlx::query_scalar(MAY_CREATE_HERE).fetch_one(&mut connection).await?;
            Ok((content, allowed))
        }
        .await;
        let _ = connection.close().await;
        let (content, allowed) = outcome.map_err(|error| failure::classify(error, &dialer.place))?;
        if !content.is_empty() {
            let text = format!(
                "the database {:?} is not empty: it has {}; restore into a new database or empty this one",
                name.as_str(),
                content.join(", ")
            );
            return Err(Error::target_not_empty(name.as_str(), text));
        }
        if !allowed {
            let user = super::super::capability::quoted(&self.dialer.place.username);
            let statement = format!(
                "GRANT CREATE ON DATABASE {} TO {user}; GRANT CREATE ON SCHEMA public TO {user}",
                name.double_quoted()
            );
            return Err(self.privilege_missing(format!("may not create objects in {:?}", name.as_str()), &statement));
        }
        Ok(())
    }

    pub(super) async fn discard(&self, operation: &OperationId, database: &str) -> Result<bool> {
        let name = database_name(database)?;
        let dialer = self.maintenance(database);
        dialer.end_sessions(&operation_name(operation)).await?;
        let mut connection = dialer.dial().await?;
        let unfinished = unfinished_database(operation)?;
        let outcome = async {
            // The server was killed before the database had its mark and its name.
            if read_mark(&mut connection, &unfinished).await?.is_some() {
                drop_database(&mut connection, &unfinished).await?;
                return Ok(true);
            }
            if read_mark(&mut connection, &name).await? != Some(mark_of(operation)) {
                return Ok(false);
            }
            drop_database(&mut connection, &name).await?;
            Ok(true)
        }
        .await;
        let _ = connection.close().await;
        outcome.map_err(|error| failure::classify(error, &dialer.place))
    }

    /// A database from which another one can be made or dropped.
    fn maintenance(&self, database: &str) -> Dialer {
        if self.dialer.place.database == database {
            return self.dialer.for_database(MAINTENANCE_DATABASE);
        }
        self.dialer.clone()
    }
}

/// One restore.
pub(super) struct Restore<'a> {
    pub(super) dump: &'a PostgresDump,
    pub(super) program: PathBuf,
    pub(super) operation: &'a OperationId,
    pub(super) database: &'a str,
}

impl Restore<'_> {
    pub(super) async fn run(
        &self,
        target: RestoreTarget,
        input: DumpReader,
        cancellation: CancellationToken,
    ) -> Result<()> {
        let name = database_name(self.database)?;
        let made = self.make_database(&name, target).await?;
        let outcome = self.fill(made, input, &cancellation).await;
        let outcome = match outcome {
            Ok(()) if made => self.clear_mark(&name).await,
            other => other,
        };
        if let Err(error) = outcome {
            // What was made must be gone when the error is told; a failure of that is told beside it.
            return Err(match self.dump.discard(self.operation, self.database).await {
                Ok(_) => error,
                Err(more) => error.with_metadata("cleanup", more.to_string()),
            });
        }
        Ok(())
    }

    /// Makes the database where it is new, or was left behind by a dead restore, and marks it. True where it was made.
    async fn make_database(&self, name: &Identifier, target: RestoreTarget) -> Result<bool> {
        let unfinished = unfinished_database(self.operation)?;
        let dialer = self.dump.maintenance(self.database);
        let mut connection = dialer.dial().await?;
        let outcome = async {
            let left_behind = read_mark(&mut connection, name).await?.is_some_and(|mark| mark.starts_with(MARK));
            if target == RestoreTarget::Empty && !left_behind {
                return Ok(false);
            }
            if left_behind {
                drop_database(&mut connection, name).await?;
            }
            let created = create_database(&mut connection, name, &unfinished, self.operation).await;
            if created.is_err() {
                drop_database(&mut connection, &unfinished).await?;
            }
            created.map(|()| true)
        }
        .await;
        let _ = connection.close().await;
        outcome.map_err(|error| failure::classify(error, &dialer.place))
    }

    async fn fill(&self, made: bool, input: DumpReader, cancellation: &CancellationToken) -> Result<()> {
        let dialer = self.dump.dialer.for_database(self.database);
        let mut run = tools::connected(self.program.clone(), &dialer, &operation_name(self.operation))
            .await?
            .argument("--exit-on-error")
            .argument("--no-owner")
            .argument("--no-privileges")
            .argument(tools::database_argument(self.database))
            .with_stdin();
        if !made {
            run = run.argument("--single-transaction");
        }
        let tool = run.start()?;
        tokio::select! {
            outcome = feed(tool, input) => outcome,
            () = cancellation.cancelled() => Err(Error::cancelled()),
        }
    }

    async fn clear_mark(&self, name: &Identifier) -> Result<()> {
        let dialer = self.dump.maintenance(self.database);
        let mut connection = dialer.dial().await?;
        let sql = format!("COMMENT ON DATABASE {} IS NULL", name.double_quoted());
        let outcome = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await;
        let _ = connection.close().await;
        outcome.map(|_| ()).map_err(|error| failure::classify(error, &dialer.place))
    }
}

/// Reads a dump whole without a database.
pub(super) async fn decode(program: PathBuf, input: DumpReader) -> Result<()> {
    let tool = ToolRun::new(program).argument("--file=/dev/null").with_stdin().start()?;
    feed(tool, input).await.map_err(|error| match error.reason() {
        Reason::ToolFailed => {
            let text = format!("pg_restore cannot read the dump: {}; take a new backup", error.message());
            Error::new(Reason::BackupCorrupt, text)
        }
        _ => error,
    })
}

/// Gives a tool its input and waits for its end. Where both fail, the tool's own words tell why; where only the input fails,
/// the tool is killed, so that it cannot take a part of the dump for the whole.
async fn feed(mut tool: RunningTool, mut input: DumpReader) -> Result<()> {
    let Some(mut stdin) = tool.stdin.take() else {
        return Err(Error::internal("a tool was started without an input"));
    };
    let copied = async {
        tokio::io::copy_buf(&mut tokio::io::BufReader::with_capacity(256 * 1024, &mut input), &mut stdin).await?;
        stdin.shutdown().await
    };
    match copied.await {
        Ok(()) => {
            drop(stdin);
            tool.finish().await
        }
        Err(cause) if cause.kind() == std::io::ErrorKind::BrokenPipe => {
            drop(stdin);
            tool.finish().await
        }
        Err(cause) => {
            tool.kill().await;
            Err(Error::new(Reason::BackupCorrupt, "the dump cannot be read to its end").caused_by(cause))
        }
    }
}

fn database_name(database: &str) -> Result<Identifier> {
    let usable = database.len() <= MAX_NAME_BYTES && !database.contains(char::is_control);
    if !usable || database.starts_with("template") {
        return Err(Error::invalid_field(
            "target_database",
            "must be 1 to 63 bytes without control characters, and no template",
        ));
    }
    Identifier::parse(database, "target_database")
}

/// Name of the database of a restore until it is marked. PostgreSQL cuts longer names, so the operation is hashed.
fn unfinished_database(operation: &OperationId) -> Result<Identifier> {
    let hash = blake3::hash(operation.as_str().as_bytes()).to_hex();
    Identifier::parse(&format!("dbkeeper restore {}", &hash[..32]), "operation")
}

fn mark_of(operation: &OperationId) -> String {
    format!("{MARK}{operation}")
}

/// The comment of a database, empty without one; absent where there is no such database.
async fn read_mark(connection: &mut PgConnection, name: &Identifier) -> Result<Option<String>, sqlx::Error> {
    let row = sqlx::query(TARGET).bind(name.as_str()).fetch_optional(connection).await?;
    Ok(row.map(|row| row.get::<Option<String>, _>(0).unwrap_or_default()))
}

/// Makes a database with a mark. It has another name until it is marked, so that there is no moment in which a kill would leave
/// one that nobody can tell from a user's.
async fn create_database(
    connection: &mut PgConnection,
    name: &Identifier,
    unfinished: &Identifier,
    operation: &OperationId,
) -> Result<(), sqlx::Error> {
    let row = sqlx::query(ENCODING).fetch_one(&mut *connection).await?;
    let literal = |column: usize| format!("'{}'", row.get::<String, _>(column).replace('\'', "''"));
    let (unfinished, name) = (unfinished.double_quoted(), name.double_quoted());
    let create = format!(
        "CREATE DATABASE {unfinished} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}",
        literal(0),
        literal(1),
        literal(2)
    );
    let mark = format!("COMMENT ON DATABASE {unfinished} IS '{}'", mark_of(operation));
    let publish = format!("ALTER DATABASE {unfinished} RENAME TO {name}");
    // One call each: PostgreSQL makes databases outside of transactions only.
    for statement in [create, mark, publish] {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn drop_database(connection: &mut PgConnection, name: &Identifier) -> Result<(), sqlx::Error> {
    let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", name.double_quoted());
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(|_| ())
}
