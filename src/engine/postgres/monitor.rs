//! Metrics and sessions, read on a small pool of their own.

mod groups;
mod metrics;
mod sessions;

use crate::model::connection::ServerInfo;

use super::database::Leases;

/// The monitoring of one database.
pub(super) struct PostgresMonitor {
    leases: Leases,
    server: ServerInfo,
}

impl PostgresMonitor {
    pub(super) fn new(leases: Leases, server: ServerInfo) -> Self {
        Self { leases, server }
    }

    pub(super) async fn close(&self) {
        self.leases.close().await;
    }
}
