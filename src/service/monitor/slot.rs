//! Where a sampler leaves the newest outcome for one subscriber.
//!
//! It holds one outcome, so a subscriber that is slow costs no memory: what it did not take in time is replaced and
//! counted.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::reading::Reading;
use crate::model::{Error, Result, Timestamp, connection::ConnectionFailure};

/// What came of a look at a database.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// It was sampled.
    Sampled(Arc<Reading>),
    /// It could not be sampled; sampling goes on.
    Failed(Arc<Failed>),
}

/// A look that failed.
#[derive(Debug)]
pub(super) struct Failed {
    /// When it was begun.
    pub(super) at: Timestamp,
    /// When it was begun, by the clock that intervals are measured with.
    pub(super) started: tokio::time::Instant,
    /// Why.
    pub(super) error: Error,
}

impl Failed {
    /// Why, as an answer.
    pub(super) fn failure(&self) -> ConnectionFailure {
        ConnectionFailure::from_error(&self.error)
    }
}

impl Outcome {
    /// When the look was begun.
    pub(super) fn started(&self) -> tokio::time::Instant {
        match self {
            Self::Sampled(reading) => reading.started,
            Self::Failed(failed) => failed.started,
        }
    }

    /// What was read, or why nothing was.
    pub(super) fn reading(&self) -> Result<Arc<Reading>> {
        match self {
            Self::Sampled(reading) => Ok(Arc::clone(reading)),
            Self::Failed(failed) => Err(failed.error.repeat()),
        }
    }
}

/// What a subscriber takes out.
#[derive(Debug)]
pub(super) enum Delivery {
    /// So many outcomes were replaced before they were taken; the last of them had this sequence.
    Missed {
        /// Sequence of the last of them.
        sequence: u64,
        /// How many.
        missed: u64,
    },
    /// The newest outcome.
    Outcome {
        /// Its sequence, from 1.
        sequence: u64,
        /// The outcome.
        outcome: Outcome,
    },
    /// Nothing will come any more.
    Ended(Arc<Error>),
}

#[derive(Debug, Default)]
struct State {
    offered: u64,
    missed: u64,
    waiting: Option<Outcome>,
    ended: Option<Arc<Error>>,
}

/// The slot.
#[derive(Debug, Default)]
pub(super) struct Slot {
    state: Mutex<State>,
    filled: Notify,
}

impl Slot {
    /// Leaves an outcome. One that was not taken yet is replaced.
    pub(super) fn offer(&self, outcome: Outcome) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.offered += 1;
        if state.waiting.replace(outcome).is_some() {
            state.missed += 1;
        }
        drop(state);
        self.filled.notify_one();
    }

    /// Ends the stream after what is waiting has been taken.
    pub(super) fn end(&self, error: Arc<Error>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).ended.get_or_insert(error);
        self.filled.notify_one();
    }

    /// Waits for the next thing to tell. Losing the future loses nothing.
    pub(super) async fn take(&self) -> Delivery {
        loop {
            if let Some(taken) = self.try_take() {
                return taken;
            }
            self.filled.notified().await;
        }
    }

    fn try_take(&self) -> Option<Delivery> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let missed = std::mem::take(&mut state.missed);
        if missed > 0 {
            return Some(Delivery::Missed { sequence: state.offered - 1, missed });
        }
        if let Some(outcome) = state.waiting.take() {
            return Some(Delivery::Outcome { sequence: state.offered, outcome });
        }
        state.ended.clone().map(Delivery::Ended)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Reason;

    fn outcome() -> Outcome {
        Outcome::Failed(Arc::new(Failed {
            at: Timestamp::from_micros(0),
            started: tokio::time::Instant::now(),
            error: Error::new(Reason::DatabaseUnreachable, "down"),
        }))
    }

    proptest! {
        /// Whatever the order of offers and takes, each sequence number is either delivered or counted as missed.
        #[test]
        fn every_outcome_is_delivered_or_counted(offers in proptest::collection::vec(any::<bool>(), 0..60)) {
            let slot = Slot::default();
            let (mut offered, mut told) = (0, 0);
            for offer in offers {
                if offer {
                    slot.offer(outcome());
                    offered += 1;
                    continue;
                }
                match slot.try_take() {
                    Some(Delivery::Missed { sequence, missed }) => {
                        prop_assert_eq!(sequence, told + missed);
                        told = sequence;
                    }
                    Some(Delivery::Outcome { sequence, .. }) => {
                        prop_assert_eq!(sequence, told + 1);
                        told = sequence;
                    }
                    Some(Delivery::Ended(_)) => prop_assert!(false, "nothing ended it"),
                    None => prop_assert_eq!(told, offered),
                }
            }
        }
    }

    #[test]
    fn the_end_comes_after_what_is_waiting_and_stays() {
        let slot = Slot::default();
        slot.offer(outcome());
        slot.end(Arc::new(Error::new(Reason::ShuttingDown, "the server stops")));
        assert!(matches!(slot.try_take(), Some(Delivery::Outcome { sequence: 1, .. })));
        for _ in 0..2 {
            assert!(matches!(slot.try_take(), Some(Delivery::Ended(error)) if error.reason() == Reason::ShuttingDown));
        }
    }
}
