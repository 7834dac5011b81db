//! Our own durable state: an embedded SQLite database in the data directory.
//!
//! One file a record type. The SQL is written so that it runs on PostgreSQL as well: `$1` placeholders; TEXT, BIGINT
//! and BLOB columns; times as microseconds since the epoch. One connection writes, several read; WAL keeps them apart.
//! A write is durable when its call returns (synchronous=FULL).

pub mod account;
pub mod api_key;
pub mod audit;
pub mod backup;
pub mod connection;
mod connection_cache;
pub mod connection_dependents;
pub mod connection_status;
pub mod connection_transition;
pub mod lint_settings;
pub mod master_key;
pub mod migration_set;
pub mod operation;
pub mod pending_credential;
pub mod request;
mod schema;
pub mod sealed;
pub mod server_key;
pub mod setting;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use sqlx::{
    Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use connection_cache::ConnectionCache;
use tokio::sync::watch;

use crate::model::{AccountId, Error, Reason, Result, audit::AuditPlace};

/// Connections that read at one time.
const READERS: u32 = 4;

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    reader: SqlitePool,
    writer: SqlitePool,
    connections: Arc<ConnectionCache>,
    audit_ends: Arc<Mutex<HashMap<AccountId, AuditPlace>>>,
    changes: Arc<watch::Sender<u64>>,
}

impl Store {
    /// Opens the store in a file, makes it where it is missing, and brings its schema to the version of this binary.
    /// A schema newer than the binary's is refused.
    pub async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10));
        // A connection is looked at when it is given back; a file does not go away while it rests, and each look at the thread
        // of a connection takes two changes of threads.
        let pool = |connections| {
            let options = SqlitePoolOptions::new().max_connections(connections).test_before_acquire(false);
            options.idle_timeout(None).max_lifetime(None)
        };
        let writer = pool(1).connect_with(options.clone()).await.map_err(|cause| open_failed(path, cause))?;
        schema::migrate(&writer).await?;
        sealed::guard(&writer).await?;
        let reader = pool(READERS).connect_lazy_with(options.read_only(true));
        Ok(Self { reader, writer, connections: Arc::default(), audit_ends: Arc::default(), changes: Arc::default() })
    }

    /// For queries that change nothing.
    fn reader(&self) -> &SqlitePool {
        &self.reader
    }

    /// For a single statement that changes something.
    fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    /// For several statements that change something together. Dropping it rolls back.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        const BEGIN: &str = "BEGIN IMMEDIATE";
        match self.writer.begin_with(BEGIN).await {
            // Where the disk is full, SQLite takes a transaction back by itself. The driver goes on to count it as open, and
            // begins no other one on that connection.
            Err(sqlx::Error::InvalidSavePointStatement) => {
                self.writer.acquire().await.map_err(failed)?.close().await.map_err(failed)?;
                self.writer.begin_with(BEGIN).await.map_err(failed)
            }
            begun => begun.map_err(failed),
        }
    }

    /// Closes every connection; the WAL is folded into the file.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

fn open_failed(path: &Path, cause: sqlx::Error) -> Error {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Error::new(
        Reason::StoreUnavailable,
        format!(
            "the store {name} in the data directory cannot be opened; check that it is readable, writable and whole"
        ),
    )
    .caused_by(cause)
}

/// Turns a failure of the store into the error of the caller.
fn failed(cause: sqlx::Error) -> Error {
    if cause.as_database_error().is_some_and(|error| error.message().contains(sealed::RETIRED)) {
        return Error::new(
            Reason::MasterKeyRotated,
            "the master key was rotated while this call ran, and nothing was changed; repeat the call",
        )
        .caused_by(cause);
    }
    let full = cause.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "13");
    if full {
        return Error::new(
            Reason::StorageFull,
            "the disk of dbkeeper's data directory is full; free some space, then repeat the call",
        )
        .caused_by(cause);
    }
    Error::new(Reason::StoreUnavailable, "dbkeeper's own store cannot be used at the moment; repeat the call")
        .caused_by(cause)
}

/// A record that this binary wrote cannot be read back.
fn unreadable(what: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::internal(cause).context(format!("a stored {what} cannot be read"))
}

/// True where an insert failed because its key is taken.
fn is_duplicate(cause: &sqlx::Error) -> bool {
    cause.as_database_error().is_some_and(|error| error.is_unique_violation())
}

/// Signed as the store keeps it. Counters of ours stay far below the limit.
fn to_stored(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Unsigned as the model has it.
fn from_stored(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
