//! Stores when registered databases were last tested, once a second. An error is logged and the next round tries again; at a
//! shutdown what is left is stored once the calls have ended.

use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::BackgroundTask;
use crate::pool::Pools;

const ROUND: Duration = Duration::from_secs(1);

/// The task.
pub struct ConnectionTests {
    /// Whose looks are stored.
    pub pools: Pools,
    /// Cancelled when nobody tests any more.
    pub unused: CancellationToken,
}

#[async_trait]
impl BackgroundTask for ConnectionTests {
    fn name(&self) -> &'static str {
        "connection_tests"
    }

    async fn run(&self, _shutdown: CancellationToken) {
        let mut rounds = tokio::time::interval(ROUND);
        loop {
            let goes_on = self.unused.run_until_cancelled(rounds.tick()).await.is_some();
            if let Err(error) = self.pools.statuses().write_tests().await {
                tracing::warn!(error = %error, "tests of connections not stored");
            }
            if !goes_on {
                return;
            }
        }
    }
}
