//! Where the services find a live database.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    engine::Database,
    model::{AccountId, ConnectionId, Result},
};

/// Finds the live database of a registered connection, opening it where need be.
#[async_trait]
pub trait Databases: Send + Sync {
    /// The live database, or CONNECTION_NOT_FOUND, or why it cannot be reached.
    async fn database(&self, account: &AccountId, connection: &ConnectionId) -> Result<Arc<dyn Database>>;
}
