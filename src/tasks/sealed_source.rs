//! Looks at the source of the master key again and again while the vault is sealed, so that a source that was not there at
//! the start is enough to come back. What is wrong with it is noted for GetVaultStatus, and logged where it changes; any
//! other error is logged and the next look tries again. Once the vault is open, whoever opened it, there is nothing left to
//! do. A shutdown breaks off a look, which the next start repeats.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::BackgroundTask;
use crate::service::vault::SealedVault;

/// The task.
pub struct SealedSource {
    /// The vault.
    pub vault: Arc<SealedVault>,
    /// Time between two looks.
    pub pause: Duration,
}

#[async_trait]
impl BackgroundTask for SealedSource {
    fn name(&self) -> &'static str {
        "sealed_source"
    }

    async fn run(&self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(tokio::time::sleep(self.pause)).await.is_some() {
            match shutdown.run_until_cancelled(self.vault.look_again()).await {
                Some(Ok(true)) => return shutdown.cancelled().await,
                Some(Err(error)) => tracing::error!(error = %error, "vault still sealed"),
                Some(Ok(false)) | None => {}
            }
        }
    }
}
