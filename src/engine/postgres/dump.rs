//! Dumps with pg_dump and restores with pg_restore.
//!
//! A restored object belongs to the user who restores, and grants are left out (`--no-owner`, `--no-privileges`): the roles of
//! the source need not exist on the target's server. A new database is made from template0 and carries a comment with the
//! operation until the restore has ended well. An empty one is filled in one transaction, so that it is empty after a failure.

mod counts;
mod restore;
mod running;
mod tools;

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use sqlx::Connection;
use tokio_util::sync::CancellationToken;

use self::{restore::Restore, running::PostgresDump as RunningPostgresDump, tools::Tools};
use super::{
    connect::{Dialer, operation_name},
    database::Leases,
    failure, pooler,
};
use crate::{
    engine::{
        Dump, EngineOptions, RunningDump,
        dump::{Chunking, DumpPlan, DumpReader, RestoreTarget},
    },
    model::{
        Detail, Error, OperationId, Reason, Result,
        backup::{BackupFormat, TableCount},
        connection::ServerInfo,
    },
};

/// Bytes of the tables, and how many of them the user may not read. A lock of another makes the size unknown, no error.
const DUMP_SIZE: &str = "SELECT coalesce(sum(pg_catalog.pg_table_size(c.oid)), 0)::int8 FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";
const UNREADABLE: &str = "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
    AND NOT (pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')) \
    ORDER BY 1 LIMIT 3";

/// The dumps of one database.
pub(super) struct PostgresDump {
    dialer: Dialer,
    leases: Arc<Leases>,
    server: ServerInfo,
    tools: Tools,
}

impl PostgresDump {
    pub(super) fn new(dialer: Dialer, leases: Arc<Leases>, server: ServerInfo, options: &EngineOptions) -> Self {
        let tools = Tools::new(options.tool_directories.clone(), server.version_number.0);
        Self { dialer, leases, server, tools }
    }

    /// pg_dump with its version, fit for the server.
    pub(super) async fn find_pg_dump(&self) -> Result<(PathBuf, String)> {
        self.tools.find("pg_dump").await
    }

    /// pg_restore with its version, fit for the server.
    pub(super) async fn find_pg_restore(&self) -> Result<(PathBuf, String)> {
        self.tools.find("pg_restore").await
    }

    /// Whether a dump can be taken: the tool and the privileges.
    pub(super) async fn check_dump(&self) -> Result<()> {
        self.find_pg_dump().await?;
        self.size_and_privileges().await.map(|_| ())
    }

    async fn size_and_privileges(&self) -> Result<u64> {
        let mut transaction = self.leases.begin().await?;
        let unreadable = sqlx::query_scalar(UNREADABLE).fetch_all(transaction.connection()).await;
        let unreadable: Vec<String> = unreadable.map_err(|error| transaction.failure(error))?;
        let size = sqlx::query_scalar::<_, i64>(DUMP_SIZE).fetch_one(transaction.connection()).await.unwrap_or(0);
        transaction.commit().await?;
        if unreadable.is_empty() {
            return Ok(u64::try_from(size).unwrap_or(0));
        }
        Err(self.privilege_missing(format!("may not read {}", unreadable.join(", ")), &self.read_grant()))
    }

    fn read_grant(&self) -> String {
        let user = super::capability::quoted(&self.dialer.place.username);
        if self.server.version_number.0 >= 14 {
            return format!("GRANT pg_read_all_data TO {user}");
        }
        format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}")
    }

    fn privilege_missing(&self, what: String, statement: &str) -> Error {
        let user = &self.dialer.place.username;
        Error::new(Reason::PrivilegeMissing, format!("user {user:?} {what}; as a superuser run: {statement}"))
            .with_metadata("hint", statement)
            .with(Detail::Precondition { kind: "PRIVILEGE", subject: user.clone(), description: statement.to_owned() })
    }
}

#[async_trait]
impl Dump for PostgresDump {
    async fn plan_dump(&self) -> Result<DumpPlan> {
        pooler::refuse(self.server.pooler)?;
        let (_, tool) = self.find_pg_dump().await?;
        Ok(DumpPlan {
            format: BackupFormat::PgCustom,
            tool,
            estimated_size: self.size_and_privileges().await?,
            chunking: Chunking::ContentDefined,
        })
    }

    async fn start_dump(
        &self,
        operation: &OperationId,
        cancellation: CancellationToken,
    ) -> Result<Box<dyn RunningDump>> {
        pooler::refuse(self.server.pooler)?;
        let (program, _) = self.find_pg_dump().await?;
        let dump = RunningPostgresDump::start(&self.dialer, program, operation, cancellation).await?;
        Ok(Box::new(dump))
    }

    async fn end_dump(&self, operation: &OperationId) -> Result<()> {
        self.dialer.end_sessions(&operation_name(operation)).await
    }

    async fn check_restore(&self, database: &str) -> Result<RestoreTarget> {
        pooler::refuse(self.server.pooler)?;
        self.find_pg_restore().await?;
        self.check_target(database).await
    }

    async fn restore(
        &self,
        operation: &OperationId,
        database: &str,
        target: RestoreTarget,
        input: DumpReader,
        cancellation: CancellationToken,
    ) -> Result<()> {
        pooler::refuse(self.server.pooler)?;
        let (program, _) = self.find_pg_restore().await?;
        let restore = Restore { dump: self, program, operation, database };
        restore.run(target, input, cancellation).await
    }

    async fn discard_restore(&self, operation: &OperationId, database: &str) -> Result<bool> {
        self.discard(operation, database).await
    }

    async fn count_rows(&self, database: &str) -> Result<Vec<TableCount>> {
        let dialer = self.dialer.for_database(database);
        let mut connection = dialer.dial().await?;
        let outcome = async {
            counts::begin_snapshot(&mut connection).await?;
            counts::count(&mut connection).await
        }
        .await;
        let _ = connection.close().await;
        outcome.map_err(|error| failure::classify(error, &dialer.place))
    }

    async fn decode(&self, input: DumpReader) -> Result<()> {
        let program = self.tools.newest("pg_restore").await?;
        restore::decode(program, input).await
    }
}
