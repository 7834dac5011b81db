//! Counts what a pool does, and tells an observer how long things took.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::model::{Reason, Result};

/// Hears how long things took in the pools of a server, each told by its name.
pub trait PoolObserver: Send + Sync {
    /// A session was opened.
    fn created(&self, pool: &str, took: Duration);
    /// A lease was given, after so long a wait.
    fn waited(&self, pool: &str, took: Duration);
    /// A lease ended.
    fn used(&self, pool: &str, took: Duration);
    /// A wait ended without a lease.
    fn timed_out(&self, pool: &str);
}

/// Counts the leases of one pool.
pub(super) struct PoolMeter {
    name: String,
    observer: Option<Arc<dyn PoolObserver>>,
    waiting: AtomicU32,
    pub(super) acquired: AtomicU64,
    pub(super) timed_out: AtomicU64,
    pub(super) created: AtomicU64,
    wait_micros: AtomicU64,
}

/// One who waits. Who goes away while waiting is no longer counted.
pub(super) struct Wait<'a> {
    meter: &'a PoolMeter,
    pub(super) began: Instant,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.meter.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Wait<'_> {
    /// Counts how it ended.
    pub(super) fn end<T>(self, outcome: Result<T>) -> Result<T> {
        let (meter, waited) = (self.meter, self.began.elapsed());
        meter.wait_micros.fetch_add(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        match &outcome {
            Ok(_) => {
                meter.acquired.fetch_add(1, Ordering::Relaxed);
                meter.observe(|observer, pool| observer.waited(pool, waited));
            }
            Err(error) if error.reason() == Reason::PoolExhausted => {
                meter.timed_out.fetch_add(1, Ordering::Relaxed);
                meter.observe(|observer, pool| observer.timed_out(pool));
            }
            Err(_) => {}
        }
        outcome
    }
}

impl PoolMeter {
    pub(super) fn new(name: String, observer: Option<Arc<dyn PoolObserver>>) -> Self {
        Self {
            name,
            observer,
            waiting: AtomicU32::default(),
            acquired: AtomicU64::default(),
            timed_out: AtomicU64::default(),
            created: AtomicU64::default(),
            wait_micros: AtomicU64::default(),
        }
    }

    /// Begins a wait.
    pub(super) fn wait(&self) -> Wait<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Wait { meter: self, began: Instant::now() }
    }

    /// A session was opened.
    pub(super) fn created(&self, took: Duration) {
        self.created.fetch_add(1, Ordering::Relaxed);
        self.observe(|observer, pool| observer.created(pool, took));
    }

    /// A lease ended.
    pub(super) fn used(&self, took: Duration) {
        self.observe(|observer, pool| observer.used(pool, took));
    }

    /// Callers that wait.
    pub(super) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Sum of the waits.
    pub(super) fn wait_time(&self) -> Duration {
        Duration::from_micros(self.wait_micros.load(Ordering::Relaxed))
    }

    fn observe(&self, tell: impl FnOnce(&dyn PoolObserver, &str)) {
        if let Some(observer) = &self.observer {
            tell(observer.as_ref(), &self.name);
        }
    }
}
