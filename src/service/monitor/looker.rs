//! Looks at one database again and again, and remembers what rates need.

use std::{future::pending, sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    MonitorOptions, pool_series,
    reading::{History, Reading, Taken},
    sampler::{Key, Sampler},
    slot::{Failed, Outcome},
};
use crate::{
    model::{Error, Reason, Result, Timestamp},
    pool::Lease,
    service::databases::Databases,
};

/// Looks at one database.
pub(super) struct Looker {
    databases: Arc<dyn Databases>,
    options: MonitorOptions,
    history: History,
    /// Cancelled when the pool that the history is of was closed. The next pool can be of another server.
    pool_closed: Option<CancellationToken>,
    down: bool,
}

impl Looker {
    /// A looker without a memory.
    pub(super) fn new(databases: Arc<dyn Databases>, options: MonitorOptions) -> Self {
        Self { databases, options, history: History::default(), pool_closed: None, down: false }
    }

    /// Waits until the pool that was looked at is closed; for ever where there is none.
    pub(super) async fn pool_closed(&self) {
        match &self.pool_closed {
            Some(closed) => closed.cancelled().await,
            None => pending().await,
        }
    }

    /// Forgets what was read.
    pub(super) fn forget(&mut self) {
        self.history = History::default();
        self.pool_closed = None;
    }

    /// Looks once and tells those who wait. An error means that there is no sense in looking again.
    pub(super) async fn look(&mut self, sampler: &Sampler, tick: Instant) -> Result<()> {
        let (at, started) = (Timestamp::now(), Instant::now());
        let limit = self.options.sample_timeout;
        let sampled = match tokio::time::timeout(limit, self.read(&sampler.key, at, started)).await {
            Ok(sampled) => sampled,
            Err(_) => Err(timed_out(limit)),
        };
        let outcome = match sampled {
            Ok(reading) => Outcome::Sampled(reading),
            Err(error) if ends_sampling(&error) => return Err(error),
            Err(error) => Outcome::Failed(Arc::new(Failed { at, started, error })),
        };
        self.log_change(&sampler.key, &outcome);
        sampler.publish(&outcome, tick, Instant::now());
        Ok(())
    }

    async fn read(&mut self, key: &Key, at: Timestamp, started: Instant) -> Result<Arc<Reading>> {
        let lease = self.databases.database(&key.account, &key.connection).await?;
        match self.read_from(&lease, at, started).await {
            // The connection was changed or deleted during the look: what counts is how it is now.
            Err(_) if lease.closed().is_cancelled() => {
                let lease = self.databases.database(&key.account, &key.connection).await?;
                self.read_from(&lease, at, started).await
            }
            read => read,
        }
    }

    async fn read_from(&mut self, lease: &Lease, at: Timestamp, started: Instant) -> Result<Arc<Reading>> {
        if self.pool_closed.as_ref().is_some_and(CancellationToken::is_cancelled) {
            self.forget();
        }
        self.pool_closed.get_or_insert_with(|| lease.closed().clone());
        let tiers = self.history.due_tiers(started, self.options.tables_interval);
        let mut raw = lease.run(lease.require_metrics()?.sample(tiers)).await?;
        raw.points.extend(pool_series::points(&lease.pool_figures()));
        Ok(self.history.advance(raw, tiers, Taken { at, started, duration: started.elapsed() }))
    }

    /// One line when a database goes down and one when it is back, not one a look.
    fn log_change(&mut self, key: &Key, outcome: &Outcome) {
        match outcome {
            Outcome::Failed(failed) if !self.down => {
                tracing::warn!(connection = %key.connection, error = ?failed.error, "database cannot be sampled");
            }
            Outcome::Sampled(_) if self.down => {
                tracing::info!(connection = %key.connection, "database can be sampled again");
            }
            _ => {}
        }
        self.down = matches!(outcome, Outcome::Failed(_));
    }
}

fn timed_out(limit: Duration) -> Error {
    let limit = humantime::format_duration(limit);
    Error::new(Reason::DatabaseUnreachable, format!("the database did not answer a look at its metrics within {limit}"))
}

/// Errors that no later look would not have.
fn ends_sampling(error: &Error) -> bool {
    matches!(error.reason(), Reason::ConnectionNotFound | Reason::EngineUnsupported | Reason::ShuttingDown)
}
