//! Watching databases: one sampler a database for any number of subscribers.
//!
//! ```text
//! MonitorService ── samplers ── sampler (one task a database) ── slot ── subscription (one a stream)
//!                                  │ history: what was read, with the runs of the counters
//!                                  └ rates: made for each reader from its own last sample
//! ```

mod health;
mod looker;
mod pool_series;
mod prefixes;
mod rates;
mod reading;
mod sampler;
mod samplers;
mod sessions;
mod slot;
mod subscription;

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use health::{DatabaseHealth, HealthFinding};
pub use prefixes::{MAX_NAME_PREFIXES, NamePrefixes};
pub use subscription::{MetricEvent, MetricSubscription, NumberedEvent, SampleFailure};

use super::databases::Databases;
use crate::model::{
    CallContext, ConnectionId, Detail, Error, Reason, Result,
    metric::Sample,
    page::{Page, PageRequest},
    session::Session,
};
use sampler::{Asked, Key};
use samplers::Samplers;

/// Time between samples, and the oldest sample that will do, when the caller does not say.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
/// The oldest sample that a caller may accept.
const MAX_AGE_LIMIT: Duration = Duration::from_secs(3600);

/// How databases are watched.
#[derive(Debug, Clone)]
pub struct MonitorOptions {
    /// Longest that one look at a database may take, the dial included.
    pub sample_timeout: Duration,
    /// Time between two looks at tables, indexes and sizes.
    pub tables_interval: Duration,
    /// Intervals that a subscriber may ask for.
    pub intervals: RangeInclusive<Duration>,
    /// How long a sampler that nobody uses keeps what it knows.
    pub linger: Duration,
    /// Most streams of metrics at one time, over all databases.
    pub max_subscribers: usize,
}

impl Default for MonitorOptions {
    fn default() -> Self {
        Self {
            sample_timeout: Duration::from_secs(15),
            tables_interval: Duration::from_secs(300),
            intervals: Duration::from_secs(1)..=Duration::from_secs(3600),
            linger: Duration::from_secs(60),
            max_subscribers: 1000,
        }
    }
}

/// Watches registered databases.
pub struct MonitorService {
    databases: Arc<dyn Databases>,
    samplers: Arc<Samplers>,
    options: MonitorOptions,
    places: Arc<Semaphore>,
}

impl MonitorService {
    /// Its samplers run on `tasks` until `shutdown`.
    pub fn new(
        databases: Arc<dyn Databases>,
        options: MonitorOptions,
        tasks: TaskTracker,
        shutdown: CancellationToken,
    ) -> Self {
        let places = Arc::new(Semaphore::new(options.max_subscribers.min(Semaphore::MAX_PERMITS)));
        let samplers = Samplers::new(Arc::clone(&databases), options.clone(), tasks, shutdown);
        Self { databases, samplers, options, places }
    }

    /// Looks at a database now. One that is down is an answer, not an error.
    pub async fn get_health(&self, context: &CallContext, connection: &ConnectionId) -> Result<DatabaseHealth> {
        health::check(&*self.databases, context, connection, self.options.sample_timeout).await
    }

    /// A sample that is at most `max_age` old (absent: 5 s), from the same sampler that serves the streams.
    pub async fn get_metrics(
        &self,
        context: &CallContext,
        connection: &ConnectionId,
        max_age: Option<Duration>,
        prefixes: &NamePrefixes,
    ) -> Result<Sample> {
        let max_age = max_age.unwrap_or(DEFAULT_INTERVAL);
        if max_age > MAX_AGE_LIMIT {
            let limit = humantime::format_duration(MAX_AGE_LIMIT);
            return Err(Error::invalid_field("max_age", format!("must be at most {limit}")));
        }
        let now = Instant::now();
        let oldest = now.checked_sub(max_age).unwrap_or(now);
        let asked = self.samplers.with(&key(context, connection), |sampler| sampler.ask(oldest));
        let reading = match asked {
            Asked::Ready(reading) => reading,
            Asked::Later(answer) => answer.wait().await?,
        };
        Ok(rates::sample(None, &reading, prefixes))
    }

    /// Subscribes to samples, one each `interval` (absent: 5 s).
    pub fn stream_metrics(
        &self,
        context: &CallContext,
        connection: &ConnectionId,
        interval: Option<Duration>,
        prefixes: NamePrefixes,
    ) -> Result<MetricSubscription> {
        let interval = interval.unwrap_or(DEFAULT_INTERVAL);
        if !self.options.intervals.contains(&interval) {
            let [shortest, longest] = [self.options.intervals.start(), self.options.intervals.end()]
                .map(|end| humantime::format_duration(*end));
            return Err(Error::invalid_field("interval", format!("must be {shortest} to {longest}")));
        }
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| self.no_place())?;
        let key = key(context, connection);
        Ok(self.samplers.with(&key, |sampler| MetricSubscription::new(sampler, interval, prefixes, place)))
    }

    /// Lists the sessions on a database's server by start time.
    pub async fn list_sessions(
        &self,
        context: &CallContext,
        connection: &ConnectionId,
        request: &PageRequest,
    ) -> Result<Page<Session>> {
        let database = self.databases.database(context.account(), connection).await?;
        sessions::page(database.require_sessions()?.list().await?, request)
    }

    /// Samplers that run or rest.
    pub fn sampler_count(&self) -> usize {
        self.samplers.count()
    }

    fn no_place(&self) -> Error {
        let limit = self.options.max_subscribers;
        Error::new(
            Reason::TooManyRequests,
            format!(
                "{limit} streams of metrics are open, the most that this server serves; end one or raise the limit"
            ),
        )
        .with(Detail::Quota { subject: "metric streams".to_owned(), description: format!("{limit} of {limit} in use") })
    }
}

fn key(context: &CallContext, connection: &ConnectionId) -> Key {
    Key { account: context.account().clone(), connection: connection.clone() }
}
