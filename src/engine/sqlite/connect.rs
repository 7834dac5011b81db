//! Opens database files, and stops statements that run too long.
//!
//! The journal mode of a file is never touched. Loading extensions stays off: SQLite refuses it unless it is switched on,
//! which nothing here does.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions, SqliteConnection, SqlitePool,
    pool::PoolConnection,
    sqlite::{Sqlite, SqliteConnectOptions, SqlitePoolOptions},
};
use tokio_util::sync::CancellationToken;

use super::{error::from_sqlx, page_cache::PageCacheCounts};
use crate::{
    engine::meter::LeaseMeter,
    model::{
        Result,
        connection::{PoolFigures, PoolSettings},
    },
};

/// Longest wait of a query of ours for a lock that a writer holds.
const READ_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Steps of SQLite's virtual machine between two looks at deadline and cancellation: some 100 microseconds.
const STEPS_BETWEEN_LOOKS: i32 = 5_000;

/// Options that open an existing file for reading and writing.
pub(super) fn options(path: &Path, busy_timeout: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(busy_timeout)
        .disable_statement_logging()
}

/// Options of a connection that only reads. The file is opened for writing all the same, because a read-only
/// connection cannot roll back the journal of a writer that was killed.
pub(super) fn reading_options(path: &Path, busy_timeout: Duration) -> SqliteConnectOptions {
    options(path, busy_timeout.min(READ_BUSY_TIMEOUT)).pragma("query_only", "ON").pragma("trusted_schema", "OFF")
}

/// When statements of a connection are stopped.
#[derive(Debug, Clone, Default)]
pub(super) struct Limits {
    /// Then they are stopped.
    pub(super) deadline: Option<Instant>,
    /// When it is cancelled they are stopped.
    pub(super) cancellation: CancellationToken,
}

impl Limits {
    /// Statements end after so long.
    pub(super) fn timeout(timeout: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(timeout), ..Self::default() }
    }

    /// Statements end when the token says so.
    pub(super) fn cancelled_by(cancellation: &CancellationToken) -> Self {
        Self { deadline: None, cancellation: cancellation.clone() }
    }

    fn reached(&self) -> bool {
        self.cancellation.is_cancelled() || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// Sets the limits of a connection, in place of those it had. `kept` lives until the limits are replaced or the
/// connection is closed, whichever thread does that.
pub(super) async fn set_limits(
    connection: &mut SqliteConnection,
    limits: Limits,
    kept: Option<Arc<dyn Send + Sync>>,
) -> Result<(), sqlx::Error> {
    let mut handle = connection.lock_handle().await?;
    handle.set_progress_handler(STEPS_BETWEEN_LOOKS, move || {
        let _ = &kept;
        !limits.reached()
    });
    Ok(())
}

/// The pool of one file, for reading only: what changes a database has a connection of its own.
pub(super) struct FilePool {
    pool: SqlitePool,
    meter: LeaseMeter,
    settings: PoolSettings,
    page_cache: Arc<PageCacheCounts>,
}

impl FilePool {
    /// Makes the pool and opens one connection.
    pub(super) async fn open(path: &Path, settings: &PoolSettings) -> Result<Self> {
        let watched = Arc::new(WatchedFile::new(path));
        let page_cache = Arc::new(PageCacheCounts::new());
        let counted = page_cache.clone();
        let pool = SqlitePoolOptions::new()
            .max_connections(settings.max_connections)
            .min_connections(settings.min_idle)
            .acquire_timeout(settings.acquire_timeout)
            .idle_timeout(settings.idle_timeout)
            .max_lifetime(settings.max_lifetime)
            .test_before_acquire(false)
            .before_acquire(move |_, meta| {
                let usable = !watched.replaced_within(meta.age);
                Box::pin(async move { Ok(usable) })
            })
            .after_release(move |connection, _| {
                let counted = counted.clone();
                Box::pin(async move { counted.collect(connection).await.map(|()| true) })
            })
            .connect_with(reading_options(path, settings.statement_timeout))
            .await
            .map_err(|error| from_sqlx(error, "cannot open the database"))?;
        Ok(Self { pool, meter: LeaseMeter::default(), settings: settings.clone(), page_cache })
    }

    /// A lease whose statements end with the statement time-out.
    pub(super) async fn lease(&self) -> Result<PoolConnection<Sqlite>, sqlx::Error> {
        let mut lease = self.meter.acquire(self.pool.acquire()).await?;
        set_limits(&mut lease, Limits::timeout(self.settings.statement_timeout), None).await?;
        Ok(lease)
    }

    /// Closes the connections that nobody uses right now; the next lease opens a new one.
    pub(super) async fn close_idle(&self) {
        while let Some(idle) = self.pool.try_acquire() {
            // A connection that cannot be closed cleanly is gone all the same.
            let _ = idle.close().await;
        }
    }

    /// How the page caches of the connections served, up to the end of each lease.
    pub(super) fn page_cache(&self) -> &PageCacheCounts {
        &self.page_cache
    }

    /// Closes the pool.
    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    /// Figures of the pool.
    pub(super) fn figures(&self) -> PoolFigures {
        PoolFigures {
            size: self.pool.size(),
            idle: u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX),
            waiting: self.meter.waiting(),
            max_connections: self.settings.max_connections,
            acquired: self.meter.acquired(),
            timed_out: self.meter.timed_out(),
            wait_time: self.meter.wait_time(),
        }
    }
}

/// Notices that another file took the place of the one that is open, as a restore does. A connection to the file that
/// was there before would go on reading it.
struct WatchedFile {
    path: PathBuf,
    seen: Mutex<Seen>,
}

struct Seen {
    identity: Option<(u64, u64)>,
    replaced: Option<Instant>,
}

impl WatchedFile {
    fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: Mutex::new(Seen { identity: identity(path), replaced: None }) }
    }

    /// True where the file was replaced after a connection of that age was opened.
    fn replaced_within(&self, age: Duration) -> bool {
        let now = identity(&self.path);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.identity != now {
            *seen = Seen { identity: now, replaced: Some(Instant::now()) };
        }
        seen.replaced.is_some_and(|replaced| replaced.elapsed() <= age)
    }
}

/// Device and inode. Read without opening the file: closing a descriptor of it would free SQLite's locks.
fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}
