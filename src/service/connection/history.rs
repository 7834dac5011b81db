//! The changes of state of an account's databases, for those who watch them.
//!
//! The store has the newest of them; a ring in memory has the same for all watchers of an account, and each holds no more
//! than its place in it. One that is slower than the ring is told how many it missed.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::{
    model::{AccountId, ConnectionId, Error, Reason, Result, connection::StateTransition},
    store::{Store, connection::not_found, connection_transition::KEPT},
};

/// Changes that a watcher takes out of the ring at one time.
const BATCH: usize = 32;

/// The changes of all accounts that somebody watches.
pub(super) struct StatusHistory {
    store: Store,
    kept: usize,
    rings: Mutex<HashMap<AccountId, Arc<Ring>>>,
}

/// The newest changes of one account.
#[derive(Default)]
struct Ring(tokio::sync::Mutex<Entries>);

#[derive(Default)]
struct Entries {
    /// What the store's counter of changes was when the store was last read.
    read_at: Option<u64>,
    newest: u64,
    kept: VecDeque<Arc<StateTransition>>,
}

impl StatusHistory {
    pub(super) fn new(store: Store) -> Self {
        Self::with_kept(store, usize::try_from(KEPT).unwrap_or(usize::MAX))
    }

    /// So many changes are kept for watchers that are slow.
    fn with_kept(store: Store, kept: usize) -> Self {
        Self { store, kept, rings: Mutex::default() }
    }

    /// Watches an account, or one database of it, from after a sequence; absent: from now on.
    pub(super) async fn watch(
        &self,
        account: &AccountId,
        connection: Option<ConnectionId>,
        after: Option<u64>,
    ) -> Result<StatusWatch> {
        let changes = self.store.connection_changes();
        if let Some(id) = &connection {
            self.store.connection(account, id).await?;
        }
        let newest = self.store.transition_sequence(account).await?;
        let ring = {
            let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
            // Rings that nobody holds any more are dropped here, so that they do not add up.
            rings.retain(|_, ring| Arc::strong_count(ring) > 1);
            rings.entry(account.clone()).or_default().clone()
        };
        let mut ready = VecDeque::new();
        // A sequence that was never given is of another store, or of a copy that was put back.
        let (begin, stranger) = match after {
            Some(after) if after > newest => (newest, true),
            Some(after) => (after, false),
            None => (newest, false),
        };
        ready.push_back(StatusEvent::Begin { sequence: begin });
        if stranger {
            ready.push_back(StatusEvent::Gap { sequence: newest, missed: 0 });
        }
        let (store, account) = (self.store.clone(), account.clone());
        Ok(StatusWatch {
            store,
            kept: self.kept,
            account,
            connection,
            ring,
            changes,
            after: begin,
            ready,
            deleted: None,
        })
    }
}

/// What a watcher is told.
#[derive(Debug, Clone, PartialEq)]
pub enum StatusEvent {
    /// Where it begins.
    Begin {
        /// What comes after this is told.
        sequence: u64,
    },
    /// A change.
    Transition(Arc<StateTransition>),
    /// Changes that are not told.
    Gap {
        /// The last of them.
        sequence: u64,
        /// How many.
        missed: u64,
    },
}

/// The place of one watcher.
pub struct StatusWatch {
    store: Store,
    kept: usize,
    account: AccountId,
    connection: Option<ConnectionId>,
    ring: Arc<Ring>,
    changes: watch::Receiver<u64>,
    after: u64,
    ready: VecDeque<StatusEvent>,
    /// The one that was watched, after its end was told.
    deleted: Option<ConnectionId>,
}

impl StatusWatch {
    /// The next event. An error is the end: CONNECTION_NOT_FOUND once the one that is watched is deleted. Losing the
    /// future loses nothing.
    pub async fn next(&mut self) -> Result<StatusEvent> {
        loop {
            if let Some(deleted) = &self.deleted {
                return Err(not_found(deleted));
            }
            if let Some(event) = self.ready.pop_front() {
                if let StatusEvent::Transition(transition) = &event
                    && transition.state.is_none()
                    && self.connection.is_some()
                {
                    self.deleted = self.connection.take();
                }
                return Ok(event);
            }
            let count = *self.changes.borrow_and_update();
            self.take(count).await?;
            if self.ready.is_empty() && self.changes.changed().await.is_err() {
                return Err(Error::new(Reason::ShuttingDown, "the server stops; watch again when it is back"));
            }
        }
    }

    /// Takes what is new out of the ring, which is filled from the store where that has more.
    async fn take(&mut self, count: u64) -> Result<()> {
        let mut entries = self.ring.0.lock().await;
        entries.fill(&self.store, &self.account, count, self.kept).await?;
        let oldest = entries.kept.front().map_or(entries.newest + 1, |oldest| oldest.sequence);
        if self.after + 1 < oldest {
            let missed = oldest - 1 - self.after;
            self.after = oldest - 1;
            self.ready.push_back(StatusEvent::Gap { sequence: self.after, missed });
        }
        let begin = entries.kept.partition_point(|entry| entry.sequence <= self.after);
        for entry in entries.kept.iter().skip(begin).take(BATCH) {
            self.after = entry.sequence;
            if self.connection.as_ref().is_none_or(|watched| *watched == entry.connection) {
                self.ready.push_back(StatusEvent::Transition(entry.clone()));
            }
        }
        // What is left is taken with the next call, which must not wait for a change.
        if entries.kept.back().is_some_and(|newest| newest.sequence > self.after) {
            self.changes.mark_changed();
        }
        Ok(())
    }
}

impl Entries {
    async fn fill(&mut self, store: &Store, account: &AccountId, count: u64, kept: usize) -> Result<()> {
        if self.read_at.is_some_and(|read_at| read_at >= count) {
            return Ok(());
        }
        for transition in store.transitions_after(account, self.newest).await? {
            self.newest = transition.sequence;
            self.kept.push_back(Arc::new(transition));
        }
        while self.kept.len() > kept {
            self.kept.pop_front();
        }
        self.read_at = Some(count);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            Timestamp,
            connection::{ConnectionHealth, ConnectionState},
        },
        service::connection::order::tests::connection,
        store::{connection::ConnectionRecord, connection_status::StatusRecord},
    };

    struct Scene {
        store: Store,
        account: AccountId,
        _folder: tempfile::TempDir,
    }

    impl Scene {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(&folder.path().join("store.db")).await.unwrap();
            let account = AccountId::from_stored("default".to_owned());
            store.ensure_account(&account, "Default").await.unwrap();
            Self { store, account, _folder: folder }
        }

        async fn register(&self, id: &str) -> ConnectionId {
            let record = ConnectionRecord {
                account: self.account.clone(),
                connection: connection(id, id, 1),
                sealed_password: None,
                sealed_client_key: None,
            };
            self.store.insert_connection(&record, None).await.unwrap();
            record.connection.id
        }

        async fn turn(&self, id: &ConnectionId, state: ConnectionState) {
            let status = StatusRecord {
                registered: Timestamp::from_micros(1),
                revision: 1,
                state,
                health: ConnectionHealth {
                    checked: Timestamp::now(),
                    response_time: Default::default(),
                    failure: None,
                },
                server_version: String::new(),
                tested: None,
            };
            self.store.record_status(&self.account, id, &status).await.unwrap();
        }

        /// Turns a database on and off, so many times in all.
        async fn turns(&self, id: &ConnectionId, count: usize) {
            for number in 0..count {
                let state = if number % 2 == 0 { ConnectionState::Online } else { ConnectionState::Offline };
                self.turn(id, state).await;
            }
        }
    }

    /// Everything that is there to be told now.
    async fn told(watch: &mut StatusWatch) -> Vec<StatusEvent> {
        let mut events = Vec::new();
        while let Ok(event) = tokio::time::timeout(std::time::Duration::from_millis(300), watch.next()).await {
            events.push(event.unwrap());
        }
        events
    }

    fn sequences(events: &[StatusEvent]) -> Vec<u64> {
        let sequence = |event: &StatusEvent| match event {
            StatusEvent::Begin { sequence } | StatusEvent::Gap { sequence, .. } => *sequence,
            StatusEvent::Transition(change) => change.sequence,
        };
        events.iter().map(sequence).collect()
    }

    #[tokio::test]
    async fn a_watcher_is_told_each_change_once_and_in_order() {
        let scene = Scene::new().await;
        let history = StatusHistory::new(scene.store.clone());
        let shop = scene.register("shop").await;
        let mut watch = history.watch(&scene.account, None, Some(0)).await.unwrap();
        scene.turns(&shop, 100).await;
        // A look that finds the same is no change.
        scene.turn(&shop, ConnectionState::Offline).await;
        assert_eq!(sequences(&told(&mut watch).await), (0..=101).collect::<Vec<u64>>());
        scene.turns(&shop, 1).await;
        assert_eq!(sequences(&told(&mut watch).await), [102]);

        let mut later = history.watch(&scene.account, None, Some(100)).await.unwrap();
        assert_eq!(sequences(&told(&mut later).await), [100, 101, 102]);
        let mut now = history.watch(&scene.account, None, None).await.unwrap();
        assert_eq!(told(&mut now).await, [StatusEvent::Begin { sequence: 102 }]);
    }

    #[tokio::test]
    async fn who_is_too_slow_is_told_how_many_are_missing() {
        let scene = Scene::new().await;
        let history = StatusHistory::with_kept(scene.store.clone(), 8);
        let shop = scene.register("shop").await;
        let mut watch = history.watch(&scene.account, None, None).await.unwrap();
        assert_eq!(told(&mut watch).await, [StatusEvent::Begin { sequence: 1 }]);
        scene.turns(&shop, 20).await;
        let events = told(&mut watch).await;
        assert_eq!(events[0], StatusEvent::Gap { sequence: 13, missed: 12 });
        assert_eq!(sequences(&events[1..]), (14..=21).collect::<Vec<u64>>());
        assert!(watch.ready.len() <= BATCH && watch.ring.0.lock().await.kept.len() == 8);
    }

    #[tokio::test]
    async fn a_sequence_that_was_never_given_is_told_as_a_gap() {
        let scene = Scene::new().await;
        let history = StatusHistory::new(scene.store.clone());
        scene.register("shop").await;
        let mut watch = history.watch(&scene.account, None, Some(77)).await.unwrap();
        let expected = [StatusEvent::Begin { sequence: 1 }, StatusEvent::Gap { sequence: 1, missed: 0 }];
        assert_eq!(told(&mut watch).await, expected);
    }

    #[tokio::test]
    async fn a_watcher_of_one_database_hears_of_no_other_and_ends_with_it() {
        let scene = Scene::new().await;
        let history = StatusHistory::new(scene.store.clone());
        let (shop, other) = (scene.register("shop").await, scene.register("other").await);
        let mut watch = history.watch(&scene.account, Some(shop.clone()), None).await.unwrap();
        scene.turns(&other, 70).await;
        scene.turns(&shop, 1).await;
        scene.store.delete_connection(&scene.account, &shop, None).await.unwrap();
        assert_eq!(sequences(&[watch.next().await.unwrap()]), [2]);
        assert_eq!(sequences(&[watch.next().await.unwrap(), watch.next().await.unwrap()]), [73, 74]);
        assert_eq!(watch.next().await.unwrap_err().reason(), Reason::ConnectionNotFound);
        assert!(history.watch(&scene.account, Some(shop), None).await.is_err());
    }
}
