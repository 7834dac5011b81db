//! Background tasks, each registered here with what happens on cancel, on error and at shutdown.
//!
//! Work that belongs to a call, an operation or a subscriber is not here: it ends with what it belongs to.

pub mod audit_upkeep;
pub mod connection_health;
pub mod connection_tests;
pub mod credential_settlement;
pub mod http_listener;
pub mod key_uses;
pub mod operation_retention;
pub mod pool_eviction;
pub mod sealed_source;
pub mod token_keys;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Pause before a task that ended badly is begun again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Work that goes on while the server runs.
#[async_trait]
pub trait BackgroundTask: Send + Sync + 'static {
    /// Name in the log.
    fn name(&self) -> &'static str;

    /// Works until `shutdown`, then tidies up and returns. A panic is logged and the task begun again.
    async fn run(&self, shutdown: CancellationToken);
}

/// Runs tasks in `tracker`, which a shutdown waits for, until `shutdown`.
pub fn start(tasks: Vec<Arc<dyn BackgroundTask>>, tracker: &TaskTracker, shutdown: &CancellationToken) {
    for task in tasks {
        tracker.spawn(supervise(task, tracker.clone(), shutdown.clone()));
    }
}

async fn supervise(task: Arc<dyn BackgroundTask>, tracker: TaskTracker, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let (work, token) = (task.clone(), shutdown.clone());
        let Err(panic) = tracker.spawn(async move { work.run(token).await }).await else { continue };
        tracing::error!(task = task.name(), cause = %panic, "background task failed");
        shutdown.run_until_cancelled(tokio::time::sleep(RESTART_PAUSE)).await;
    }
}
