//! Answers that were read a while ago, for callers whom that is new enough for.
//!
//! An answer belongs to one pool, so that a connection that was changed, or deleted and made again, never answers from it.
//! It holds as long as the caller says, and only while the engine's own mark of changes is the same. All answers together
//! are bounded by their size.

use std::{
    any::Any,
    fmt::Debug,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use quick_cache::{Weighter, sync::Cache};

use super::{DatabaseDescription, Listed};
use crate::{
    model::{
        Result, Timestamp,
        name::QualifiedName,
        schema::{ObjectFilter, ObjectPage, Skipped, TableFilter, TableLookup, TablePage, approximate_size},
    },
    pool::{Lease, PoolIdentity},
};

/// Most that all answers take together.
const CAPACITY: u64 = 32 * 1024 * 1024;
/// About how many answers that is, from which the cache sizes its tables.
const EXPECTED_ANSWERS: usize = 1024;

/// When and for how long an answer was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discovery {
    /// When reading began.
    pub time: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// It was read for an earlier call.
    pub from_cache: bool,
}

/// What was asked of a database.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// The database as a whole.
    Database,
    /// A page of tables.
    Tables(TableFilter, TablePage),
    /// A table.
    Table(QualifiedName),
    /// A page of objects.
    Objects(ObjectFilter, ObjectPage),
}

/// An answer that can be given again.
pub(super) trait Answer: Any + Clone + Debug + Send + Sync {
    /// What is missing in it. Only a whole answer is given again: what was in the way may be gone the next time.
    fn skipped(&self) -> &[Skipped];
}

impl Answer for DatabaseDescription {
    fn skipped(&self) -> &[Skipped] {
        &self.info.skipped
    }
}

impl Answer for TableLookup {
    fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }
}

impl<T: Any + Clone + Debug + Send + Sync> Answer for Listed<T> {
    fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    pool: PoolIdentity,
    question: Question,
}

#[derive(Clone)]
struct Entry {
    answer: Arc<dyn Any + Send + Sync>,
    marker: Option<String>,
    read: Instant,
    discovery: Discovery,
    size: u64,
}

#[derive(Clone)]
struct Size;

impl Weighter<Key, Entry> for Size {
    fn weight(&self, _key: &Key, entry: &Entry) -> u64 {
        entry.size
    }
}

/// The answers of all databases.
pub(super) struct AnswerCache(Cache<Key, Entry, Size>);

impl Default for AnswerCache {
    fn default() -> Self {
        Self(Cache::with_weighter(EXPECTED_ANSWERS, CAPACITY, Size))
    }
}

impl AnswerCache {
    /// An answer of at most that age, or what `read` reads anew.
    pub(super) async fn answer<T: Answer>(
        &self,
        lease: &Lease,
        question: Question,
        max_age: Duration,
        read: impl Future<Output = Result<T>>,
    ) -> Result<(T, Discovery)> {
        if max_age.is_zero() {
            return timed(lease.run(read)).await;
        }
        // Asked before the reading, so that what changes meanwhile makes the answer an old one.
        let marker = lease.run(lease.require_inspect()?.change_marker()).await?;
        let key = Key { pool: lease.pool_identity(), question };
        if let Some(known) = self.known(&key, marker.as_deref(), max_age) {
            return Ok(known);
        }
        let began = Instant::now();
        let (found, discovery) = timed(lease.run(read)).await?;
        if found.skipped().is_empty() {
            self.keep(key, marker, began, &found, discovery);
        }
        Ok((found, discovery))
    }

    fn known<T: Answer>(&self, key: &Key, marker: Option<&str>, max_age: Duration) -> Option<(T, Discovery)> {
        let entry = self.0.get(key)?;
        if entry.read.elapsed() > max_age || entry.marker.as_deref() != marker {
            return None;
        }
        let found = entry.answer.downcast_ref::<T>()?.clone();
        Some((found, Discovery { from_cache: true, ..entry.discovery }))
    }

    fn keep<T: Answer>(&self, key: Key, marker: Option<String>, read: Instant, found: &T, discovery: Discovery) {
        self.0.retain(|known, _| !known.pool.has_ended());
        let size = (approximate_size(found) + approximate_size(&key.question)) as u64;
        self.0.insert(key, Entry { answer: Arc::new(found.clone()), marker, read, discovery, size });
    }
}

async fn timed<T>(read: impl Future<Output = Result<T>>) -> Result<(T, Discovery)> {
    let (time, began) = (Timestamp::now(), Instant::now());
    let found = read.await?;
    Ok((found, Discovery { time, duration: began.elapsed(), from_cache: false }))
}
