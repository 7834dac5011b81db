//! Settles rotations of credentials that a crash or a lost database left open: at the start, and then as long as any is
//! open. An error is logged and the next round tries again; a shutdown ends it between two rounds, and the next start goes on.

use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::BackgroundTask;
use crate::service::connection::ConnectionService;

/// Pause between two rounds.
const PAUSE: Duration = Duration::from_secs(5);
/// Longest pause, where a round settled nothing: a password that is refused is not tried more often than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// The task.
pub struct CredentialSettlement(pub ConnectionService);

#[async_trait]
impl BackgroundTask for CredentialSettlement {
    fn name(&self) -> &'static str {
        "credential_settlement"
    }

    async fn run(&self, shutdown: CancellationToken) {
        let mut pause = PAUSE;
        while let Some(round) = shutdown.run_until_cancelled(self.0.settle_all()).await {
            pause = match round {
                Ok(0) => PAUSE,
                Ok(_) => LONGEST_PAUSE.min(pause * 2),
                Err(error) => {
                    tracing::warn!(error = %error, "open rotations not read");
                    PAUSE
                }
            };
            shutdown.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
    }
}
