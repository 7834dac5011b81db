//! What a pool does between its leases: sessions that are too old or idle for too long go, and `min_idle` are kept open.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use super::{Held, SessionPool, SessionSource, Shared};

/// A database that let nobody in is not asked again for so long, but by callers.
const REFILL_PAUSE: Duration = Duration::from_secs(10);

impl<S: SessionSource> SessionPool<S> {
    /// Closes what is due and opens what is missing. Called every second or so; waits for the database.
    pub async fn tend(&self) {
        let shared = &self.0;
        shared.end_all(shared.due(Instant::now()).into_iter()).await;
        while let Some(held) = shared.missing(Instant::now()).await {
            let superfluous = shared.put_back(held);
            shared.end_all(superfluous.into_iter()).await;
        }
    }
}

impl<S: SessionSource> Shared<S> {
    /// Takes out the sessions that are to be closed: the expired, and those idle for too long beyond `min_idle`.
    pub(super) fn due(&self, now: Instant) -> Vec<Held<S::Session>> {
        let mut state = self.state();
        let mut superfluous = self.open.load(Ordering::Relaxed).saturating_sub(self.settings.min_idle);
        let mut due = Vec::new();
        // The one that is idle for longest is in front.
        for idle in std::mem::take(&mut state.idle) {
            let unused = now.saturating_duration_since(idle.since) >= self.settings.idle_timeout;
            if now >= idle.held.expires || (unused && superfluous > 0) {
                superfluous = superfluous.saturating_sub(1);
                due.push(idle.held);
            } else {
                state.idle.push_back(idle);
            }
        }
        due
    }

    /// Opens one session where fewer than `min_idle` are open and nothing stands in the way; waits in no queue but that of
    /// the dials.
    async fn missing(&self, now: Instant) -> Option<Held<S::Session>> {
        let wanted = self.open.load(Ordering::Relaxed) < self.settings.min_idle && !self.closed.is_cancelled();
        if !wanted || self.state().refill_after.is_some_and(|after| now < after) {
            return None;
        }
        let _turn = self.turns.try_acquire().ok()?;
        let place = match &self.asker {
            Some(asker) => Some(self.limits.places.try_take(asker)?),
            None => None,
        };
        let _gate = match self.source.host() {
            Some((host, port)) => self.limits.gates.enter(host, port).await,
            None => None,
        };
        let began = Instant::now();
        let opened = self.closed.run_until_cancelled(self.source.open()).await?;
        match opened {
            Ok(session) => {
                self.meter.created(began.elapsed());
                Some(self.held(session, place))
            }
            Err(error) => {
                self.state().refill_after = Some(Instant::now() + REFILL_PAUSE);
                tracing::debug!(cause = %error, "pool not filled up");
                None
            }
        }
    }
}
