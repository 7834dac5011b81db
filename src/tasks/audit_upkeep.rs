//! Sees to the audit log every ten minutes: tells how many refusals were left out, and removes events that are older
//! than their retention. An error is logged and the next round tries again; a shutdown tells what is left out so far
//! and ends it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::BackgroundTask;
use crate::service::audit::AuditService;

const ROUND: Duration = Duration::from_secs(600);

/// The task.
pub struct AuditUpkeep {
    /// The log.
    pub audit: Arc<AuditService>,
    /// How long an event is kept.
    pub retention: Duration,
}

#[async_trait]
impl BackgroundTask for AuditUpkeep {
    fn name(&self) -> &'static str {
        "audit_upkeep"
    }

    async fn run(&self, shutdown: CancellationToken) {
        let mut rounds = tokio::time::interval(ROUND);
        while shutdown.run_until_cancelled(rounds.tick()).await.is_some() {
            self.audit.tell_left_out(false).await;
            if let Err(error) = self.audit.remove_old(self.retention).await {
                tracing::warn!(error = %error, "old audit events not removed");
            }
        }
        self.audit.tell_left_out(true).await;
    }
}
