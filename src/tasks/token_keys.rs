//! Reads the keys of the identity provider again, so that one that was withdrawn is no longer believed. An error is
//! logged, the old keys stay and the next round tries again; a shutdown ends it between two rounds.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::BackgroundTask;
use crate::service::access::AccessService;

const ROUND: Duration = Duration::from_secs(300);

/// The task.
pub struct TokenKeys(pub Arc<AccessService>);

#[async_trait]
impl BackgroundTask for TokenKeys {
    fn name(&self) -> &'static str {
        "token_keys"
    }

    async fn run(&self, shutdown: CancellationToken) {
        let mut rounds = tokio::time::interval(ROUND);
        while shutdown.run_until_cancelled(rounds.tick()).await.is_some() {
            if let Some(Err(error)) = shutdown.run_until_cancelled(self.0.refresh_token_keys()).await {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::warn!(error = %error, cause, "keys of the identity provider not read");
            }
        }
    }
}
