//! The samplers that run: one a database, begun by the first who wants it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    MonitorOptions,
    looker::Looker,
    sampler::{Key, Sampler, Step},
};
use crate::{
    model::{Error, Reason},
    service::databases::Databases,
};

/// The samplers that run.
pub(super) struct Samplers {
    running: Mutex<HashMap<Key, Arc<Sampler>>>,
    databases: Arc<dyn Databases>,
    options: MonitorOptions,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Samplers {
    /// None runs yet.
    pub(super) fn new(
        databases: Arc<dyn Databases>,
        options: MonitorOptions,
        tasks: TaskTracker,
        shutdown: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self { running: Mutex::default(), databases, options, tasks, shutdown })
    }

    /// How many run.
    pub(super) fn count(&self) -> usize {
        self.running().len()
    }

    /// Does something with the sampler of a database while it cannot retire.
    pub(super) fn with<T>(self: &Arc<Self>, key: &Key, work: impl FnOnce(&Arc<Sampler>) -> T) -> T {
        let mut running = self.running();
        let sampler = running.entry(key.clone()).or_insert_with(|| self.start(key.clone()));
        work(sampler)
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Key, Arc<Sampler>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(self: &Arc<Self>, key: Key) -> Arc<Sampler> {
        let sampler = Arc::new(Sampler::new(key));
        let run = Run { samplers: Arc::clone(self), sampler: Arc::clone(&sampler) };
        self.tasks.spawn(run.run());
        sampler
    }
}

/// One loop. However it ends, its sampler is taken out and nobody waits for it any longer.
struct Run {
    samplers: Arc<Samplers>,
    sampler: Arc<Sampler>,
}

impl Run {
    async fn run(self) {
        let shutdown = self.samplers.shutdown.clone();
        let end = shutdown.run_until_cancelled(self.look_until_the_end()).await;
        match end {
            Some(Some(error)) => self.end(error),
            Some(None) => {}
            None => self.end(Error::new(Reason::ShuttingDown, "the server stops; connect again in a moment")),
        }
    }

    /// Returns the error that ended it; absent where nobody wanted it any longer.
    async fn look_until_the_end(&self) -> Option<Error> {
        let Samplers { databases, options, .. } = &*self.samplers;
        let mut looker = Looker::new(Arc::clone(databases), options.clone());
        loop {
            match self.sampler.next_step(Instant::now(), options.linger) {
                Step::Look(tick) => {
                    if let Err(error) = looker.look(&self.sampler, tick).await {
                        return Some(error);
                    }
                }
                Step::Rest(until) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(until) => {}
                        () = self.sampler.changed() => {}
                        () = looker.pool_closed() => {
                            looker.forget();
                            self.sampler.hurry();
                        }
                    }
                }
                Step::Retire if self.retire() => return None,
                Step::Retire => {}
            }
        }
    }

    /// Takes the sampler out unless somebody came in the last moment.
    fn retire(&self) -> bool {
        let mut running = self.samplers.running();
        let unwanted = self.sampler.next_step(Instant::now(), self.samplers.options.linger) == Step::Retire;
        if unwanted {
            running.remove(&self.sampler.key);
        }
        unwanted
    }

    fn end(&self, error: Error) {
        self.remove();
        self.sampler.end(error);
    }

    fn remove(&self) {
        let mut running = self.samplers.running();
        if running.get(&self.sampler.key).is_some_and(|known| Arc::ptr_eq(known, &self.sampler)) {
            running.remove(&self.sampler.key);
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.remove();
        // Nobody is left to read this after a retirement; after a panic the subscribers must not wait for ever.
        self.sampler.end(Error::internal("the sampler stopped without a reason"));
    }
}
