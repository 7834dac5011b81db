//! Closes pools that nobody used for a while, and sessions of the others that are due. On shutdown it closes all pools once
//! the calls and operations that use them have ended; it has no errors.

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::BackgroundTask;
use crate::pool::Pools;

/// The task.
pub struct PoolEviction {
    /// The pools.
    pub pools: Pools,
    /// Cancelled when nobody uses them any more.
    pub unused: CancellationToken,
}

#[async_trait]
impl BackgroundTask for PoolEviction {
    fn name(&self) -> &'static str {
        "pool_eviction"
    }

    async fn run(&self, shutdown: CancellationToken) {
        self.pools.tend(shutdown).await;
        self.unused.cancelled().await;
        self.pools.close_all();
    }
}
