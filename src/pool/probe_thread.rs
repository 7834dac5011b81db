//! A thread of its own on which databases are looked at.
//!
//! A login by password computes for some milliseconds, and the driver lets others run after every few steps of it. On the
//! threads that serve calls, each of these hundreds of pauses can hand the login from one thread to the other and wakes one that
//! sleeps. Here it goes on at once, and the threads that serve calls compute nothing for it. A connection that was made here
//! belongs here: one that a pool keeps is dialled elsewhere.

use std::{io, sync::Arc, thread};

use tokio::{runtime, sync::oneshot};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::{
    engine::{Engine, Probe, Target},
    model::{Error, Result},
};

/// The thread. It ends, with what runs on it, when this is dropped.
pub(super) struct ProbeThread {
    handle: runtime::Handle,
    _stop: oneshot::Sender<()>,
}

impl ProbeThread {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        thread::Builder::new().name("probe".to_owned()).spawn(move || runtime.block_on(stopped))?;
        Ok(Self { handle, _stop: stop })
    }

    /// Looks at a database. Dropping the future ends the look.
    pub(super) async fn probe(&self, engine: Arc<dyn Engine>, target: Target) -> Result<Probe> {
        let look = async move { engine.probe(&target).await };
        AbortOnDropHandle::new(self.handle.spawn(look.in_current_span())).await.map_err(Error::internal)?
    }
}
