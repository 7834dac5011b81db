//! Builds the services over store, vault and engines, and the adapters over the services.

use std::{sync::Arc, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::settings;
use crate::{
    config::Config,
    engine::Engines,
    grpc::{
        connection_service::ConnectionAdapter, convert::token::Tokens, operation_service::OperationAdapter,
        routes::Routes, settings::ServerSettings,
    },
    model::Result,
    operation::Operations,
    pool::Pools,
    service::connection::ConnectionService,
    store::Store,
    tasks::{BackgroundTask, operation_retention::OperationRetention, pool_eviction::PoolEviction},
    vault::{RepositoryKey, TokenKey, Vault},
};

/// The services of an open server.
pub(super) struct Services {
    store: Store,
    operation_retention: Duration,
    pub(super) operations: Operations,
    pools: Pools,
    connections: ConnectionService,
}

impl Services {
    pub(super) async fn build(
        config: &Config,
        store: &Store,
        vault: Arc<Vault>,
        _repository_key: RepositoryKey,
        tracker: &TaskTracker,
        shutdown: &CancellationToken,
    ) -> Result<Self> {
        let engines = Engines::new(&settings::engine(config));
        let pools = Pools::new(store.clone(), vault.clone(), engines, settings::pools(config), tracker.clone());
        let parallel = config.operations.max_running as usize;
        let operations = Operations::new(store.clone(), parallel, tracker.clone(), shutdown.clone());
        let connections = ConnectionService::new(store.clone(), vault, pools.clone());
        Ok(Self {
            store: store.clone(),
            operation_retention: config.operations.retention,
            operations,
            pools,
            connections,
        })
    }

    pub(super) fn routes(&self, server: &ServerSettings, token_key: TokenKey) -> Routes {
        let tokens = Tokens::default();
        tokens.set_key(token_key);
        Routes::new(server)
            .connections(ConnectionAdapter::new(self.connections.clone(), tokens.clone()))
            .operations(OperationAdapter::new(self.operations.clone(), tokens))
    }

    pub(super) fn tasks(&self) -> Vec<Arc<dyn BackgroundTask>> {
        vec![
            Arc::new(PoolEviction(self.pools.clone())),
            Arc::new(OperationRetention { store: self.store.clone(), retention: self.operation_retention }),
        ]
    }
}
