//! The loop that samples one database for all who want to know of it.
//!
//! It looks at the shortest interval that any subscriber asked for, or at once when a caller of GetMetrics needs a newer
//! sample, and never twice at a time. Nobody waiting: it rests, and ends after a while.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::{
    reading::Reading,
    slot::{Outcome, Slot},
};
use crate::model::{AccountId, ConnectionId, Error, Result};

/// Which database.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// Whose it is.
    pub(super) account: AccountId,
    /// Which it is.
    pub(super) connection: ConnectionId,
}

/// What GetMetrics waits on: the last outcome, or why there will be none.
#[derive(Debug, Clone)]
pub(super) enum Latest {
    /// Nothing yet.
    None,
    /// The last outcome.
    Outcome(Outcome),
    /// The sampler ended.
    Ended(Arc<Error>),
}

/// What a caller that asked for a sample has.
pub(super) enum Asked {
    /// The sample.
    Ready(Arc<Reading>),
    /// It has to wait.
    Later(Answer),
}

/// The wait for a sample.
pub(super) struct Answer {
    latest: watch::Receiver<Latest>,
    oldest: Instant,
}

impl Answer {
    /// The sample, or why there is none.
    pub(super) async fn wait(mut self) -> Result<Arc<Reading>> {
        while self.latest.changed().await.is_ok() {
            match &*self.latest.borrow_and_update() {
                Latest::Ended(error) => return Err(error.repeat()),
                Latest::Outcome(outcome) if outcome.started() >= self.oldest => return outcome.reading(),
                Latest::Outcome(_) | Latest::None => {}
            }
        }
        Err(Error::internal("the sampler is gone"))
    }
}

struct Subscriber {
    slot: Arc<Slot>,
    interval: Duration,
    /// The next moment of its own rhythm; absent: the next outcome, whenever that is.
    due: Option<Instant>,
}

struct State {
    subscribers: HashMap<u64, Subscriber>,
    next_subscriber: u64,
    /// Somebody waits for a sample that was begun at this moment or later.
    wanted: Option<Instant>,
    /// The moment of the rhythm that the last look belongs to.
    last_tick: Option<Instant>,
    /// When somebody last came, asked or left.
    last_used: Instant,
    ended: Option<Arc<Error>>,
}

/// What the loop does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Looks, for this moment of the rhythm.
    Look(Instant),
    /// Waits until then, or until something changes.
    Rest(Instant),
    /// Ends, because nobody came for long enough.
    Retire,
}

/// What the loop and those who use it share.
pub(super) struct Sampler {
    /// Which database.
    pub(super) key: Key,
    state: Mutex<State>,
    changed: Notify,
    latest: watch::Sender<Latest>,
}

impl Sampler {
    /// A sampler whose loop has not begun.
    pub(super) fn new(key: Key) -> Self {
        let state = State {
            subscribers: HashMap::new(),
            next_subscriber: 0,
            wanted: None,
            last_tick: None,
            last_used: Instant::now(),
            ended: None,
        };
        Self { key, state: Mutex::new(state), changed: Notify::new(), latest: watch::Sender::new(Latest::None) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a subscriber, which gets the last outcome at once where that is younger than its interval.
    pub(super) fn join(&self, interval: Duration) -> (u64, Arc<Slot>) {
        let slot = Arc::new(Slot::default());
        let mut state = self.state();
        if let Some(error) = &state.ended {
            slot.end(Arc::clone(error));
        }
        let mut due = None;
        if let (Latest::Outcome(outcome), Some(tick)) = (&*self.latest.borrow(), state.last_tick)
            && outcome.started().elapsed() < interval
        {
            slot.offer(outcome.clone());
            due = Some(tick + interval);
        }
        let id = state.next_subscriber;
        state.next_subscriber += 1;
        state.last_used = Instant::now();
        state.subscribers.insert(id, Subscriber { slot: Arc::clone(&slot), interval, due });
        drop(state);
        self.changed.notify_one();
        (id, slot)
    }

    /// Takes a subscriber away.
    pub(super) fn leave(&self, subscriber: u64) {
        let mut state = self.state();
        state.subscribers.remove(&subscriber);
        state.last_used = Instant::now();
        drop(state);
        self.changed.notify_one();
    }

    /// Asks for a sample that was begun at `oldest` or later: the last one, or the next.
    pub(super) fn ask(&self, oldest: Instant) -> Asked {
        let mut state = self.state();
        state.last_used = Instant::now();
        let mut latest = self.latest.subscribe();
        if let Latest::Outcome(Outcome::Sampled(reading)) = &*latest.borrow_and_update()
            && reading.started >= oldest
        {
            return Asked::Ready(Arc::clone(reading));
        }
        state.wanted = Some(state.wanted.map_or(oldest, |wanted| wanted.max(oldest)));
        drop(state);
        self.changed.notify_one();
        Asked::Later(Answer { latest, oldest })
    }

    /// What the loop does next.
    pub(super) fn next_step(&self, now: Instant, linger: Duration) -> Step {
        let state = self.state();
        let at_once = state.wanted.is_some() || state.subscribers.values().any(|subscriber| subscriber.due.is_none());
        if at_once {
            return Step::Look(now);
        }
        match (state.shortest_interval(), state.last_tick) {
            (Some(interval), Some(tick)) if now < tick + interval => Step::Rest(tick + interval),
            (Some(interval), Some(tick)) => Step::Look(tick + interval),
            (Some(_), None) => Step::Look(now),
            (None, _) if now < state.last_used + linger => Step::Rest(state.last_used + linger),
            (None, _) => Step::Retire,
        }
    }

    /// Looks at once where somebody subscribes: the connection was changed or deleted.
    pub(super) fn hurry(&self) {
        let mut state = self.state();
        if !state.subscribers.is_empty() {
            state.wanted = Some(Instant::now());
        }
    }

    /// Waits until somebody comes, asks or leaves.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Hands an outcome to all for whom it is due.
    pub(super) fn publish(&self, outcome: &Outcome, tick: Instant, now: Instant) {
        let mut state = self.state();
        let tick = match state.shortest_interval() {
            // A look that took longer than the interval leaves ticks out; the rhythm stays.
            Some(interval) => latest_tick(tick, interval, now),
            None => tick,
        };
        state.last_tick = Some(tick);
        if state.wanted.is_some_and(|oldest| outcome.started() >= oldest) {
            state.wanted = None;
        }
        for subscriber in state.subscribers.values_mut() {
            if subscriber.due.is_none_or(|due| due <= tick) {
                subscriber.slot.offer(outcome.clone());
                let rhythm = latest_tick(subscriber.due.unwrap_or(tick), subscriber.interval, tick);
                subscriber.due = Some(rhythm + subscriber.interval);
            }
        }
        self.latest.send_replace(Latest::Outcome(outcome.clone()));
    }

    /// Ends every stream and every wait, those that come later included.
    pub(super) fn end(&self, error: Error) {
        let mut state = self.state();
        if state.ended.is_some() {
            return;
        }
        let error = Arc::new(error);
        for subscriber in state.subscribers.values() {
            subscriber.slot.end(Arc::clone(&error));
        }
        state.ended = Some(Arc::clone(&error));
        self.latest.send_replace(Latest::Ended(error));
    }
}

impl State {
    fn shortest_interval(&self) -> Option<Duration> {
        self.subscribers.values().map(|subscriber| subscriber.interval).min()
    }
}

/// The last of the moments `first`, `first + interval`, ... that is not after `now`.
fn latest_tick(first: Instant, interval: Duration, now: Instant) -> Instant {
    let missed = now.saturating_duration_since(first).as_nanos() / interval.as_nanos().max(1);
    first + interval * u32::try_from(missed).unwrap_or(u32::MAX)
}
