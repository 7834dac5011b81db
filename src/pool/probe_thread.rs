//! A thread of its own on which databases are looked at.
//!
//! A login by password computes for some milliseconds, and the driver lets others run after every few steps of it. On the
//! threads that serve calls, each of these hundreds of pauses can hand the login from one thread to the other and wakes one that
//! sleeps. Here it goes on at once, and the threads that serve calls compute nothing for it. A connection that was made here
//! belongs here: one that a pool keeps is dialled elsewhere.

use std::{
    collections::HashMap,
    future::poll_fn,
    io,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    thread,
};

use tokio::{
    runtime,
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::{
    engine::{Engine, Probe, Target},
    model::{AccountId, Error, Result, connection::EngineKind, on_record::OnRecord},
};

/// Of so many pauses of a login one is made.
const PAUSES: usize = 16;
/// Looks that callers of one account may have under way at one time. A server that means no good can have a login compute for
/// seconds, and all of them share this thread: the others of that account wait, and those of the next one do not.
const PER_ACCOUNT: usize = 16;

/// The thread. It ends, with what runs on it, when this is dropped.
pub(super) struct ProbeThread {
    handle: runtime::Handle,
    /// The turns of the accounts that look at something right now.
    turns: Mutex<HashMap<AccountId, Arc<Semaphore>>>,
    _stop: oneshot::Sender<()>,
}

impl ProbeThread {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        thread::Builder::new().name("probe".to_owned()).spawn(move || runtime.block_on(stopped))?;
        Ok(Self { handle, turns: Mutex::default(), _stop: stop })
    }

    /// Waits until an account may have one look more. The looks of the background are not counted here: they are bounded as a whole.
    pub(super) async fn turn(&self, account: &AccountId) -> Option<OwnedSemaphorePermit> {
        let turns = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turns| Arc::strong_count(turns) > 1);
            turns.entry(account.clone()).or_insert_with(|| Arc::new(Semaphore::new(PER_ACCOUNT))).clone()
        };
        turns.acquire_owned().await.ok()
    }

    /// Looks at a database, and lets go of `gate` when that has ended. Dropping the future ends the look.
    pub(super) async fn probe<G: Send + 'static>(
        &self,
        engine: Arc<dyn Engine>,
        target: Target,
        on_record: OnRecord,
        gate: G,
    ) -> Result<Probe> {
        // A look at a file logs in nowhere, and asks a file system, which may hang: that must not hold all others.
        if target.settings.engine == EngineKind::Sqlite {
            return engine.probe_on_record(&target, &on_record).await;
        }
        let look = with_fewer_pauses(async move {
            let _gate = gate;
            engine.probe_on_record(&target, &on_record).await
        });
        AbortOnDropHandle::new(self.handle.spawn(look.in_current_span())).await.map_err(Error::internal)?
    }
}

/// Goes on at once behind most pauses: at each the thread would look at all sockets, which takes longer than the steps between two.
/// Where the future does wait for something, it is only asked a few times more.
async fn with_fewer_pauses<T>(look: impl Future<Output = T>) -> T {
    let mut look = pin!(look);
    poll_fn(move |context| {
        let mut polls = (0..PAUSES).map(|_| look.as_mut().poll(context));
        polls.find(Poll::is_ready).unwrap_or(Poll::Pending)
    })
    .await
}
