//! The right to use a live database.

use std::{
    future::Future,
    hash::{Hash, Hasher},
    ops::Deref,
    sync::{Arc, Weak},
};

use tokio_util::sync::CancellationToken;

use super::slot::Use;
use crate::{
    engine::Database,
    model::{Error, Reason, Result},
};

/// The right to use a live database. While one is held the pool is not evicted; a change or a delete of the connection
/// closes it all the same and cancels [`Lease::closed`].
#[derive(Clone)]
pub struct Lease {
    database: Arc<dyn Database>,
    closed: CancellationToken,
    _use: Option<Arc<Use>>,
}

impl Lease {
    pub(super) fn new(database: Arc<dyn Database>, closed: CancellationToken, in_use: Use) -> Self {
        Self { database, closed, _use: Some(Arc::new(in_use)) }
    }

    /// The right to use a database that no registry holds; `closed` says when it ends.
    pub fn detached(database: Arc<dyn Database>, closed: CancellationToken) -> Self {
        Self { database, closed, _use: None }
    }

    /// Cancelled when the connection was changed or deleted.
    pub fn closed(&self) -> &CancellationToken {
        &self.closed
    }

    /// Which pool it is of.
    pub fn pool_identity(&self) -> PoolIdentity {
        PoolIdentity { database: Arc::downgrade(&self.database), closed: self.closed.clone() }
    }

    /// Does work that ends with an error as soon as the connection is changed or deleted.
    pub async fn run<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            outcome = work => outcome,
            () = self.closed.cancelled() => Err(closed_error()),
        }
    }
}

impl Deref for Lease {
    type Target = dyn Database;

    fn deref(&self) -> &Self::Target {
        self.database.as_ref()
    }
}

/// Which pool a lease is of: the same for all leases of one pool, and never that of another pool, be it one of the same
/// connection before or after a change. Does not keep the pool alive.
#[derive(Clone)]
pub struct PoolIdentity {
    // While there is a weak reference no other pool can take the address.
    database: Weak<dyn Database>,
    closed: CancellationToken,
}

impl PoolIdentity {
    /// The pool is closed, so that nobody will come with its identity again.
    pub fn has_ended(&self) -> bool {
        self.closed.is_cancelled() || self.database.strong_count() == 0
    }

    fn address(&self) -> usize {
        self.database.as_ptr().cast::<()>().addr()
    }
}

impl PartialEq for PoolIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.address() == other.address()
    }
}

impl Eq for PoolIdentity {}

impl Hash for PoolIdentity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}

/// Work ended because the connection was changed or deleted.
pub(super) fn closed_error() -> Error {
    Error::new(
        Reason::EtagMismatch,
        "the connection was changed or deleted while this ran; read it again and repeat the call",
    )
}
