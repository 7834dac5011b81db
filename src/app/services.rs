//! Builds the services over store, vault and engines, and the adapters over the services.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{metrics, settings};
use crate::{
    config::Config,
    engine::{Engines, reach::OwnListeners},
    grpc::{
        access_service::AccessAdapter, audit::AuditAdapter, backup_service::BackupAdapter,
        connection_service::ConnectionAdapter, convert::token::Tokens, migration_service::MigrationAdapter,
        monitor_service::MonitorAdapter, operation_service::OperationAdapter, routes::Routes,
        schema_service::SchemaAdapter, settings::ServerSettings, vault_service::VaultAdapter,
    },
    model::{Result, operation::OperationKind},
    operation::{Executor, Operations},
    pool::Pools,
    service::{
        access::AccessService,
        account::AccountService,
        audit::AuditService,
        backup::{
            BackupService, KeyCopy,
            repository::{RepositorySettings, Storage},
        },
        connection::{
            ConnectionService,
            health::{HealthChecks, HealthOptions},
        },
        databases::Databases,
        migration::{MigrationExecutor, MigrationService},
        monitor::{MonitorOptions, MonitorService},
        schema::{LintSettingsService, SchemaService},
        vault::{SealedCopy, VaultService},
    },
    store::Store,
    tasks::{
        BackgroundTask, connection_health::ConnectionHealth, connection_tests::ConnectionTests,
        credential_settlement::CredentialSettlement, key_uses::KeyUses, operation_retention::OperationRetention,
        pool_eviction::PoolEviction, token_keys::TokenKeys,
    },
    vault::{RepositoryKey, TokenKey, Vault},
};

/// What all parts of one process share.
#[derive(Default)]
pub(super) struct Process {
    /// Work that a shutdown waits for.
    pub(super) tracker: TaskTracker,
    /// The operations, which end before what they use.
    pub(super) operations: TaskTracker,
    /// Cancelled when the process is to end.
    pub(super) shutdown: CancellationToken,
    /// Cancelled when the calls and operations have ended, so that nobody uses a database any more.
    pub(super) unused: CancellationToken,
    /// Where it listens.
    pub(super) own: OwnListeners,
}

/// The services of an open server.
pub(super) struct Services {
    store: Store,
    access: Arc<AccessService>,
    accounts: AccountService,
    operation_retention: Duration,
    health: HealthOptions,
    pub(super) operations: Operations,
    pools: Pools,
    unused: CancellationToken,
    connections: ConnectionService,
    schemas: SchemaService,
    migrations: MigrationService,
    pub(super) backups: Arc<BackupService>,
    monitor: Arc<MonitorService>,
    pub(super) vault: VaultService,
}

impl Services {
    pub(super) async fn build(
        config: &Config,
        store: &Store,
        vault: Arc<Vault>,
        access: Arc<AccessService>,
        audit: Arc<AuditService>,
        repository_key: RepositoryKey,
        process: &Process,
    ) -> Result<Self> {
        let Process { tracker, operations, shutdown, unused, own } = process;
        let sessions = settings::sessions(config, tracker);
        let options = settings::engine(config, own, sessions.clone(), tracker);
        Engines::sweep_scratch(&options)?;
        let engines = Engines::new(&options);
        let limits = settings::pools(config, sessions);
        let pools = Pools::new(store.clone(), vault.clone(), engines, limits, tracker.clone())?;
        let parallel = config.operations.max_running as usize;
        let operations = Operations::new(store.clone(), parallel, operations.clone(), shutdown.clone());
        let connections = ConnectionService::new(store.clone(), vault.clone(), pools.clone());
        let copies: Vec<Arc<dyn SealedCopy>> =
            vec![Arc::new(KeyCopy::new(store.clone(), Storage::directory(config.backup.directory.clone())?))];
        let source = settings::key_source(config);
        let vault = VaultService::new(store.clone(), vault, source, copies, operations.clone());
        let migrations = MigrationService::new(store.clone(), pools.clone(), operations.clone());
        let backups = Arc::new(BackupService::new(
            store.clone(),
            pools.clone(),
            operations.clone(),
            Storage::directory(config.backup.directory.clone())?,
            &repository_key,
            RepositorySettings {
                compression_level: i32::try_from(config.backup.compression_level).unwrap_or(1),
                ..RepositorySettings::default()
            },
        ));
        let connections = connections.with_removal(operations.clone(), backups.clone()).with_record(audit);
        let databases: Arc<dyn Databases> = connections.readers();
        let schemas = SchemaService::new(databases.clone(), tracker.clone(), backups.clone());
        let monitor = MonitorService::new(databases, MonitorOptions::default(), tracker.clone(), shutdown.clone());
        operations.install(executors(store, &pools, &backups, &vault));
        backups.recover().await?;
        metrics::register(&pools, &operations);
        Ok(Self {
            store: store.clone(),
            accounts: AccountService::new(store.clone(), access.clone(), pools.clone()),
            access,
            operation_retention: config.operations.retention,
            health: settings::health(config),
            operations,
            pools,
            unused: unused.clone(),
            connections,
            schemas,
            migrations,
            backups,
            monitor: Arc::new(monitor),
            vault,
        })
    }

    pub(super) fn routes(&self, server: &ServerSettings, token_key: TokenKey, audit: Arc<AuditService>) -> Routes {
        let tokens = Tokens::default();
        tokens.set_key(token_key);
        Routes::new(server)
            .connections(ConnectionAdapter::new(self.connections.clone(), tokens.clone()))
            .schemas(SchemaAdapter::new(
                self.schemas.clone(),
                Arc::new(LintSettingsService::new(self.store.clone())),
                self.migrations.clone(),
                tokens.clone(),
            ))
            .migrations(MigrationAdapter::new(self.migrations.clone(), tokens.clone()))
            .backups(BackupAdapter::new(self.backups.clone(), tokens.clone()))
            .monitor(MonitorAdapter::new(self.monitor.clone(), tokens.clone()))
            .access(AccessAdapter::new(
                self.access.clone(),
                self.accounts.clone(),
                AuditAdapter::new(audit, tokens.clone()),
                tokens.clone(),
            ))
            .vault(VaultAdapter::open(self.vault.clone(), tokens.clone()))
            .operations(OperationAdapter::new(self.operations.clone(), tokens))
    }

    pub(super) fn tasks(&self) -> Vec<Arc<dyn BackgroundTask>> {
        let health = HealthChecks::new(self.store.clone(), self.pools.clone(), self.health.clone());
        vec![
            Arc::new(KeyUses(self.access.clone())),
            Arc::new(TokenKeys(self.access.clone())),
            Arc::new(ConnectionHealth(health)),
            Arc::new(ConnectionTests { pools: self.pools.clone(), unused: self.unused.clone() }),
            Arc::new(PoolEviction { pools: self.pools.clone(), unused: self.unused.clone() }),
            Arc::new(CredentialSettlement(self.connections.clone())),
            Arc::new(OperationRetention { store: self.store.clone(), retention: self.operation_retention }),
        ]
    }
}

/// What each kind of operation does.
fn executors(
    store: &Store,
    pools: &Pools,
    backups: &BackupService,
    vault: &VaultService,
) -> HashMap<OperationKind, Arc<dyn Executor>> {
    let migrations: Arc<dyn Executor> = Arc::new(MigrationExecutor::new(store.clone(), pools.clone()));
    let mut executors = backups.executors();
    executors.extend(vault.executors());
    executors.insert(OperationKind::ApplyMigrations, migrations.clone());
    executors.insert(OperationKind::RevertMigrations, migrations);
    executors
}
