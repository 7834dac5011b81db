//! How the page cache of a connection serves, which SQLite tells to the program that holds the connection only.

use std::{
    ffi::c_int,
    sync::atomic::{AtomicU64, Ordering},
};

use libsqlite3_sys::{
    SQLITE_DBSTATUS_CACHE_HIT, SQLITE_DBSTATUS_CACHE_MISS, SQLITE_DBSTATUS_CACHE_SPILL, SQLITE_DBSTATUS_CACHE_WRITE,
    SQLITE_OK, sqlite3_db_status,
};
use sqlx::{SqliteConnection, sqlite::LockedSqliteHandle};

use crate::model::{
    Timestamp,
    metric::{MetricKind, Point},
};

/// What is counted: the counter of SQLite, the metric, its unit.
const COUNTERS: [(c_int, &str, &str); 4] = [
    (SQLITE_DBSTATUS_CACHE_HIT, "sqlite.cache.hits", "{page}"),
    (SQLITE_DBSTATUS_CACHE_MISS, "sqlite.cache.misses", "{page}"),
    (SQLITE_DBSTATUS_CACHE_WRITE, "sqlite.cache.writes", "{page}"),
    (SQLITE_DBSTATUS_CACHE_SPILL, "sqlite.cache.spills", "{page}"),
];

/// Sums over the connections of a pool, those that were closed included.
pub(super) struct PageCacheCounts {
    since: Timestamp,
    counts: [AtomicU64; COUNTERS.len()],
}

impl PageCacheCounts {
    pub(super) fn new() -> Self {
        Self { since: Timestamp::now(), counts: Default::default() }
    }

    /// Takes over what a connection has counted, and sets its counters back.
    pub(super) async fn collect(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let mut handle = connection.lock_handle().await?;
        for ((counter, ..), sum) in COUNTERS.iter().zip(&self.counts) {
            sum.fetch_add(take(&mut handle, *counter), Ordering::Relaxed);
        }
        Ok(())
    }

    pub(super) fn points(&self) -> impl Iterator<Item = Point> {
        COUNTERS.iter().zip(&self.counts).map(|((_, name, unit), sum)| Point {
            name,
            unit,
            kind: MetricKind::Counter,
            attributes: Vec::new(),
            value: sum.load(Ordering::Relaxed) as f64,
            epoch: Some(self.since),
        })
    }
}

/// Reads a counter and sets it to 0.
#[expect(
    unsafe_code,
    reason = "SQLite tells these counters through its C interface alone, which the driver does not wrap"
)]
fn take(handle: &mut LockedSqliteHandle<'_>, counter: c_int) -> u64 {
    let (mut current, mut highest) = (0, 0);
    // SAFETY: the handle is open and locked against the thread of the driver for as long as it is borrowed, and
    // both results are written to integers that outlive the call.
    let status =
        unsafe { sqlite3_db_status(handle.as_raw_handle().as_ptr(), counter, &raw mut current, &raw mut highest, 1) };
    if status == SQLITE_OK { u64::try_from(current).unwrap_or(0) } else { 0 }
}
