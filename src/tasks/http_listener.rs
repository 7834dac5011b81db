//! Answers who asks over plain HTTP whether the server is ready, and for its metrics. What goes wrong on a connection ends that
//! connection. A shutdown does not end it: until calls and operations have ended, load balancers hear that the server stops.

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::BackgroundTask;
use crate::http_server::HttpServer;

/// The task.
pub struct HttpListener {
    /// What listens.
    pub server: HttpServer,
    /// Cancelled when calls and operations have ended.
    pub unused: CancellationToken,
}

#[async_trait]
impl BackgroundTask for HttpListener {
    fn name(&self) -> &'static str {
        "http_listener"
    }

    async fn run(&self, _: CancellationToken) {
        self.server.serve(&self.unused).await;
    }
}
