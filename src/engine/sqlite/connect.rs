//! Opens database files, and stops statements that run too long.
//!
//! The journal mode of a file is never touched. Loading extensions stays off: SQLite refuses it unless it is switched on,
//! which nothing here does.

use std::{
    ops::Deref,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio_util::sync::CancellationToken;

use super::{error::from_sqlx, page_cache::PageCacheCounts, path::DatabasePath};
use crate::{
    engine::{
        EngineOptions, Target,
        session_pool::{PoolOwner, SessionLease, SessionLimits, SessionPool, SessionSource},
    },
    model::{Error, Reason, Result, connection::PoolSettings},
};

/// Longest wait of a query of ours for a lock that a writer holds.
const READ_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Steps of SQLite's virtual machine between two looks at deadline and cancellation: some 100 microseconds.
const STEPS_BETWEEN_LOOKS: i32 = 5_000;

/// Opens the file of a database in the place where it is found now. What a folder was when the database was registered or
/// opened before says nothing: it may be a link since.
pub(super) async fn open(
    place: &DatabasePath,
    options: impl FnOnce(&Path) -> SqliteConnectOptions,
) -> Result<SqliteConnection> {
    let connect = async |path: &Path| {
        let connected = options(path).connect().await;
        connected.map_err(|error| from_sqlx(error, "cannot open the database"))
    };
    open_found(place, connect).await
}

/// SQLite opens by name, after the look. So there is another look behind it, which finds what was swapped meanwhile.
async fn open_found<T>(place: &DatabasePath, open: impl AsyncFnOnce(&Path) -> Result<T>) -> Result<T> {
    let found = place.find()?.path;
    let opened = open(&found).await?;
    if place.find()?.path != found {
        return Err(Error::new(
            Reason::DatabaseUnreachable,
            "the folder of the database was replaced while the file was opened; try again",
        ));
    }
    Ok(opened)
}

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

/// Opens the connections of the pool of one file, for reading only: what changes a database has a connection of its own.
pub struct SqliteSource {
    place: DatabasePath,
    statement_timeout: Duration,
    watched: WatchedFile,
    page_cache: Arc<PageCacheCounts>,
}

impl SqliteSource {
    /// Connections to the file of a target, which must be there.
    pub fn of(target: &Target, options: &EngineOptions) -> Result<Self> {
        let settings = &target.settings;
        let place = DatabasePath::parse_field(&options.sqlite_root, &target.account, &settings.database)?;
        let watched = WatchedFile::new(&place.find()?.path);
        let page_cache = Arc::new(PageCacheCounts::new());
        Ok(Self { place, statement_timeout: settings.pool.statement_timeout, watched, page_cache })
    }
}

impl SessionSource for SqliteSource {
    type Session = SqliteConnection;

    fn host(&self) -> Option<(&str, u16)> {
        None
    }

    async fn open(&self) -> Result<SqliteConnection> {
        open(&self.place, |path| reading_options(path, self.statement_timeout)).await
    }

    async fn check(&self, _session: &mut SqliteConnection, age: Duration) -> bool {
        !self.watched.replaced_within(age)
    }

    /// Opening a file anew costs less than finding out what was attached, set or made.
    async fn reset(&self, _session: &mut SqliteConnection) -> bool {
        false
    }

    async fn settle(&self, session: &mut SqliteConnection) -> bool {
        self.page_cache.collect(session).await.is_ok()
    }

    async fn close(&self, session: SqliteConnection) {
        // A connection that cannot be closed cleanly is gone all the same.
        let _ = session.close().await;
    }
}

/// The pool of one file.
pub(super) struct FilePool {
    pool: SessionPool<SqliteSource>,
    statement_timeout: Duration,
    page_cache: Arc<PageCacheCounts>,
}

impl FilePool {
    /// Makes the pool. It opens no connection yet.
    pub(super) fn new(
        source: SqliteSource,
        owner: &PoolOwner,
        settings: &PoolSettings,
        limits: &SessionLimits,
    ) -> Self {
        let page_cache = source.page_cache.clone();
        let pool = SessionPool::new(source, owner, settings.clone(), limits);
        Self { pool, statement_timeout: settings.statement_timeout, page_cache }
    }

    /// How the page caches of the connections served, up to the end of each lease.
    pub(super) fn page_cache(&self) -> &PageCacheCounts {
        &self.page_cache
    }

    /// A lease whose statements end with the statement time-out. `doing` says what for, such as `cannot read the schema`.
    pub(super) async fn lease(&self, doing: &'static str) -> Result<SessionLease<SqliteSource>> {
        let mut lease = self.pool.acquire().await?;
        set_limits(&mut lease, Limits::timeout(self.statement_timeout), None)
            .await
            .map_err(|error| from_sqlx(error, doing))?;
        Ok(lease)
    }
}

impl Deref for FilePool {
    type Target = SessionPool<SqliteSource>;

    fn deref(&self) -> &Self::Target {
        &self.pool
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

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;
    use crate::model::AccountId;

    /// Swaps a folder for a link between the look and the opening, which SQLite follows.
    #[tokio::test]
    async fn a_folder_that_is_swapped_while_the_file_is_opened_is_noticed() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = root.path().join("default/team");
        fs::create_dir_all(&folder).unwrap();
        for place in [&folder, outside.path()] {
            fs::write(place.join("x.db"), "").unwrap();
        }
        let account = AccountId::from_stored("default".to_owned());
        let place = DatabasePath::parse_field(root.path(), &account, "team/x.db").unwrap();
        let swap_and_connect = async |path: &Path| {
            fs::rename(&folder, root.path().join("default/aside")).unwrap();
            symlink(outside.path(), &folder).unwrap();
            Ok(options(path, Duration::ZERO).connect().await.unwrap())
        };
        let error = open_found(&place, swap_and_connect).await.err().unwrap();
        assert_eq!(error.reason(), Reason::InvalidField, "{error}");
    }
}
