//! What all pools of a server share: the places, the gates of the hosts, and who hears how long things took.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use tokio_util::task::TaskTracker;

use super::{DialGates, PoolObserver, SessionCaps, exhausted::Limit, places::Places};
use crate::model::{AccountId, ConnectionId, name};

/// Whose pool it is.
#[derive(Debug, Clone)]
pub struct PoolOwner {
    /// The account that its sessions are counted for.
    pub account: AccountId,
    /// Its name in metrics: the account and the name of the connection.
    pub name: String,
}

impl PoolOwner {
    /// The pool of a connection; settings that are not registered have none.
    pub fn new(account: &AccountId, connection: Option<&ConnectionId>) -> Self {
        let name = connection.map(|id| format!("{account}/{}", name::connection(id))).unwrap_or_default();
        Self { account: account.clone(), name }
    }
}

/// What all pools of a server share. Cheap to clone; the clones are the same limits.
#[derive(Clone)]
pub struct SessionLimits {
    pub(super) places: Places,
    /// At most 5 dials to one host.
    pub gates: DialGates,
    /// Sessions that are closed for the sake of others are closed in tasks of it.
    pub(super) tracker: TaskTracker,
    observer: Arc<OnceLock<Arc<dyn PoolObserver>>>,
}

/// Sessions of one account, and the caps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountSessions {
    /// Open or being opened in the pools of the account; those of monitoring are not counted.
    pub held: u32,
    /// The caps.
    pub caps: SessionCaps,
}

impl SessionLimits {
    /// Limits with these caps.
    pub fn new(caps: SessionCaps, tracker: TaskTracker) -> Self {
        Self { places: Places::new(caps), gates: DialGates::default(), tracker, observer: Arc::default() }
    }

    /// Says who hears how long things took, for pools that are made from now on. The first one stays.
    pub fn observe(&self, observer: Arc<dyn PoolObserver>) {
        let _ = self.observer.set(observer);
    }

    /// Sessions of an account.
    pub fn account(&self, account: &AccountId) -> AccountSessions {
        let (held, caps) = self.places.held(account);
        AccountSessions { held, caps }
    }

    pub(super) fn observer(&self) -> Option<Arc<dyn PoolObserver>> {
        self.observer.get().cloned()
    }

    /// Which cap stands in the way of another session of an account.
    pub(super) fn reached_by(&self, account: &AccountId) -> Limit {
        let AccountSessions { held, caps } = self.account(account);
        if held >= caps.account.min(caps.server) && caps.account < caps.server { Limit::Account } else { Limit::Server }
    }
}

impl Default for SessionLimits {
    /// For tests and tools, which have one account.
    fn default() -> Self {
        Self::new(SessionCaps { server: 500, account: 500 }, TaskTracker::new())
    }
}

impl fmt::Debug for SessionLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLimits").finish_non_exhaustive()
    }
}
