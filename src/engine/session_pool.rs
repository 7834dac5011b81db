//! The pool of sessions of one database, for every engine the same.
//!
//! A lease takes two things: a turn of its own pool, of which there are `max_connections`, and, where no session is idle, a
//! place of the server, which [`ledger`] shares out between accounts. A dial goes through the gate of its host. Callers that
//! waited while a dial failed share its failure instead of dialling one after the other.
//!
//! A session goes back to the pool only by [`SessionLease::give_back`], when its work is done. A lease that is dropped, as by
//! a caller who went away or by an error, closes its session: nobody knows what the database still sends on it.

mod exhausted;
mod gates;
mod lease;
mod ledger;
mod limits;
mod meter;
mod places;
mod source;
mod tend;

use std::{
    collections::VecDeque,
    hash::{BuildHasher, Hasher, RandomState},
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::timeout_at,
};
use tokio_util::sync::CancellationToken;

use self::{
    exhausted::{Limit, closed_error, exhausted},
    meter::PoolMeter,
    places::{Asker, Place, Reclaim},
};
pub use self::{
    gates::DialGates,
    lease::SessionLease,
    ledger::SessionCaps,
    limits::{AccountSessions, PoolOwner, SessionLimits},
    meter::PoolObserver,
    source::SessionSource,
};
use crate::model::{
    Error, Result,
    connection::{PoolFigures, PoolSettings},
};

/// Longest that an idle session may take to show that it still answers, and any session to say good-bye.
const SMALL_TALK: Duration = Duration::from_secs(5);

/// A pool of sessions.
pub struct SessionPool<S: SessionSource>(Arc<Shared<S>>);

struct Shared<S: SessionSource> {
    source: S,
    settings: PoolSettings,
    limits: SessionLimits,
    /// Absent for a pool that takes no places, as that of monitoring.
    asker: Option<Asker>,
    turns: Arc<Semaphore>,
    state: Mutex<State<S::Session>>,
    open: Arc<AtomicU32>,
    in_use: AtomicU32,
    /// A session came back: one who waits for it hears of it.
    returned: Notify,
    /// A lease ended.
    ended: Notify,
    closed: CancellationToken,
    meter: PoolMeter,
}

struct State<T> {
    /// The one that was used last is at the end.
    idle: VecDeque<Idle<T>>,
    /// The last dial that failed.
    failure: Option<(Instant, Error)>,
    /// No session is opened ahead of its use before this.
    refill_after: Option<Instant>,
}

/// A session with its place. The place comes free when it is dropped.
struct Held<T> {
    session: T,
    opened: Instant,
    expires: Instant,
    _place: Option<Place>,
    _counted: Counted,
}

struct Idle<T> {
    held: Held<T>,
    since: Instant,
}

/// What a caller gets first.
enum Found<T> {
    Session(Held<T>),
    /// To open a session in; absent in a pool that takes no places.
    Place(Option<Place>),
}

/// Counts a session for as long as it is open.
struct Counted(Arc<AtomicU32>);

impl Counted {
    fn new(open: &Arc<AtomicU32>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(open.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<S: SessionSource> SessionPool<S> {
    /// A pool without a session, whose sessions take places of their account and of the server.
    pub fn new(source: S, owner: &PoolOwner, settings: PoolSettings, limits: &SessionLimits) -> Self {
        let pool = Arc::new_cyclic(|pool: &Weak<Shared<S>>| {
            let reclaim: Weak<dyn Reclaim> = pool.clone();
            let asker = limits.places.register(&owner.account, reclaim);
            let meter = PoolMeter::new(owner.name.clone(), limits.observer());
            Shared::new(source, settings, limits, Some(asker), meter)
        });
        Self(pool)
    }

    /// A small pool whose sessions take no places, so that no amount of other work can keep it from the database.
    pub fn aside(source: S, settings: PoolSettings, limits: &SessionLimits) -> Self {
        Self(Arc::new(Shared::new(source, settings, limits, None, PoolMeter::new(String::new(), None))))
    }

    /// A session, as new. Waits for one at most for `acquire_timeout`, and then tells which limit stood in the way; opening
    /// one has the deadline of the dial.
    pub async fn acquire(&self) -> Result<SessionLease<S>> {
        let shared = &self.0;
        let wait = shared.meter.wait();
        let outcome = tokio::select! {
            biased;
            () = shared.closed.cancelled() => Err(closed_error()),
            outcome = shared.acquire(wait.began) => outcome,
        };
        wait.end(outcome)
    }

    /// Keeps a session that was just opened beside the pool, where there is a place for it, and closes it otherwise. `took`
    /// is the time that opening it took.
    pub async fn adopt(&self, session: S::Session, took: Duration) {
        let shared = &self.0;
        shared.meter.created(took);
        let place = shared.asker.as_ref().map(|asker| shared.limits.places.try_take(asker));
        if shared.closed.is_cancelled() || place.as_ref().is_some_and(Option::is_none) {
            shared.good_bye(session).await;
            return;
        }
        shared.keep(shared.held(session, place.flatten()));
    }

    /// Closes the sessions that nobody uses right now; the next lease opens a new one.
    pub async fn close_idle(&self) {
        let idle: Vec<_> = self.0.state().idle.drain(..).collect();
        self.0.end_all(idle.into_iter().map(|idle| idle.held)).await;
    }

    /// Closes the pool: leases fail from now on, those that are out end with their work, and so does this.
    pub async fn close(&self) {
        self.0.closed.cancel();
        self.close_idle().await;
        loop {
            let ended = self.0.ended.notified();
            if self.0.in_use.load(Ordering::SeqCst) == 0 {
                break;
            }
            ended.await;
        }
        self.close_idle().await;
    }

    /// Figures of the pool.
    pub fn figures(&self) -> PoolFigures {
        self.0.figures()
    }
}

impl<S: SessionSource> Shared<S> {
    fn new(source: S, settings: PoolSettings, limits: &SessionLimits, asker: Option<Asker>, meter: PoolMeter) -> Self {
        let turns = Arc::new(Semaphore::new(settings.max_connections as usize));
        let state = Mutex::new(State { idle: VecDeque::new(), failure: None, refill_after: None });
        Self {
            source,
            settings,
            limits: limits.clone(),
            asker,
            turns,
            state,
            open: Arc::default(),
            in_use: AtomicU32::new(0),
            returned: Notify::new(),
            ended: Notify::new(),
            closed: CancellationToken::new(),
            meter,
        }
    }

    fn state(&self) -> MutexGuard<'_, State<S::Session>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn acquire(self: &Arc<Self>, came: Instant) -> Result<SessionLease<S>> {
        let deadline = came + self.settings.acquire_timeout;
        let turn = match timeout_at(deadline.into(), self.turns.clone().acquire_owned()).await {
            Ok(Ok(turn)) => turn,
            Ok(Err(_)) => return Err(closed_error()),
            Err(_) => return Err(self.failed_since(came).unwrap_or_else(|| self.exhausted(Limit::Pool))),
        };
        let held = match self.session_or_place(came, deadline).await? {
            Found::Session(held) => held,
            Found::Place(place) => self.dial(came, deadline, place).await?,
        };
        Ok(self.lease(held, turn))
    }

    /// An idle session that still answers, the one that was used last before the others. Looked for until `deadline`, and
    /// no further than to the first that says nothing at all: behind it is a database, or a network, that does not answer,
    /// and to wait for each of the others would take as long again.
    async fn usable(self: &Arc<Self>, deadline: Instant) -> Option<Held<S::Session>> {
        while Instant::now() < deadline {
            let mut held = self.state().idle.pop_back()?.held;
            let age = held.opened.elapsed();
            if Instant::now() < held.expires {
                let patience = Instant::now() + SMALL_TALK;
                let answer = timeout_at(deadline.min(patience).into(), self.source.check(&mut held.session, age)).await;
                match answer {
                    Ok(true) => return Some(held),
                    Ok(false) => {}
                    // It is closed without a good-bye. Where it had less time than that, it proves nothing of the others.
                    Err(_) => {
                        if patience <= deadline {
                            self.give_up_idle();
                        }
                        return None;
                    }
                }
            }
            if let Ok(false) = timeout_at(deadline.into(), self.end(held)).await {
                self.give_up_idle();
            }
        }
        None
    }

    /// Closes the idle sessions in a task of its own, for nobody may have to wait for their good-bye.
    fn give_up_idle(self: &Arc<Self>) {
        let idle: Vec<_> = self.state().idle.drain(..).collect();
        let shared = self.clone();
        self.limits.tracker.spawn(async move { shared.end_all(idle.into_iter().map(|idle| idle.held)).await });
    }

    /// An idle session, or the right to open one, whichever comes first. Its ticket stays in the queue while sessions come
    /// back and are taken by others.
    async fn session_or_place(self: &Arc<Self>, came: Instant, deadline: Instant) -> Result<Found<S::Session>> {
        let take = async {
            match &self.asker {
                Some(asker) => Ok(Some(self.limits.places.take(asker).await)),
                None => Ok(None),
            }
        };
        let in_time = async {
            let reached = || self.asker.as_ref().map_or(Limit::Pool, |asker| self.limits.reached_by(&asker.account));
            timeout_at(deadline.into(), take).await.unwrap_or_else(|_| Err(self.exhausted(reached())))
        };
        let mut place = pin!(in_time);
        loop {
            // It stands in the line before it looks, for a session that comes back between the two wakes only who does.
            let mut returned = pin!(self.returned.notified());
            returned.as_mut().enable();
            if let Some(held) = self.usable(deadline).await {
                return Ok(Found::Session(held));
            }
            if let Some(error) = self.failed_since(came) {
                return Err(error);
            }
            tokio::select! {
                biased;
                place = &mut place => return place.map(Found::Place),
                () = returned => {}
            }
        }
    }

    async fn dial(&self, came: Instant, deadline: Instant, place: Option<Place>) -> Result<Held<S::Session>> {
        let _gate = match self.source.host() {
            None => None,
            Some((host, port)) => match timeout_at(deadline.into(), self.limits.gates.enter(host, port)).await {
                Ok(gate) => gate,
                Err(_) => return Err(self.exhausted(Limit::Dials)),
            },
        };
        // While this one stood at the gate others may have found out that nobody is at home.
        if let Some(error) = self.failed_since(came) {
            return Err(error);
        }
        self.open(place).await
    }

    async fn open(&self, place: Option<Place>) -> Result<Held<S::Session>> {
        let began = Instant::now();
        match self.source.open().await {
            Ok(session) => {
                self.meter.created(began.elapsed());
                Ok(self.held(session, place))
            }
            Err(error) => {
                self.state().failure = Some((Instant::now(), error.repeat()));
                Err(error)
            }
        }
    }

    /// The failure of a dial that ended after a caller came.
    fn failed_since(&self, came: Instant) -> Option<Error> {
        self.state().failure.as_ref().filter(|(when, _)| *when >= came).map(|(_, error)| error.repeat())
    }

    fn held(&self, session: S::Session, place: Option<Place>) -> Held<S::Session> {
        let opened = Instant::now();
        let expires = opened + shortened(self.settings.max_lifetime);
        Held { session, opened, expires, _place: place, _counted: Counted::new(&self.open) }
    }

    /// Takes a session back. What it returns has to be closed.
    fn put_back(&self, held: Held<S::Session>) -> Option<Held<S::Session>> {
        if self.closed.is_cancelled() || Instant::now() >= held.expires {
            return Some(held);
        }
        self.keep(held);
        // Only now, so that one who asks for a place at this moment either sees the idle session or is seen here.
        let yields = self.asker.as_ref().is_some_and(|asker| self.limits.places.must_yield(asker));
        if self.closed.is_cancelled() || yields {
            return self.state().idle.pop_front().map(|idle| idle.held);
        }
        None
    }

    fn keep(&self, held: Held<S::Session>) {
        self.state().idle.push_back(Idle { held, since: Instant::now() });
        self.returned.notify_one();
    }

    /// Closes a session; false where the peer did not take the good-bye.
    async fn end(&self, held: Held<S::Session>) -> bool {
        let Held { session, _place, _counted, .. } = held;
        self.good_bye(session).await
    }

    async fn end_all(&self, sessions: impl Iterator<Item = Held<S::Session>>) {
        futures::future::join_all(sessions.map(|held| self.end(held))).await;
    }

    /// A peer that does not take the good-bye is left alone: the session is gone all the same.
    async fn good_bye(&self, session: S::Session) -> bool {
        tokio::time::timeout(SMALL_TALK, self.source.close(session)).await.is_ok()
    }

    fn lease(self: &Arc<Self>, held: Held<S::Session>, turn: OwnedSemaphorePermit) -> SessionLease<S> {
        SessionLease::new(self.clone(), held, turn)
    }

    fn exhausted(&self, limit: Limit) -> Error {
        let of_account = self.asker.as_ref().map(|asker| self.limits.account(&asker.account));
        exhausted(limit, &self.settings, &self.figures(), of_account)
    }

    fn figures(&self) -> PoolFigures {
        let idle = u32::try_from(self.state().idle.len()).unwrap_or(u32::MAX);
        PoolFigures {
            size: self.open.load(Ordering::Relaxed).max(idle),
            idle,
            waiting: self.meter.waiting(),
            max_connections: self.settings.max_connections,
            min_idle: self.settings.min_idle,
            acquired: self.meter.acquired.load(Ordering::Relaxed),
            timed_out: self.meter.timed_out.load(Ordering::Relaxed),
            created: self.meter.created.load(Ordering::Relaxed),
            wait_time: self.meter.wait_time(),
        }
    }
}

impl<S: SessionSource> Reclaim for Shared<S> {
    fn reclaim(self: Arc<Self>) -> bool {
        let Some(idle) = self.state().idle.pop_front() else { return false };
        let tracker = self.limits.tracker.clone();
        tracker.spawn(async move { self.end(idle.held).await });
        true
    }
}

impl<S: SessionSource> Drop for Shared<S> {
    fn drop(&mut self) {
        if let Some(asker) = &self.asker {
            self.limits.places.forget(asker);
        }
    }
}

/// The lifetime less up to a tenth of it: sessions that were opened together must not all end together.
fn shortened(lifetime: Duration) -> Duration {
    let share = u32::try_from(RandomState::new().build_hasher().finish() % 1000).unwrap_or(0);
    lifetime - lifetime / 10 * share / 1000
}

#[cfg(test)]
mod tests;
