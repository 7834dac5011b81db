//! Dumps by `VACUUM INTO`: a copy of one moment, also of a database that is written to meanwhile.
//!
//! The copy is checked and counted before its first byte is handed out, so that the figures are those of the copy. It
//! holds what the database holds; the journal mode is a matter of the file and is not in it, and rowids of tables
//! without an INTEGER PRIMARY KEY may be others.

use std::num::NonZeroUsize;

use async_trait::async_trait;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio_util::sync::CancellationToken;

use super::{
    SCHEMA, SqliteDatabase, catalog,
    connect::{self, Limits, set_limits},
    error::{self, from_io, from_sqlx},
    path::DatabasePath,
    scratch::{self, ScratchFile},
};
use crate::{
    engine::{
        Dump, DumpReport, RunningDump,
        dump::{Chunking, DumpPlan, DumpReader, RestoreTarget},
    },
    model::{
        Error, OperationId, Reason, Result,
        backup::{BackupFormat, TableCount},
        name::Identifier,
        schema::TableKind,
    },
};

/// Bytes of a chunk: 16 pages of the usual size, and a whole number of pages of every size that SQLite knows.
const CHUNK: NonZeroUsize = NonZeroUsize::new(64 * 1024).unwrap();

#[async_trait]
impl Dump for SqliteDatabase {
    async fn plan_dump(&self) -> Result<DumpPlan> {
        let mut lease = self.pool.lease("cannot read the size of the database").await?;
        let used = sqlx::query_scalar::<_, i64>(
            "SELECT (page_count - freelist_count) * page_size
             FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
        )
        .fetch_one(&mut *lease)
        .await;
        let used = used.map_err(|error| from_sqlx(error, "cannot read the size of the database"))?;
        lease.give_back().await;
        Ok(DumpPlan {
            format: BackupFormat::SqliteFile,
            tool: format!("SQLite {} VACUUM INTO", self.server.version),
            estimated_size: u64::try_from(used).unwrap_or(0),
            chunking: Chunking::Fixed(CHUNK),
        })
    }

    async fn start_dump(
        &self,
        operation: &OperationId,
        cancellation: CancellationToken,
    ) -> Result<Box<dyn RunningDump>> {
        let source = self.path()?;
        source.find()?;
        let copy = ScratchFile::create(scratch::path(&self.options.scratch_directory, operation))
            .map_err(|cause| from_io(cause, "cannot make the scratch file of the dump"))?;
        // Ends the statement when the caller's future is dropped.
        let stop = cancellation.child_token();
        let _stop_on_drop = stop.clone().drop_guard();

        let mut connection = connect::open(&source, |path| connect::options(path, self.pool_busy_timeout())).await?;
        let copied = copy_into(&mut connection, &copy, &stop).await;
        let _ = connection.close().await;
        copied.map_err(|error| damaged_source(error, &stop))?;

        let table_counts = inspect_copy(&copy, &stop).await.map_err(|fault| match fault {
            CopyFault::Pages(found) => source_damaged(&found),
            CopyFault::Query(error) => damaged_source(error, &stop),
        })?;
        let file = tokio::fs::File::open(copy.path())
            .await
            .map_err(|cause| from_io(cause, "cannot read the scratch file of the dump"))?;
        // From here on the file has no name: it ends with its reader, even where the server is killed.
        drop(copy);
        Ok(Box::new(SqliteDump { reader: Some(Box::new(file)), report: DumpReport { table_counts } }))
    }

    async fn end_dump(&self, _operation: &OperationId) -> Result<()> {
        // The statement ran in the process that was killed.
        Ok(())
    }

    async fn check_restore(&self, database: &str) -> Result<RestoreTarget> {
        self.check_target(&self.target_path(database)?).await
    }

    async fn restore(
        &self,
        operation: &OperationId,
        database: &str,
        target: RestoreTarget,
        input: DumpReader,
        cancellation: CancellationToken,
    ) -> Result<()> {
        self.restore_file(operation, &self.target_path(database)?, target, input, cancellation).await
    }

    async fn discard_restore(&self, operation: &OperationId, database: &str) -> Result<bool> {
        self.discard_file(operation, &self.target_path(database)?)
    }

    async fn count_rows(&self, database: &str) -> Result<Vec<TableCount>> {
        let place = self.target_path(database)?;
        let mut connection =
            connect::open(&place, |path| connect::reading_options(path, self.pool_busy_timeout())).await?;
        let counts = count(&mut connection).await;
        let _ = connection.close().await;
        counts.map_err(|error| from_sqlx(error, "cannot count the rows"))
    }

    async fn decode(&self, input: DumpReader) -> Result<()> {
        let copy = ScratchFile::create(scratch::path(&self.options.scratch_directory, &OperationId::generate()))
            .map_err(|cause| from_io(cause, "cannot make a scratch file"))?;
        let stop = CancellationToken::new();
        let _stop_on_drop = stop.clone().drop_guard();
        copy.fill(input, &stop).await?;
        inspect_copy(&copy, &stop).await.map(drop).map_err(|fault| fault.into_corrupt_dump(&stop))
    }
}

impl SqliteDatabase {
    /// Longest wait for a lock of others.
    pub(super) fn pool_busy_timeout(&self) -> std::time::Duration {
        self.settings.pool.statement_timeout
    }

    fn target_path(&self, database: &str) -> Result<DatabasePath> {
        DatabasePath::parse_field(&self.options.sqlite_root, &self.account, database)
    }
}

/// A dump whose bytes are ready.
struct SqliteDump {
    reader: Option<DumpReader>,
    report: DumpReport,
}

#[async_trait]
impl RunningDump for SqliteDump {
    fn take_reader(&mut self) -> DumpReader {
        self.reader.take().unwrap_or_else(|| Box::new(tokio::io::empty()))
    }

    async fn finish(self: Box<Self>) -> Result<DumpReport> {
        Ok(self.report)
    }
}

async fn copy_into(
    connection: &mut SqliteConnection,
    copy: &ScratchFile,
    stop: &CancellationToken,
) -> Result<(), sqlx::Error> {
    set_limits(connection, Limits::cancelled_by(stop), None).await?;
    let path = copy.path().to_string_lossy().into_owned();
    sqlx::query("VACUUM main INTO ?1").bind(path).execute(connection).await.map(drop)
}

/// Why a copy is not good.
pub(super) enum CopyFault {
    /// `integrity_check` found something.
    Pages(String),
    /// It could not be read.
    Query(sqlx::Error),
}

impl CopyFault {
    /// The dump that the copy was made from is damaged.
    pub(super) fn into_corrupt_dump(self, stop: &CancellationToken) -> Error {
        match self {
            Self::Pages(found) => Error::new(Reason::BackupCorrupt, format!("the dump is damaged: {found}")),
            Self::Query(error) if stop.is_cancelled() && error::is_interrupted(&error) => Error::cancelled(),
            Self::Query(error) if error::is_damaged(&error) => {
                Error::new(Reason::BackupCorrupt, format!("the dump is damaged: {}", error::message(&error)))
                    .caused_by(error)
            }
            Self::Query(error) => from_sqlx(error, "cannot check the dump"),
        }
    }
}

/// Checks every page and index of a copy and counts its rows.
pub(super) async fn inspect_copy(copy: &ScratchFile, stop: &CancellationToken) -> Result<Vec<TableCount>, CopyFault> {
    let mut connection =
        connect::reading_options(copy.path(), LOCAL_BUSY_TIMEOUT).connect().await.map_err(CopyFault::Query)?;
    let outcome = inspect_open_copy(&mut connection, stop).await;
    let _ = connection.close().await;
    outcome
}

/// Nobody else knows the scratch file.
const LOCAL_BUSY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(1);

async fn inspect_open_copy(
    connection: &mut SqliteConnection,
    stop: &CancellationToken,
) -> Result<Vec<TableCount>, CopyFault> {
    set_limits(connection, Limits::cancelled_by(stop), None).await.map_err(CopyFault::Query)?;
    let findings: Vec<String> = sqlx::query_scalar("SELECT integrity_check FROM pragma_integrity_check LIMIT 3")
        .fetch_all(&mut *connection)
        .await
        .map_err(CopyFault::Query)?;
    if findings != ["ok"] {
        return Err(CopyFault::Pages(findings.join("; ")));
    }
    count(connection).await.map_err(CopyFault::Query)
}

/// Rows of each ordinary table, in one read transaction.
async fn count(connection: &mut SqliteConnection) -> Result<Vec<TableCount>, sqlx::Error> {
    let mut snapshot = connection.begin().await?;
    let mut counts = Vec::new();
    for relation in catalog::relations(&mut snapshot, None).await? {
        if relation.kind != TableKind::Table {
            continue;
        }
        let Ok(name) = Identifier::parse(&relation.name, "table") else {
            continue;
        };
        let sql = format!("SELECT count(*) FROM main.{}", name.double_quoted());
        let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut *snapshot).await?;
        counts.push(TableCount {
            schema: SCHEMA.to_owned(),
            table: relation.name,
            rows: u64::try_from(rows).unwrap_or(0),
        });
    }
    Ok(counts)
}

fn source_damaged(found: &str) -> Error {
    Error::new(
        Reason::ToolFailed,
        format!("the database is damaged and was not dumped: {found}; repair it or restore an earlier backup"),
    )
}

fn damaged_source(error: sqlx::Error, stop: &CancellationToken) -> Error {
    if stop.is_cancelled() && error::is_interrupted(&error) {
        return Error::cancelled();
    }
    if error::is_damaged(&error) {
        return source_damaged(&error::message(&error)).caused_by(error);
    }
    from_sqlx(error, "cannot copy the database")
}
