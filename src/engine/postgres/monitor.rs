//! Metrics and sessions, read on a small pool of their own.

mod groups;
mod metrics;
mod sessions;

use super::{database::Leases, source::PostgresSource};
use crate::{engine::session_pool::SessionPool, model::connection::ServerInfo};

/// The monitoring of one database.
pub(super) struct PostgresMonitor {
    leases: Leases,
    server: ServerInfo,
}

impl PostgresMonitor {
    pub(super) fn new(leases: Leases, server: ServerInfo) -> Self {
        Self { leases, server }
    }

    pub(super) fn pool(&self) -> &SessionPool<PostgresSource> {
        self.leases.pool()
    }
}
