//! Takes and restores dumps with mariadb-dump and mariadb, or with mysqldump and mysql.
//!
//! A dump is the SQL of one database without its name, so that it can be restored under another one, and begins with a line
//! of ours that tells the character set of the database. The positions in the binary log are left out: they need
//! RELOAD and a lock on all tables, and matter only to recovery to a point in time.
//!
//! Views, triggers, routines and events keep their DEFINER, as they must for the copy to behave as the original. A user who
//! restores those of others needs SET USER (MariaDB) or SET_USER_ID (MySQL); without it the restore fails, says so, and
//! takes away what it made. Tables of engines without transactions are dumped as they are at their turn.

mod mark;
mod restore;
mod running;
mod scan;
pub(super) mod tools;

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, MySqlConnection};
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use self::{mark::MARK_TABLE, restore::Restorer, running::MysqlDump, scan::Scanner, tools::Tool};
use super::{capability, database::MysqlDatabase, row};
use crate::{
    engine::{
        Dump, RunningDump,
        dump::{Chunking, DumpPlan, DumpReader, RestoreTarget},
    },
    model::{
        Error, OperationId, Reason, Result,
        backup::{BackupFormat, TableCount},
        name::Identifier,
    },
};

/// How the line of ours begins that tells the character set of the database.
const FIRST_LINE: &str = "-- dbkeeper: ";

#[async_trait]
impl Dump for MysqlDatabase {
    async fn plan_dump(&self) -> Result<DumpPlan> {
        let tool = Tool::find(tools::dump_tool(&self.server), &self.tool_directories).await?;
        capability::require_dump(self).await?;
        let mut lease = self.lease().await?;
        let size = "SELECT CAST(COALESCE(SUM(DATA_LENGTH), 0) AS SIGNED) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?";
        let size = sqlx::query(size).bind(&self.settings().database).fetch_one(&mut *lease).await;
        let size = size.and_then(|size| row::number(&size, 0)).map_err(|cause| self.failed(cause))?;
        lease.give_back().await;
        Ok(DumpPlan {
            format: BackupFormat::MysqlSql,
            tool: tool.version,
            estimated_size: u64::try_from(size).unwrap_or(0),
            chunking: Chunking::ContentDefined,
        })
    }

    async fn start_dump(
        &self,
        operation: &OperationId,
        cancellation: CancellationToken,
    ) -> Result<Box<dyn RunningDump>> {
        let tool = Tool::find(tools::dump_tool(&self.server), &self.tool_directories).await?;
        let first_line = self.first_line().await?;
        let definitions = running::read_definitions(&self.connector).await?;
        let database = &self.settings().database;
        let mut run = tool.run(&self.connector).await?;
        for argument in [
            "--single-transaction",
            "--quick",
            "--routines",
            "--triggers",
            "--events",
            "--hex-blob",
            "--skip-lock-tables",
            "--skip-add-locks",
            "--no-tablespaces",
            // The same database gives the same bytes, so that a later backup stores little.
            "--skip-dump-date",
        ] {
            run = run.argument(argument);
        }
        if !tool.is_mariadb {
            run = run.argument("--set-gtid-purged=OFF");
        }
        run = run.argument(format!("--ignore-table={database}.{MARK_TABLE}")).argument("--").argument(database);
        let running = run.start()?;
        tracing::info!(operation = %operation, tool = tool.version, "dump started");
        Ok(Box::new(MysqlDump::new(self.connector.clone(), running, definitions, first_line, cancellation)?))
    }

    async fn check_restore(&self, database: &str) -> Result<RestoreTarget> {
        self.restorer().check(database, &capability::Grants::read(self).await?).await
    }

    async fn restore(
        &self,
        operation: &OperationId,
        database: &str,
        target: RestoreTarget,
        input: DumpReader,
        cancellation: CancellationToken,
    ) -> Result<()> {
        // In a task of its own, so that a caller who goes away cancels it and it still takes away what it made.
        let gone = cancellation.child_token();
        let _cancel_when_dropped = gone.clone().drop_guard();
        let (restorer, operation, database) = (self.restorer(), operation.clone(), database.to_owned());
        let work = async move { restorer.restore(&operation, &database, target, input, gone).await };
        tokio::spawn(work).await.map_err(Error::internal)?
    }

    async fn discard_restore(&self, operation: &OperationId, database: &str) -> Result<bool> {
        self.restorer().discard(operation, database).await
    }

    async fn count_rows(&self, database: &str) -> Result<Vec<TableCount>> {
        let database = Identifier::parse(database, "database")?;
        // Counting large tables takes longer than a catalog query may.
        let (mut connection, _) = self.connector.dial().await?;
        let counts = count_rows(&mut connection, &database).await;
        let _ = sqlx::Connection::close(connection).await;
        counts.map_err(|cause| self.failed(cause))
    }

    async fn decode(&self, mut input: DumpReader) -> Result<()> {
        let mut scanner = Scanner::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = input.read(&mut buffer).await.map_err(restore::input_failed)?;
            if count == 0 {
                break;
            }
            scanner.read(&buffer[..count]);
        }
        scanner
            .finish()
            .map(drop)
            .map_err(|flaw| Error::new(Reason::BackupCorrupt, format!("the dump cannot be read: {}", flaw.as_str())))
    }
}

impl MysqlDatabase {
    fn restorer(&self) -> Restorer {
        Restorer {
            connector: self.connector.clone(),
            server: self.server.clone(),
            tool_directories: self.tool_directories.clone(),
        }
    }

    async fn first_line(&self) -> Result<String> {
        let mut lease = self.lease().await?;
        let sql = "SELECT @@character_set_database, @@collation_database";
        let answer = sqlx::query(sql).fetch_one(&mut *lease).await.map_err(|cause| self.failed(cause))?;
        lease.give_back().await;
        let value = |index| row::text(&answer, index).map_err(|cause| self.failed(cause));
        Ok(format!("{FIRST_LINE}character_set={} collation={}\n", value(0)?, value(1)?))
    }
}

/// All counts are of one moment, for tables that have transactions.
async fn count_rows(connection: &mut MySqlConnection, database: &Identifier) -> Result<Vec<TableCount>, sqlx::Error> {
    sqlx::raw_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT").execute(&mut *connection).await?;
    let tables = "SELECT TABLE_NAME FROM information_schema.TABLES \
                  WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND TABLE_SCHEMA = ?";
    let tables = sqlx::query(tables).bind(database.as_str()).fetch_all(&mut *connection).await?;
    let mut counts = Vec::with_capacity(tables.len());
    for found in &tables {
        let table = row::text(found, 0)?;
        if table == MARK_TABLE {
            continue;
        }
        let quoted = table.replace('`', "``");
        let sql = format!("SELECT CAST(COUNT(*) AS SIGNED) FROM {}.`{quoted}`", database.backquoted());
        let count = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut *connection).await?;
        let rows = u64::try_from(row::number(&count, 0)?).unwrap_or(0);
        counts.push(TableCount { schema: String::new(), table, rows });
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await?;
    counts.sort_unstable();
    Ok(counts)
}
