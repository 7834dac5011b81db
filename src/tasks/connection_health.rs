//! Looks at every registered database again and again. A look that fails is what is looked for; a fault of our own is logged
//! and the database's next turn tries again. A shutdown breaks off the looks that are under way: they change nothing.

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::BackgroundTask;
use crate::service::connection::health::HealthChecks;

/// The task.
pub struct ConnectionHealth(pub HealthChecks);

#[async_trait]
impl BackgroundTask for ConnectionHealth {
    fn name(&self) -> &'static str {
        "connection_health"
    }

    async fn run(&self, shutdown: CancellationToken) {
        self.0.run(&shutdown).await;
    }
}
