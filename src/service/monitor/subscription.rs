//! What one subscriber of StreamMetrics reads from.

use std::{sync::Arc, time::Duration};

use futures::{Stream, stream};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    prefixes::NamePrefixes,
    rates,
    reading::Reading,
    sampler::Sampler,
    slot::{Delivery, Outcome, Slot},
};
use crate::model::{Result, Timestamp, connection::ConnectionFailure, metric::Sample};

/// A look that failed; sampling goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleFailure {
    /// When it was tried.
    pub time: Timestamp,
    /// What went wrong.
    pub failure: ConnectionFailure,
}

/// What a stream of metrics tells.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricEvent {
    /// A sample.
    Sample(Sample),
    /// So many samples and failures were left out because the subscriber was slow.
    Gap {
        /// How many.
        missed: u64,
    },
    /// The database could not be sampled.
    Failure(SampleFailure),
}

/// An event with its place in the stream. A sample or a failure counts one; a gap stands for those that it counts and has the
/// sequence of the last of them, so that the next event always follows it by one.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberedEvent {
    /// Counts up from 1, what was missed included.
    pub sequence: u64,
    /// What is told.
    pub event: MetricEvent,
}

/// A subscriber's end of a sampler. Dropping it leaves.
pub struct MetricSubscription {
    slot: Arc<Slot>,
    _membership: Membership,
    prefixes: NamePrefixes,
    previous: Option<Arc<Reading>>,
}

struct Membership {
    sampler: Arc<Sampler>,
    id: u64,
    _place: OwnedSemaphorePermit,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.sampler.leave(self.id);
    }
}

impl MetricSubscription {
    /// A subscriber that holds its place among the subscribers of all databases.
    pub(super) fn new(
        sampler: &Arc<Sampler>,
        interval: Duration,
        prefixes: NamePrefixes,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let (id, slot) = sampler.join(interval);
        let membership = Membership { sampler: Arc::clone(sampler), id, _place: place };
        Self { slot, _membership: membership, prefixes, previous: None }
    }

    /// Waits for the next event. An error is the end: CONNECTION_NOT_FOUND once the database is registered no more,
    /// SHUTTING_DOWN, ENGINE_UNSUPPORTED. Losing the future loses nothing.
    pub async fn next(&mut self) -> Result<NumberedEvent> {
        match self.slot.take().await {
            Delivery::Missed { sequence, missed } => Ok(NumberedEvent { sequence, event: MetricEvent::Gap { missed } }),
            Delivery::Outcome { sequence, outcome } => Ok(NumberedEvent { sequence, event: self.event(&outcome) }),
            Delivery::Ended(error) => Err(error.repeat()),
        }
    }

    /// The events as a stream that ends after the first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<NumberedEvent>> + Send {
        stream::unfold(Some(self), |subscription| async {
            let mut subscription = subscription?;
            match subscription.next().await {
                Ok(event) => Some((Ok(event), Some(subscription))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    fn event(&mut self, outcome: &Outcome) -> MetricEvent {
        match outcome {
            Outcome::Sampled(reading) => {
                let sample = rates::sample(self.previous.as_ref(), reading, &self.prefixes);
                self.previous = Some(Arc::clone(reading));
                MetricEvent::Sample(sample)
            }
            Outcome::Failed(failed) => {
                MetricEvent::Failure(SampleFailure { time: failed.at, failure: failed.failure() })
            }
        }
    }
}
