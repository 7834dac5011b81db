//! The ability to take a dump and to restore one.

use std::num::NonZeroUsize;

use async_trait::async_trait;
use tokio::io::AsyncRead;
use tokio_util::sync::CancellationToken;

use crate::model::{
    OperationId, Result,
    backup::{BackupFormat, TableCount},
};

/// The bytes of a dump.
pub type DumpReader = Box<dyn AsyncRead + Send + Unpin>;

/// How the bytes of a dump are best cut into chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunking {
    /// Where the content says.
    ContentDefined,
    /// Every so many bytes: for files whose pages stay where they are.
    Fixed(NonZeroUsize),
}

/// What a dump will be, known before it begins.
#[derive(Debug, Clone)]
pub struct DumpPlan {
    /// Format.
    pub format: BackupFormat,
    /// Tool with its version, for example `pg_dump 15.18`.
    pub tool: String,
    /// Bytes to expect, for the progress; 0: not known.
    pub estimated_size: u64,
    /// How to cut it.
    pub chunking: Chunking,
}

/// What a dump was, known when it has ended well.
#[derive(Debug, Clone)]
pub struct DumpReport {
    /// Rows of each table in the snapshot of the dump, by schema and table. Tables only, no views.
    pub table_counts: Vec<TableCount>,
}

/// Whether a database can be restored into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreTarget {
    /// It does not exist and will be made.
    New,
    /// It exists and has no tables, or only what a dead restore of ours left and marked.
    Empty,
}

/// Takes and restores dumps with the engine's own tools. Passwords reach the tools through inherited
/// file descriptors only. A tool that is missing is TOOL_MISSING with the package that has it.
#[async_trait]
pub trait Dump: Send + Sync {
    /// Checks the tools and what can be checked of the privileges, and says what a dump will be.
    async fn plan_dump(&self) -> Result<DumpPlan>;

    /// Begins a dump. Its tool's session carries the operation in its application name where the engine has one.
    async fn start_dump(
        &self,
        operation: &OperationId,
        cancellation: CancellationToken,
    ) -> Result<Box<dyn RunningDump>>;

    /// Ends the sessions of a dump whose server was killed. Its tool dies at its next write in any case, but one that waits for a
    /// lock would go on waiting, and then hold locks of its own, for nobody.
    async fn end_dump(&self, operation: &OperationId) -> Result<()>;

    /// Checks that `database` can be restored into: TARGET_NOT_EMPTY, TOOL_MISSING, PRIVILEGE_MISSING or INVALID_FIELD else.
    async fn check_restore(&self, database: &str) -> Result<RestoreTarget>;

    /// Restores into a new or an empty database. When it ends with an error it has taken away what it made: a database that
    /// was new is gone, one that was empty is empty again. Until it has ended well the target carries a mark of the operation.
    async fn restore(
        &self,
        operation: &OperationId,
        database: &str,
        target: RestoreTarget,
        input: DumpReader,
        cancellation: CancellationToken,
    ) -> Result<()>;

    /// Takes away what a restore that was killed left in `database`: only what carries the mark of that operation, after its
    /// sessions were ended. True where there was something.
    async fn discard_restore(&self, operation: &OperationId, database: &str) -> Result<bool>;

    /// Rows of each table of a database, by schema and table, counted now.
    async fn count_rows(&self, database: &str) -> Result<Vec<TableCount>>;

    /// Decodes a dump whole without a database, as far as the engine's tools can: BACKUP_CORRUPT where it cannot be read.
    async fn decode(&self, input: DumpReader) -> Result<()>;
}

/// A dump that is being taken.
#[async_trait]
pub trait RunningDump: Send {
    /// The bytes, to be read to the end. Owned, so that they can be read in another task; at most once.
    fn take_reader(&mut self) -> DumpReader;

    /// Waits for the tool after the end of the bytes. TOOL_FAILED with what the tool said where it did not end well, where
    /// its trailer is missing, or where the definitions changed during the dump. Only an Ok makes the bytes a dump.
    async fn finish(self: Box<Self>) -> Result<DumpReport>;
}
