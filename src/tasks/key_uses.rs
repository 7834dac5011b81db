//! Stores when and from where API keys were used, once a minute. An error is logged and the next round tries again; at a
//! shutdown what is left is stored.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::BackgroundTask;
use crate::service::access::AccessService;

const ROUND: Duration = Duration::from_secs(60);

/// The task.
pub struct KeyUses(pub Arc<AccessService>);

#[async_trait]
impl BackgroundTask for KeyUses {
    fn name(&self) -> &'static str {
        "key_uses"
    }

    async fn run(&self, shutdown: CancellationToken) {
        let mut rounds = tokio::time::interval(ROUND);
        loop {
            let goes_on = shutdown.run_until_cancelled(rounds.tick()).await.is_some();
            if let Err(error) = self.0.store_uses().await {
                tracing::warn!(error = %error, "uses of API keys not stored");
            }
            if !goes_on {
                return;
            }
        }
    }
}
