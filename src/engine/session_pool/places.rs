//! Hands out the places for sessions by the rule of the [`Ledger`], and makes room where an idle session holds one.

use std::{
    collections::HashMap,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::sync::oneshot;

use super::ledger::{Asked, Ledger, PoolNumber, SessionCaps, Ticket};
use crate::model::AccountId;

/// A pool that can close an idle session for the sake of another.
pub(super) trait Reclaim: Send + Sync {
    /// Closes the session that is idle for longest; false where none is idle. Its place comes free when it is closed.
    fn reclaim(self: Arc<Self>) -> bool;
}

/// Which pool asks.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    pub(super) account: AccountId,
    pub(super) number: PoolNumber,
}

/// The places of a server. Cheap to clone.
#[derive(Clone)]
pub(super) struct Places(Arc<Mutex<Desk>>);

struct Desk {
    ledger: Ledger,
    waiting: HashMap<Ticket, oneshot::Sender<Place>>,
    pools: HashMap<PoolNumber, (AccountId, Weak<dyn Reclaim>)>,
    next_pool: PoolNumber,
}

/// The right to have one session open, until it is dropped.
pub(super) struct Place {
    places: Places,
    account: AccountId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let given = {
            let mut desk = self.places.desk();
            let granted = desk.ledger.give_back(&self.account);
            let heirs = granted.into_iter();
            heirs.map(|(account, ticket)| (account, desk.waiting.remove(&ticket))).collect::<Vec<_>>()
        };
        for (account, heir) in given {
            let place = Place { places: self.places.clone(), account };
            // One who gave up meanwhile drops the place, which gives it back in turn.
            if let Some(heir) = heir {
                let _ = heir.send(place);
            }
        }
    }
}

/// Takes its ticket out of the queue where it gives up.
struct Queued<'a> {
    places: &'a Places,
    account: &'a AccountId,
    ticket: Ticket,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        let mut desk = self.places.desk();
        if desk.waiting.remove(&self.ticket).is_some() {
            desk.ledger.withdraw(self.account, self.ticket);
        }
    }
}

impl Places {
    pub(super) fn new(caps: SessionCaps) -> Self {
        let desk = Desk { ledger: Ledger::new(caps), waiting: HashMap::new(), pools: HashMap::new(), next_pool: 0 };
        Self(Arc::new(Mutex::new(desk)))
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a pool known, so that its idle sessions can make room for others.
    pub(super) fn register(&self, account: &AccountId, pool: Weak<dyn Reclaim>) -> Asker {
        let mut desk = self.desk();
        let number = desk.next_pool;
        desk.next_pool += 1;
        desk.pools.insert(number, (account.clone(), pool));
        Asker { account: account.clone(), number }
    }

    /// Forgets a pool that is gone.
    pub(super) fn forget(&self, asker: &Asker) {
        self.desk().pools.remove(&asker.number);
    }

    /// Waits for a place.
    pub(super) async fn take(&self, asker: &Asker) -> Place {
        let (sender, receiver) = oneshot::channel();
        let ticket = {
            let mut desk = self.desk();
            match desk.ledger.ask(&asker.account, asker.number) {
                Asked::Granted => return Place { places: self.clone(), account: asker.account.clone() },
                Asked::Queued(ticket) => {
                    desk.waiting.insert(ticket, sender);
                    ticket
                }
            }
        };
        let _queued = Queued { places: self, account: &asker.account, ticket };
        self.make_room(&asker.account);
        match receiver.await {
            Ok(place) => place,
            // The desk keeps the sender for as long as the ticket is in the queue.
            Err(_) => pending().await,
        }
    }

    /// A place where one is free and nobody of the account waits.
    pub(super) fn try_take(&self, asker: &Asker) -> Option<Place> {
        let granted = self.desk().ledger.try_ask(&asker.account);
        granted.then(|| Place { places: self.clone(), account: asker.account.clone() })
    }

    /// Whether a session that came back should be closed, because its place is another's turn.
    pub(super) fn must_yield(&self, asker: &Asker) -> bool {
        self.desk().ledger.must_yield(&asker.account, asker.number)
    }

    /// Places that an account holds, and the caps.
    pub(super) fn held(&self, account: &AccountId) -> (u32, SessionCaps) {
        let desk = self.desk();
        (desk.ledger.held(account), desk.ledger.caps())
    }

    /// Closes one idle session of those who should give one up for the account. A pool is asked without the lock, for its
    /// place comes back through this desk.
    fn make_room(&self, account: &AccountId) {
        let pools: Vec<Arc<dyn Reclaim>> = {
            let desk = self.desk();
            let donors = desk.ledger.donors(account);
            let of = |donor: &AccountId| {
                let pools = desk.pools.values().filter(|(owner, _)| owner == donor);
                pools.filter_map(|(_, pool)| pool.upgrade()).collect::<Vec<_>>()
            };
            donors.iter().flat_map(of).collect()
        };
        for pool in pools {
            if pool.reclaim() {
                return;
            }
        }
    }
}
