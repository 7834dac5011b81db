//! Token buckets: how many calls a second an address or a caller may make, in bounded memory.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::model::{Detail, Error, Reason};

const SHARDS: usize = 16;
/// Buckets of a shard. When it is full, those that have filled up again are dropped, which changes nothing; where that
/// is not enough the shard begins anew, which forgives some and costs no memory.
const MAX_BUCKETS: usize = 4096;

/// A limit. One without a rate lets everything pass.
pub(super) struct RateLimit {
    /// Tokens a second; absent: no limit.
    rate: Option<f64>,
    burst: f64,
    hasher: RandomState,
    shards: [Mutex<HashMap<u64, Bucket>>; SHARDS],
}

struct Bucket {
    tokens: f64,
    seen: Instant,
}

impl RateLimit {
    /// `count` tokens in each `span`, and `burst` at once. A count of 0 is no limit.
    pub(super) fn new(count: u32, span: Duration, burst: u32) -> Self {
        let rate = (count > 0).then(|| f64::from(count) / span.as_secs_f64());
        Self { rate, burst: f64::from(burst).max(1.0), hasher: RandomState::new(), shards: Default::default() }
    }

    /// Takes a token, or says how long until there is one.
    pub(super) fn take(&self, key: &(impl Hash + ?Sized), now: Instant) -> Result<(), Duration> {
        self.with_bucket(key, now, |bucket, rate| {
            if bucket.tokens >= 1.0 {
                bucket.tokens -= 1.0;
                return Ok(());
            }
            Err(wait(bucket, rate))
        })
    }

    /// Says how long until there is a token, where there is none. Takes none.
    pub(super) fn check(&self, key: &(impl Hash + ?Sized), now: Instant) -> Result<(), Duration> {
        self.with_bucket(key, now, |bucket, rate| if bucket.tokens >= 1.0 { Ok(()) } else { Err(wait(bucket, rate)) })
    }

    fn with_bucket(
        &self,
        key: &(impl Hash + ?Sized),
        now: Instant,
        act: impl FnOnce(&mut Bucket, f64) -> Result<(), Duration>,
    ) -> Result<(), Duration> {
        let Some(rate) = self.rate else { return Ok(()) };
        let key = self.hasher.hash_one(key);
        let shard = &self.shards[(key % SHARDS as u64) as usize];
        let mut buckets = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(&key) {
            buckets.retain(|_, bucket| self.filled(bucket, rate, now) < self.burst);
            if buckets.len() >= MAX_BUCKETS {
                buckets.clear();
            }
        }
        let bucket = buckets.entry(key).or_insert(Bucket { tokens: self.burst, seen: now });
        bucket.tokens = self.filled(bucket, rate, now);
        bucket.seen = bucket.seen.max(now);
        act(bucket, rate)
    }

    fn filled(&self, bucket: &Bucket, rate: f64, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(bucket.seen).as_secs_f64();
        (bucket.tokens + elapsed * rate).min(self.burst)
    }
}

fn wait(bucket: &Bucket, rate: f64) -> Duration {
    Duration::from_secs_f64(((1.0 - bucket.tokens) / rate).clamp(0.001, 3600.0))
}

/// The error of a limit that is reached.
pub(super) fn limited(subject: &str, description: &'static str, wait: Duration) -> Error {
    Error::new(Reason::RateLimited, format!("{description}; wait {} ms and repeat", wait.as_millis().max(1)))
        .with(Detail::RetryAfter(wait))
        .with(Detail::Quota { subject: subject.to_owned(), description: description.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let limit = RateLimit::new(10, Duration::from_secs(1), 3);
        let start = Instant::now();
        for _ in 0..3 {
            limit.take("a", start).unwrap();
        }
        let wait = limit.take("a", start).unwrap_err();
        assert!((99..=101).contains(&wait.as_millis()), "{wait:?}");
        limit.take("b", start).expect("another key has a bucket of its own");
        assert!(limit.check("a", start).is_err() && limit.check("b", start).is_ok());
        limit.take("a", start + wait).unwrap();
        limit.take("a", start + wait).unwrap_err();
        for _ in 0..3 {
            limit.take("a", start + Duration::from_secs(60)).expect("it fills up to the burst");
        }
        limit.take("a", start + Duration::from_secs(60)).unwrap_err();
    }

    #[test]
    fn no_rate_is_no_limit() {
        let limit = RateLimit::new(0, Duration::from_secs(1), 1);
        let now = Instant::now();
        assert!((0..1000).all(|_| limit.take("a", now).is_ok()));
    }

    #[test]
    fn a_million_keys_take_bounded_memory() {
        let limit = RateLimit::new(1, Duration::from_secs(1), 2);
        let now = Instant::now();
        for key in 0..1_000_000_u32 {
            limit.take(&key, now).unwrap();
        }
        let held: usize = limit.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert!(held <= SHARDS * MAX_BUCKETS, "{held}");
    }
}
