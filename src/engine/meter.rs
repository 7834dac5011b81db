//! Counts the leases of a pool: what sqlx does not tell.

use std::{
    future::Future,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Counts the leases of one pool.
#[derive(Debug, Default)]
pub struct LeaseMeter {
    waiting: AtomicU32,
    acquired: AtomicU64,
    timed_out: AtomicU64,
    wait_micros: AtomicU64,
}

struct Waiting<'a>(&'a AtomicU32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl LeaseMeter {
    /// Waits for a lease and counts it. A caller that goes away while it waits is no longer counted as waiting.
    pub async fn acquire<T>(&self, lease: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(&self.waiting);
        let began = Instant::now();
        let outcome = lease.await;
        drop(waiting);
        let waited = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.wait_micros.fetch_add(waited, Ordering::Relaxed);
        match &outcome {
            Ok(_) => self.acquired.fetch_add(1, Ordering::Relaxed),
            Err(sqlx::Error::PoolTimedOut) => self.timed_out.fetch_add(1, Ordering::Relaxed),
            Err(_) => 0,
        };
        outcome
    }

    /// Callers that wait.
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Leases given.
    pub fn acquired(&self) -> u64 {
        self.acquired.load(Ordering::Relaxed)
    }

    /// Waits that ended without one.
    pub fn timed_out(&self) -> u64 {
        self.timed_out.load(Ordering::Relaxed)
    }

    /// Sum of the waits.
    pub fn wait_time(&self) -> Duration {
        Duration::from_micros(self.wait_micros.load(Ordering::Relaxed))
    }
}
