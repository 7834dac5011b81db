//! Forgets operations that ended long ago, once an hour. An error is logged and the next hour tries again; a shutdown
//! ends it between two rounds.

use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::BackgroundTask;
use crate::{model::Timestamp, store::Store};

const ROUND: Duration = Duration::from_secs(3600);

/// The task.
pub struct OperationRetention {
    /// Where the operations are.
    pub store: Store,
    /// How long one that has ended is kept.
    pub retention: Duration,
}

#[async_trait]
impl BackgroundTask for OperationRetention {
    fn name(&self) -> &'static str {
        "operation_retention"
    }

    async fn run(&self, shutdown: CancellationToken) {
        let mut rounds = tokio::time::interval(ROUND);
        while shutdown.run_until_cancelled(rounds.tick()).await.is_some() {
            let kept = i64::try_from(self.retention.as_micros()).unwrap_or(i64::MAX);
            let before = Timestamp::from_micros(Timestamp::now().as_micros().saturating_sub(kept));
            match self.store.delete_ended_operations(before).await {
                Ok(0) => {}
                Ok(deleted) => tracing::info!(deleted, "old operations forgotten"),
                Err(error) => tracing::warn!(error = %error, "old operations not forgotten"),
            }
        }
    }
}
