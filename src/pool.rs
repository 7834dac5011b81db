//! The registry of live databases: one pool a connection for all services.
//!
//! The key is (connection, settings version, credential version). A pool is made by the first that asks, while others wait
//! for the same dial; a change or a delete closes it at once and ends the work on it; idle pools go after a while. How many
//! sessions the pools may open, and whose turn it is, is for `engine::session_pool`.

mod lease;
mod probe_thread;
mod slot;
mod status;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use secrecy::SecretString;
use tokio::time::MissedTickBehavior;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use lease::{Lease, PoolIdentity};
use probe_thread::ProbeThread;
pub(crate) use slot::share_pool;
use slot::{Slot, Use};
use status::Look;
pub use status::Statuses;

use crate::{
    engine::{
        Credentials, Engine, Engines, Probe, SessionLimits, Target,
        session_pool::{AccountSessions, PoolObserver},
    },
    model::{
        AccountId, ConnectionId, Error, Reason, Result, Timestamp,
        connection::{ConnectionState, PoolFigures},
        name,
        on_record::OnRecord,
    },
    store::{Store, connection::ConnectionRecord},
    vault::{SecretScope, Vault},
};

/// Field names of the sealed secrets, part of the place that they are sealed for.
pub const PASSWORD_FIELD: &str = "password";
/// See [`PASSWORD_FIELD`].
pub const CLIENT_KEY_FIELD: &str = "client_key";

/// How often pools look for sessions that are due.
const TEND_INTERVAL: Duration = Duration::from_secs(1);

/// Limits over all pools.
#[derive(Debug, Clone)]
pub struct PoolLimits {
    /// What all pools share, as the engines were built with.
    pub sessions: SessionLimits,
    /// A pool that nobody used for so long is closed.
    pub idle_timeout: Duration,
}

/// The registry. Cheap to clone.
#[derive(Clone)]
pub struct Pools {
    inner: Arc<Inner>,
}

type SlotKey = (AccountId, ConnectionId);
type Slots = HashMap<SlotKey, Arc<Slot>>;

struct Inner {
    store: Store,
    vault: Arc<Vault>,
    engines: Engines,
    limits: PoolLimits,
    tracker: TaskTracker,
    slots: Mutex<Slots>,
    statuses: Statuses,
    probes: ProbeThread,
}

impl Pools {
    /// A registry without any pool. Pools that close do so in tasks of `tracker`.
    pub fn new(
        store: Store,
        vault: Arc<Vault>,
        engines: Engines,
        limits: PoolLimits,
        tracker: TaskTracker,
    ) -> Result<Self> {
        let (slots, statuses) = (Mutex::default(), Statuses::new(store.clone()));
        let probes = ProbeThread::start().map_err(Error::internal)?;
        Ok(Self { inner: Arc::new(Inner { store, vault, engines, limits, tracker, slots, statuses, probes }) })
    }

    /// The live database of a registered connection. Opens its pool where there is none; callers that come meanwhile wait
    /// for the same dial and share its failure.
    pub async fn database(&self, account: &AccountId, connection: &ConnectionId) -> Result<Lease> {
        self.database_of(self.inner.store.connection(account, connection).await?).await
    }

    async fn database_of(&self, record: Arc<ConnectionRecord>) -> Result<Lease> {
        let key = (record.account.clone(), record.connection.id.clone());
        let (slot, in_use) = self.slot(&record)?;
        let opened = slot.open(in_use, || self.dial(record)).await;
        if opened.is_err() {
            self.forget_failed(&key, &slot);
        }
        opened
    }

    /// The slot of the record's settings and credentials. One of older settings is closed and replaced.
    fn slot(&self, record: &Arc<ConnectionRecord>) -> Result<(Arc<Slot>, Use)> {
        let key = (record.account.clone(), record.connection.id.clone());
        let mut slots = self.inner.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(&key) {
            if slot.serves(record) && !slot.is_closed() {
                return Ok((slot.clone(), slot.enter()));
            }
            // A reader that is behind must not close the pool of newer settings.
            if slot.is_newer_than(record) {
                return Err(changed_meanwhile());
            }
            slot.close(&self.inner.tracker);
        }
        let slot = Arc::new(Slot::new(record.clone()));
        let in_use = slot.enter();
        slots.insert(key, slot.clone());
        Ok((slot, in_use))
    }

    fn forget_failed(&self, key: &SlotKey, slot: &Arc<Slot>) {
        let mut slots = self.inner.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.get(key).is_some_and(|current| Arc::ptr_eq(current, slot) && slot.is_unused()) {
            slots.remove(key);
        }
    }

    async fn dial(&self, record: Arc<ConnectionRecord>) -> Result<Arc<dyn crate::engine::Database>> {
        // A change or a delete closes the slot from now on. One that came before, after the record was read, shows here.
        let current = self.inner.store.connection(&record.account, &record.connection.id).await?;
        if current.connection.created != record.connection.created || !share_pool(&current, &record) {
            return Err(changed_meanwhile());
        }
        let engine = self.inner.engines.get(record.connection.settings.engine)?;
        let began = Timestamp::now();
        let outcome = engine.open(self.target(&record)?).await;
        let seen = outcome.as_ref().map(|database| database.server().version.clone());
        self.note(&record, began, seen, false).await;
        outcome
    }

    /// Dials a registered connection afresh, without its pool, and notes what was found.
    pub async fn probe_registered(&self, record: &ConnectionRecord) -> Result<Probe> {
        let began = Timestamp::now();
        let outcome = self.probe(self.target(record)?).await;
        self.note(record, began, outcome.as_ref().map(|probe| probe.server.version.clone()), false).await;
        outcome
    }

    /// The same for a person who asks, and whose call may not be on record yet: until it is, the database is told nothing.
    pub async fn test_registered(&self, record: &ConnectionRecord, on_record: &OnRecord) -> Result<Probe> {
        let began = Timestamp::now();
        let outcome = self.probe_on_record(self.target(record)?, on_record.clone()).await;
        // Without a record nothing was tried, and nothing was found.
        on_record.wait().await?;
        self.note(record, began, outcome.as_ref().map(|probe| probe.server.version.clone()), true).await;
        outcome
    }

    /// Dials settings that need not be registered, without a pool.
    pub async fn probe(&self, target: Target) -> Result<Probe> {
        self.probe_on_record(target, OnRecord::already()).await
    }

    async fn probe_on_record(&self, target: Target, on_record: OnRecord) -> Result<Probe> {
        let engine = self.engine(target.settings.engine)?.clone();
        // Before the gate of the host, which others want as well.
        let turn = self.inner.probes.turn(&target.account).await;
        let gate = self.inner.limits.sessions.gates.enter(&target.settings.host, target.settings.port).await;
        self.inner.probes.probe(engine, target, on_record, (turn, gate)).await
    }

    /// What a shutdown waits for; work that must end although its caller went away is run in it.
    pub fn tracker(&self) -> &TaskTracker {
        &self.inner.tracker
    }

    /// The engine of a kind.
    pub fn engine(&self, kind: crate::model::connection::EngineKind) -> Result<&Arc<dyn Engine>> {
        self.inner.engines.get(kind)
    }

    fn target(&self, record: &ConnectionRecord) -> Result<Target> {
        let resource = name::connection(&record.connection.id);
        let open = |field, sealed: &Option<Vec<u8>>| {
            let scope = SecretScope::new(&record.account, &resource, field, record.connection.credential_revision);
            sealed.as_deref().map(|sealed| self.inner.vault.open_secret(&scope, sealed)).transpose()
        };
        Ok(Target {
            account: record.account.clone(),
            connection: Some(record.connection.id.clone()),
            settings: record.connection.settings.clone(),
            credentials: Credentials {
                password: open(PASSWORD_FIELD, &record.sealed_password)?.unwrap_or_else(|| SecretString::from("")),
                client_key_pem: open(CLIENT_KEY_FIELD, &record.sealed_client_key)?,
            },
        })
    }

    /// Notes what a look found, and returns what is known of the database now.
    async fn note(
        &self,
        record: &ConnectionRecord,
        began: Timestamp,
        seen: Result<String, &Error>,
        asked: bool,
    ) -> ConnectionState {
        self.inner.statuses.note(record, Look { began, seen, asked }).await
    }

    /// Logs in to a registered connection on a connection of its own, to see how it is. Longer than `limit` counts as no
    /// answer. Returns what is known of it then and, where the look failed, why.
    pub async fn check(&self, record: &ConnectionRecord, limit: Duration) -> Result<(ConnectionState, Option<Error>)> {
        let target = self.target(record)?;
        let engine = self.engine(target.settings.engine)?.clone();
        let gate = self.inner.limits.sessions.gates.enter(&target.settings.host, target.settings.port).await;
        let began = Timestamp::now();
        let outcome =
            match tokio::time::timeout(limit, self.inner.probes.probe(engine, target, OnRecord::already(), gate)).await
            {
                Ok(outcome) => outcome,
                Err(_) => Err(status::silent(limit)),
            };
        let state = self.note(record, began, outcome.as_ref().map(|probe| probe.server.version.clone()), false).await;
        Ok((state, outcome.err()))
    }

    /// What was last seen of the registered databases.
    pub fn statuses(&self) -> &Statuses {
        &self.inner.statuses
    }

    /// Figures of a pool with the moment it was opened; absent where none is open.
    pub fn figures(&self, account: &AccountId, connection: &ConnectionId) -> Option<(PoolFigures, Timestamp)> {
        let slots = self.inner.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.get(&(account.clone(), connection.clone())).and_then(|slot| slot.figures())
    }

    /// Figures of the open pools of an account.
    pub fn figures_of(&self, account: &AccountId) -> HashMap<ConnectionId, (PoolFigures, Timestamp)> {
        let slots = self.inner.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let own = slots.iter().filter(|((owner, _), _)| owner == account);
        own.filter_map(|((_, id), slot)| Some((id.clone(), slot.figures()?))).collect()
    }

    /// Figures of every open pool with the account and the name of its connection.
    pub fn all_figures(&self) -> Vec<(String, PoolFigures)> {
        let slots = self.inner.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let figures = |((account, id), slot): (&SlotKey, &Arc<Slot>)| {
            slot.figures().map(|(figures, _)| (format!("{account}/{}", name::connection(id)), figures))
        };
        slots.iter().filter_map(figures).collect()
    }

    /// Sessions of an account in all of its pools, and the caps.
    pub fn account_sessions(&self, account: &AccountId) -> AccountSessions {
        self.inner.limits.sessions.account(account)
    }

    /// Says who hears how long things take in the pools that are opened from now on.
    pub fn observe(&self, observer: Arc<dyn PoolObserver>) {
        self.inner.limits.sessions.observe(observer);
    }

    /// Closes the pool of a connection that was changed or deleted, and ends the work on it.
    pub fn close(&self, account: &AccountId, connection: &ConnectionId) {
        let mut slots = self.inner.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.remove(&(account.clone(), connection.clone())) {
            slot.close(&self.inner.tracker);
        }
    }

    /// Closes pools that nobody used for a while, and lets the others close and open sessions as they are due. Runs until the
    /// token is cancelled.
    pub async fn tend(&self, shutdown: CancellationToken) {
        let mut interval = tokio::time::interval(TEND_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(interval.tick()).await.is_some() {
            self.close_where(|slot| slot.is_idle_for(self.inner.limits.idle_timeout));
            let slots = self.inner.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.values().for_each(|slot| slot.tend(&self.inner.tracker));
        }
    }

    /// Closes all pools, and ends the work on them.
    pub fn close_all(&self) {
        self.close_where(|_| true);
    }

    fn close_where(&self, condition: impl Fn(&Slot) -> bool) {
        let mut slots = self.inner.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|(_, connection), slot| {
            let close = condition(slot);
            if close {
                slot.close(&self.inner.tracker);
                tracing::debug!(connection = %connection, "pool closed");
            }
            !close
        });
    }
}

fn changed_meanwhile() -> Error {
    Error::new(Reason::EtagMismatch, "the connection changed meanwhile; repeat the call")
}

#[cfg(test)]
pub(crate) mod tests;
