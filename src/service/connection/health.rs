//! Looks at every registered database again and again, so that what is known of reaching it is never old.
//!
//! A look logs in and asks who answers; a host that only accepts is no database. Looks are spread over the interval. One
//! that fails is repeated soon, and a database that is down is looked at every few seconds, so that its return shows within
//! ten. What refuses us is left alone until the next turn: asking with a wrong password again and again locks users out.
//! A host that hangs holds up no other: each has at most two looks under way, and what is down has places of its own.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use tokio::{
    task::{Id, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    model::{
        AccountId, ConnectionId, Reason,
        connection::{ConnectionSettings, ConnectionState, EngineKind},
    },
    pool::Pools,
    store::Store,
};

/// How often it is looked what is due.
const TICK: Duration = Duration::from_millis(250);
/// At the latest so often the registrations are read again; a change is noticed at the next tick.
const SYNC: Duration = Duration::from_secs(60);
/// A database that is new or changed is looked at within this.
const FIRST_LOOK: Duration = Duration::from_secs(2);
/// After a failed look at a database that was online.
const SECOND_LOOK: Duration = Duration::from_secs(2);
/// Between two looks at a database that is down.
const RETRY: Duration = Duration::from_secs(3);
/// Longest look at a database that is down: a silent one must not hide its own return.
const RETRY_LIMIT: Duration = Duration::from_secs(5);
/// In this time every database that says nothing is to have had its turn, however many there are. Places are taken at ticks, so
/// that a round takes longer than it reckons with.
const ROUND: Duration = Duration::from_secs(6);
/// But no look is shorter than this.
const LEAST_LIMIT: Duration = Duration::from_secs(1);
/// Of so many looks that are cut short, one has time for a database that is back and slow.
const SLOW_TURN: u32 = 16;
/// How much time.
const SLOW_LIMIT: Duration = Duration::from_secs(3);
/// Looks at one host at one time. Callers have the other dials that a host gets.
const PER_HOST: usize = 2;
/// Looks at databases that are down at one time.
const MAX_DOWN: u32 = 64;
/// Between two looks at databases of one host that is down: hundreds of them need not all knock.
const DOWN_SPACING: Duration = Duration::from_millis(100);

/// How databases are looked at.
#[derive(Debug, Clone)]
pub struct HealthOptions {
    /// Time between two looks at a database; zero: none are made.
    pub interval: Duration,
    /// Most looks at one time at databases that are not down.
    pub parallel: usize,
    /// Longest that one look may take.
    pub limit: Duration,
}

/// Looks at every registered database.
pub struct HealthChecks {
    store: Store,
    pools: Pools,
    options: HealthOptions,
}

type Key = (AccountId, ConnectionId);

/// What is dialled: the server, or for SQLite the file.
type Host = (String, u16);

/// What is known of one database here.
struct Entry {
    revision: u64,
    host: Host,
    state: ConnectionState,
    due: Instant,
    running: bool,
    /// Looks that it let pass in silence, one after the other.
    silences: u32,
}

impl Entry {
    fn is_down(&self) -> bool {
        self.state == ConnectionState::Offline
    }
}

/// What is known of a host.
#[derive(Default)]
struct HostState {
    running: usize,
    /// When a look at something that is down there began last.
    knocked: Option<Instant>,
    /// The last look found somebody.
    answers: bool,
}

/// How a look ended.
struct Looked {
    state: ConnectionState,
    reason: Option<Reason>,
}

/// The plan of one run.
struct Plan {
    options: HealthOptions,
    entries: HashMap<Key, Entry>,
    hosts: HashMap<Host, HostState>,
    looks: HashMap<Id, Key>,
    steady: usize,
    down: u32,
}

impl HealthChecks {
    /// Looks at what the store has registered, through the pools' dials.
    pub fn new(store: Store, pools: Pools, options: HealthOptions) -> Self {
        Self { store, pools, options }
    }

    /// Looks until `shutdown`. Looks that are under way then are broken off.
    pub async fn run(&self, shutdown: &CancellationToken) {
        if self.options.interval.is_zero() {
            shutdown.cancelled().await;
            return;
        }
        let mut plan = Plan::new(self.options.clone());
        let mut looks: JoinSet<Option<Looked>> = JoinSet::new();
        let mut changes = self.store.connection_changes();
        changes.mark_changed();
        let mut synced = Instant::now();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(ended) = looks.join_next_with_id() => {
                    let (id, looked) = match ended {
                        Ok((id, looked)) => (id, looked),
                        Err(fault) => {
                            tracing::error!(cause = %fault, "health check failed");
                            (fault.id(), None)
                        }
                    };
                    plan.ended(id, looked, Instant::now());
                    continue;
                }
                _ = ticks.tick() => {}
            }
            if changes.has_changed().unwrap_or(false) || synced.elapsed() >= SYNC {
                changes.mark_unchanged();
                synced = Instant::now();
                self.sync(&mut plan).await;
            }
            for key in plan.due(Instant::now()) {
                let limit = plan.limit(&key);
                let (store, pools, looked_at) = (self.store.clone(), self.pools.clone(), key.clone());
                let task = looks.spawn(async move { look(&store, &pools, &looked_at, limit).await });
                plan.looks.insert(task.id(), key);
            }
        }
    }

    /// Takes over what was registered, changed or deleted.
    async fn sync(&self, plan: &mut Plan) {
        let registered = match self.store.registered().await {
            Ok(registered) => registered,
            Err(error) => {
                tracing::warn!(error = %error, "registered databases not read");
                return;
            }
        };
        let mut present = HashSet::with_capacity(registered.len());
        for (account, id, revision) in registered {
            let key = (account, id);
            if plan.entries.get(&key).is_none_or(|entry| entry.revision != revision)
                && let Ok(record) = self.store.connection(&key.0, &key.1).await
            {
                let connection = &record.connection;
                plan.add(key.clone(), connection.revision, host(&key, &connection.settings), connection.state);
            }
            if let Some((state, failed)) = self.pools.statuses().standing(&key.0, &key.1) {
                plan.heard(&key, state, failed);
            }
            present.insert(key);
        }
        plan.entries.retain(|key, entry| entry.running || present.contains(key));
        let used: HashSet<&Host> = plan.entries.values().map(|entry| &entry.host).collect();
        plan.hosts.retain(|host, state| state.running > 0 || used.contains(host));
    }
}

fn host(key: &Key, settings: &ConnectionSettings) -> Host {
    match settings.engine {
        EngineKind::Sqlite => (format!("{}/{}", key.0, settings.database), 0),
        _ => (settings.host.to_ascii_lowercase(), settings.port),
    }
}

/// One look; absent where there is nothing to look at any more, or where it cannot be looked at for a fault of our own.
async fn look(store: &Store, pools: &Pools, key: &Key, limit: Duration) -> Option<Looked> {
    let record = store.connection(&key.0, &key.1).await.ok()?;
    match pools.check(&record, limit).await {
        Ok((state, failure)) => Some(Looked { state, reason: failure.map(|error| error.reason()) }),
        Err(error) => {
            tracing::warn!(connection = %key.1, error = %error, "database not checked");
            None
        }
    }
}

impl Plan {
    fn new(options: HealthOptions) -> Self {
        let (entries, hosts, looks) = Default::default();
        Self { options, entries, hosts, looks, steady: 0, down: 0 }
    }

    /// Adds a database, or takes over its change. The store's state says how soon it is looked at.
    fn add(&mut self, key: Key, revision: u64, host: Host, state: ConnectionState) {
        let share = share(&key);
        let soon = match state {
            ConnectionState::Untested | ConnectionState::Offline => FIRST_LOOK,
            ConnectionState::Online | ConnectionState::Refused => self.options.interval,
        };
        let (due, running) = (Instant::now() + soon.mul_f64(share), false);
        match self.entries.get_mut(&key) {
            // A look that is under way counts against the host that it dials, so the new one is taken after it.
            Some(entry) if entry.running => {}
            Some(entry) if entry.host == host && entry.state == state => entry.revision = revision,
            _ => {
                self.entries.insert(key, Entry { revision, host, state, due, running, silences: 0 });
            }
        }
    }

    /// Somebody else may have found out more: what failed for them is looked at soon.
    fn heard(&mut self, key: &Key, state: ConnectionState, failed: bool) {
        let Some(entry) = self.entries.get_mut(key).filter(|entry| !entry.running) else { return };
        entry.state = state;
        let soon = match state {
            ConnectionState::Offline => RETRY,
            ConnectionState::Online if failed => SECOND_LOOK,
            _ => return,
        };
        entry.due = entry.due.min(Instant::now() + soon);
    }

    /// What is to be looked at now, each counted as begun.
    fn due(&mut self, now: Instant) -> Vec<Key> {
        let mut due: Vec<(Instant, Key)> = self
            .entries
            .iter()
            .filter(|(_, entry)| !entry.running && entry.due <= now)
            .map(|(key, entry)| (entry.due, key.clone()))
            .collect();
        due.sort_by_key(|(due, _)| *due);
        due.into_iter().map(|(_, key)| key).filter(|key| self.begin(key, now)).collect()
    }

    /// Counts a look as begun, where there is a place for it.
    fn begin(&mut self, key: &Key, now: Instant) -> bool {
        let Some(entry) = self.entries.get_mut(key) else { return false };
        let host = self.hosts.entry(entry.host.clone()).or_default();
        let down = entry.is_down();
        let full = if down { self.down >= MAX_DOWN } else { self.steady >= self.options.parallel };
        let knocking = down && !host.answers && host.knocked.is_some_and(|knocked| now < knocked + DOWN_SPACING);
        if full || host.running >= PER_HOST || knocking {
            return false;
        }
        host.running += 1;
        if down {
            host.knocked = Some(now);
            self.down += 1;
        } else {
            self.steady += 1;
        }
        entry.running = true;
        true
    }

    fn limit(&self, key: &Key) -> Duration {
        let Some(entry) = self.entries.get(key).filter(|entry| entry.is_down()) else { return self.options.limit };
        let whole = self.options.limit.min(RETRY_LIMIT);
        // Each of these holds one of the places for all of its limit.
        let silent = self.entries.values().filter(|entry| entry.is_down() && entry.silences > 0).count();
        let fair = ROUND * MAX_DOWN / u32::try_from(silent.max(1)).unwrap_or(u32::MAX);
        if entry.silences == 0 || fair >= whole {
            return whole;
        }
        // Each begins to count somewhere else, or all would have theirs at once.
        let turn = entry.silences.wrapping_add(number(key));
        whole.min(fair.max(if turn.is_multiple_of(SLOW_TURN) { SLOW_LIMIT } else { LEAST_LIMIT }))
    }

    /// A look has ended: plans the next one.
    fn ended(&mut self, id: Id, looked: Option<Looked>, now: Instant) {
        let Some(key) = self.looks.remove(&id) else { return };
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let was_down = entry.is_down();
        if was_down {
            self.down -= 1;
        } else {
            self.steady -= 1;
        }
        entry.running = false;
        let Some(host) = self.hosts.get_mut(&entry.host) else { return };
        host.running -= 1;
        let Some(looked) = looked else {
            entry.due = now + self.options.interval;
            return;
        };
        entry.state = looked.state;
        let silent = looked.reason == Some(Reason::ConnectTimeout);
        entry.silences = if silent { entry.silences.wrapping_add(1) } else { 0 };
        entry.due = match (looked.state, looked.reason) {
            (_, None) => next_turn(entry.due, self.options.interval, now),
            (ConnectionState::Online, Some(_)) => now + SECOND_LOOK,
            (ConnectionState::Offline, _) | (_, Some(Reason::TooManyConnections)) => now + RETRY,
            _ => next_turn(entry.due, self.options.interval, now),
        };
        let answers = looked.state != ConnectionState::Offline;
        let returned = answers && !host.answers;
        host.answers = answers;
        if returned {
            // Whoever else is down there may be back as well.
            let host = entry.host.clone();
            let others = self.entries.values_mut().filter(|entry| entry.host == host && entry.is_down());
            others.for_each(|entry| entry.due = entry.due.min(now));
        }
    }
}

/// The next moment of a database's own turn in the interval, so that looks stay spread.
fn next_turn(due: Instant, interval: Duration, now: Instant) -> Instant {
    let next = due + interval;
    if next > now { next } else { now + interval }
}

/// The share of an interval after which a database has its turn: the same for each, spread over all.
fn share(key: &Key) -> f64 {
    f64::from(number(key)) / f64::from(u32::MAX)
}

/// A number that is always the same for a database, and spread over all numbers.
fn number(key: &Key) -> u32 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    u32::try_from(hasher.finish() >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(24 * 3600);

    /// Whether a database that was online is looked at again soon, or has to wait for its turn in the interval.
    async fn is_looked_at_soon(state: ConnectionState, reason: Option<Reason>) -> bool {
        let mut plan = Plan::new(HealthOptions { interval: INTERVAL, parallel: 1, limit: RETRY_LIMIT });
        let key = (AccountId::from_stored("default".to_owned()), ConnectionId::from_stored("shop".to_owned()));
        plan.add(key.clone(), 1, ("db.internal".to_owned(), 5432), ConnectionState::Online);
        let now = Instant::now() + INTERVAL;
        assert_eq!(plan.due(now), std::slice::from_ref(&key));
        let look = tokio::spawn(async {}).id();
        plan.looks.insert(look, key.clone());
        plan.ended(look, Some(Looked { state, reason }), now);
        let soon = plan.due(now + SECOND_LOOK.max(RETRY));
        assert!(soon.is_empty() || soon == [key]);
        !soon.is_empty()
    }

    #[tokio::test]
    async fn what_fails_is_looked_at_again_soon_and_what_refuses_is_left_alone() {
        use ConnectionState::{Offline, Online, Refused};
        assert!(!is_looked_at_soon(Online, None).await);
        assert!(is_looked_at_soon(Online, Some(Reason::DatabaseUnreachable)).await);
        assert!(is_looked_at_soon(Offline, Some(Reason::DatabaseUnreachable)).await);
        assert!(is_looked_at_soon(Refused, Some(Reason::TooManyConnections)).await);
        assert!(!is_looked_at_soon(Refused, Some(Reason::CredentialsRejected)).await);
    }

    /// The longest time that any of so many silent databases, each on a host of its own, is not asked, where the moment of its
    /// return is the worst.
    async fn longest_wait(silent: usize) -> Duration {
        let options = HealthOptions { interval: INTERVAL, parallel: 8, limit: Duration::from_secs(30) };
        let mut plan = Plan::new(options);
        for number in 0..silent {
            let key = (AccountId::from_stored("a".to_owned()), ConnectionId::from_stored(format!("c{number}")));
            plan.add(key, 1, (format!("10.0.0.{number}"), 5432), ConnectionState::Offline);
        }
        let mut now = Instant::now() + FIRST_LOOK;
        let (end, settled) = (now + Duration::from_secs(300), now + Duration::from_secs(60));
        let (mut under_way, mut begun) = (Vec::new(), HashMap::new());
        let mut longest = Duration::ZERO;
        while now < end {
            under_way.retain(|(id, until): &(Id, Instant)| {
                let over = *until <= now;
                if over {
                    let silence = Looked { state: ConnectionState::Offline, reason: Some(Reason::ConnectTimeout) };
                    plan.ended(*id, Some(silence), now);
                }
                !over
            });
            for key in plan.due(now) {
                if let Some(before) = begun.insert(key.clone(), now)
                    && before > settled
                {
                    longest = longest.max(now.saturating_duration_since(before));
                }
                let (id, until) = (tokio::spawn(async {}).id(), now + plan.limit(&key));
                plan.looks.insert(id, key);
                under_way.push((id, until));
            }
            now += TICK;
        }
        assert_eq!(begun.len(), silent, "some were never asked");
        longest
    }

    #[tokio::test]
    async fn hundreds_that_say_nothing_are_each_asked_every_ten_seconds() {
        for silent in [1, 64, 100, 200, 300] {
            let wait = longest_wait(silent).await;
            assert!(wait <= Duration::from_secs(10), "{silent}: {wait:?}");
        }
    }
}
