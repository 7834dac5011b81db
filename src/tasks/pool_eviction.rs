//! Closes pools that nobody used for a while, and sessions of the others that are due. On shutdown it closes all pools; it
//! has no errors.

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::BackgroundTask;
use crate::pool::Pools;

/// The task.
pub struct PoolEviction(pub Pools);

#[async_trait]
impl BackgroundTask for PoolEviction {
    fn name(&self) -> &'static str {
        "pool_eviction"
    }

    async fn run(&self, shutdown: CancellationToken) {
        self.0.tend(shutdown).await;
    }
}
