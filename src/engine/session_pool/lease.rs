//! The right to use a session.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use tokio::sync::OwnedSemaphorePermit;

use super::{Held, SMALL_TALK, SessionSource, Shared};

/// The right to use a session. Give it back when the work is done; a lease that is dropped closes its session.
pub struct SessionLease<S: SessionSource> {
    held: Option<Held<S::Session>>,
    turn: Option<OwnedSemaphorePermit>,
    pool: Arc<Shared<S>>,
    taken: Instant,
    soiled: bool,
}

impl<S: SessionSource> SessionLease<S> {
    pub(super) fn new(pool: Arc<Shared<S>>, held: Held<S::Session>, turn: OwnedSemaphorePermit) -> Self {
        pool.in_use.fetch_add(1, Ordering::SeqCst);
        Self { held: Some(held), turn: Some(turn), pool, taken: Instant::now(), soiled: false }
    }

    /// Says that statements run which are not of a fixed text of ours, or that run code of the database's users. They can
    /// leave anything behind, so the session is made as new before anybody else gets it, or closed.
    pub fn soil(&mut self) {
        self.soiled = true;
    }

    /// Gives the session back to its pool. Its work must have ended well, with no transaction open unless it is soiled.
    pub async fn give_back(mut self) {
        let Some(mut held) = self.held.take() else { return };
        let source = &self.pool.source;
        let made_ready =
            async { (!self.soiled || source.reset(&mut held.session).await) && source.settle(&mut held.session).await };
        let ready = tokio::time::timeout(SMALL_TALK, made_ready).await.unwrap_or(false);
        if !ready {
            self.pool.end(held).await;
            return;
        }
        let superfluous = self.pool.put_back(held);
        // The next caller need not wait for the good-bye.
        self.turn = None;
        if let Some(superfluous) = superfluous {
            self.pool.end(superfluous).await;
        }
    }

    /// Closes the session instead of giving it back, so that the next lease begins with a new one.
    pub async fn retire(mut self) {
        if let Some(held) = self.held.take() {
            self.pool.end(held).await;
        }
    }

    fn held(&self) -> &Held<S::Session> {
        #[expect(
            clippy::expect_used,
            reason = "the session is taken by give_back and drop only, which consume the lease"
        )]
        self.held.as_ref().expect("a lease has its session until it ends")
    }
}

impl<S: SessionSource> Deref for SessionLease<S> {
    type Target = S::Session;

    fn deref(&self) -> &Self::Target {
        &self.held().session
    }
}

impl<S: SessionSource> DerefMut for SessionLease<S> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        #[expect(
            clippy::expect_used,
            reason = "the session is taken by give_back and drop only, which consume the lease"
        )]
        &mut self.held.as_mut().expect("a lease has its session until it ends").session
    }
}

impl<S: SessionSource> Drop for SessionLease<S> {
    fn drop(&mut self) {
        // First the session and its place, then the turn, then the word that something changed.
        self.held = None;
        self.turn = None;
        self.pool.meter.used(self.taken.elapsed());
        self.pool.in_use.fetch_sub(1, Ordering::SeqCst);
        self.pool.ended.notify_waiters();
    }
}
