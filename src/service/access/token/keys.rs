//! The keys of the provider in memory. A key id that is not among them has them read again, at most once a minute.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio_util::task::TaskTracker;

use super::{KeySource, fetch, invalid, jwk, jwk::Key};
use crate::model::{Detail, Error, Reason, Result};

/// Shortest time between two readings that tokens cause.
const PAUSE: Duration = Duration::from_secs(60);

/// The keys.
pub(super) struct Keys {
    source: KeySource,
    held: Arc<Held>,
    /// What was read last. Held while it is read, so that one reading serves all who wait.
    reading: Arc<Mutex<Reading>>,
    /// Runs the readings: a caller who leaves must not cut one short that the tokens of others wait for.
    tracker: TaskTracker,
}

/// The keys that were read last.
#[derive(Default)]
struct Held {
    current: RwLock<Arc<Vec<Key>>>,
    /// Counts the sets that were different from the one before.
    version: AtomicU64,
}

#[derive(Default)]
struct Reading {
    /// When a token last caused a reading.
    asked: Option<Instant>,
    failed: bool,
    text: Vec<u8>,
}

impl Keys {
    pub(super) fn new(source: KeySource, tracker: TaskTracker) -> Self {
        Self { source, held: Arc::default(), reading: Arc::default(), tracker }
    }

    pub(super) fn version(&self) -> u64 {
        self.held.version.load(Ordering::Acquire)
    }

    /// The key of an id and the version of the set that it is in. A token without an id is checked with the only key, where
    /// there is only one.
    pub(super) async fn find(&self, kid: Option<&str>) -> Result<(Key, u64)> {
        if let Some(found) = self.known(kid) {
            return Ok(found);
        }
        // Who leaves while waiting leaves nothing behind: one reading at a time is all that callers can cause.
        let mut reading = self.reading.clone().lock_owned().await;
        // Another call may have read them while this one waited.
        if let Some(found) = self.known(kid) {
            return Ok(found);
        }
        if reading.asked.is_none_or(|asked| asked.elapsed() >= PAUSE) {
            reading.asked = Some(Instant::now());
            self.read(reading).await?;
        } else if reading.failed {
            return Err(unavailable(reading.asked, "the last reading of the keys failed a moment ago"));
        }
        self.known(kid).ok_or_else(|| invalid("there is no such key"))
    }

    /// Reads the keys again now.
    pub(super) async fn refresh(&self) -> Result<()> {
        let reading = self.reading.clone().lock_owned().await;
        self.read(reading).await
    }

    fn known(&self, kid: Option<&str>) -> Option<(Key, u64)> {
        // The version first: a key from a newer set under an older number is forgotten early, never kept too long.
        let version = self.version();
        let keys = self.held.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let key = match kid {
            Some(kid) => keys.iter().find(|key| key.kid.as_deref() == Some(kid)),
            None => keys.first().filter(|_| keys.len() == 1),
        };
        key.map(|key| (key.clone(), version))
    }

    async fn read(&self, reading: OwnedMutexGuard<Reading>) -> Result<()> {
        let task = self.tracker.spawn(read(self.source.clone(), self.held.clone(), reading));
        task.await.unwrap_or_else(|cause| Err(Error::internal(cause)))
    }
}

async fn read(source: KeySource, held: Arc<Held>, mut reading: OwnedMutexGuard<Reading>) -> Result<()> {
    reading.failed = true;
    let text = fetch::read(&source).await.map_err(|cause| unavailable(reading.asked, cause))?;
    if text != reading.text {
        let keys = jwk::parse_set(&text).map_err(|cause| unavailable(reading.asked, cause))?;
        tracing::info!(keys = keys.len(), "keys of the identity provider read");
        *held.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        held.version.fetch_add(1, Ordering::AcqRel);
        reading.text = text;
    }
    reading.failed = false;
    Ok(())
}

fn unavailable(asked: Option<Instant>, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let left = asked.map_or(PAUSE, |asked| PAUSE.saturating_sub(asked.elapsed())).max(Duration::from_secs(1));
    Error::new(
        Reason::IdentityProviderUnavailable,
        "the keys of the identity provider cannot be read at the moment, so tokens cannot be checked; API keys can",
    )
    .with(Detail::RetryAfter(left))
    .caused_by(cause)
}
