//! Where the services find a live database: the registry of pools, or what a test puts in its place.

use async_trait::async_trait;

use crate::{
    model::{AccountId, ConnectionId, Result},
    pool::{Lease, Pools},
};

/// Finds the live database of a registered connection, opening it where need be.
#[async_trait]
pub trait Databases: Send + Sync {
    /// The live database, or CONNECTION_NOT_FOUND, or why it cannot be reached.
    async fn database(&self, account: &AccountId, connection: &ConnectionId) -> Result<Lease>;

    /// A database for reads that may be a little old: a replica of the connection's, where one may serve, else itself.
    async fn reader(&self, account: &AccountId, connection: &ConnectionId) -> Result<Reader> {
        Ok(Reader { lease: self.database(account, connection).await?, served_by: None })
    }

    /// The replicas that a connection names, whatever they are worth at the moment.
    async fn replicas(&self, _account: &AccountId, _connection: &ConnectionId) -> Result<Vec<ConnectionId>> {
        Ok(Vec::new())
    }
}

/// A database to read from.
pub struct Reader {
    /// The right to use it.
    pub lease: Lease,
    /// The replica that it is; absent: the connection itself.
    pub served_by: Option<ConnectionId>,
}

#[async_trait]
impl Databases for Pools {
    async fn database(&self, account: &AccountId, connection: &ConnectionId) -> Result<Lease> {
        Pools::database(self, account, connection).await
    }
}
