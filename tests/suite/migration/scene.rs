//! A service with a store of its own over a real database.

use std::{collections::HashMap, sync::Arc, time::Duration};

use dbkeeper::{
    engine::{EngineOptions, Engines},
    model::{
        AccountId, AuthenticationMethod, CallContext, Caller, ConnectionId, Error, Grant, MigrationSetId, RequestId,
        RequestKey, Result,
        connection::EngineKind,
        migration::{Direction, MigrationLimits, Version},
        operation::{Operation, OperationKind, OperationState},
        page::PageRequest,
        schema::TablePage,
    },
    operation::{Executor, Operations},
    pool::{PoolLimits, Pools},
    service::{
        connection::{ConnectionService, input::ConnectionInput},
        migration::{
            ApplyMigrations, ImportOptions, ImportReport, MigrationExecutor, MigrationService, RevertExtent,
            RevertMigrations, StartedRun,
            import::MigrationFile,
            plan::PlanRequest,
            view::{MigrationState, PlanPage, StatusPage, extent},
        },
    },
    store::Store,
    vault::{MasterKeys, Vault},
};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::harness::postgres::PostgresServer;

/// Longest wait for an operation; reached only where a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A service, a set `app`, and a registered database `target`.
pub(super) struct Scene {
    pub(super) service: MigrationService,
    pub(super) context: CallContext,
    /// The database behind `target` on the shared PostgreSQL server; empty for SQLite.
    pub(super) database: String,
    pools: Pools,
    operations: Operations,
    _directory: TempDir,
}

impl Scene {
    pub(super) async fn sqlite() -> Self {
        Self::new(EngineKind::Sqlite, false).await
    }

    pub(super) async fn postgres() -> Self {
        Self::new(EngineKind::Postgresql, false).await
    }

    pub(super) async fn new(engine: EngineKind, read_only: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("sqlite");
        let scratch = directory.path().join("scratch");
        std::fs::create_dir_all(root.join("mine")).unwrap();
        std::fs::create_dir_all(&scratch).unwrap();
        std::fs::write(root.join("mine/app.db"), "").unwrap();

        let store = Store::open(&directory.path().join("store.sqlite")).await.unwrap();
        let context = context("mine");
        store.ensure_account(context.account(), "Mine").await.unwrap();
        let vault = Arc::new(Vault::new(&MasterKeys::generate().unwrap()).unwrap());
        let options = EngineOptions {
            sqlite_root: root,
            scratch_directory: scratch,
            reach: dbkeeper::engine::Reach::default(),
            dial_timeout: PATIENCE,
            tool_directories: Vec::new(),
            sessions: Default::default(),
        };
        let limits = PoolLimits { sessions: options.sessions.clone(), idle_timeout: PATIENCE };
        let tracker = TaskTracker::new();
        let pools = Pools::new(store.clone(), vault.clone(), Engines::new(&options), limits, tracker.clone()).unwrap();
        let operations = Operations::new(store.clone(), 4, tracker, CancellationToken::new());
        let executor: Arc<dyn Executor> = Arc::new(MigrationExecutor::new(store.clone(), pools.clone()));
        operations.install(HashMap::from([
            (OperationKind::ApplyMigrations, executor.clone()),
            (OperationKind::RevertMigrations, executor),
        ]));

        let (mut input, database) = match engine {
            EngineKind::Postgresql => {
                let server = PostgresServer::shared();
                let database = server.create_database();
                let mut input = ConnectionInput::from_settings(&server.settings(&database));
                input.password = Some(SecretString::from(server.password()));
                (input, database)
            }
            engine => {
                let input = ConnectionInput {
                    display_name: "App".to_owned(),
                    engine: Some(engine),
                    database: "app.db".to_owned(),
                    ..ConnectionInput::default()
                };
                (input, String::new())
            }
        };
        input.read_only = read_only;
        let connections = ConnectionService::new(store.clone(), vault, pools.clone());
        connections.create(&context, Some(connection_id()), input, None, false).await.unwrap();
        let service = MigrationService::new(store, pools.clone(), operations.clone());
        service.create_set(&context, Some(set_id()), "App".to_owned(), None, false).await.unwrap();
        Self { service, context, database, pools, operations, _directory: directory }
    }

    pub(super) async fn import(&self, files: &[(&str, &str)]) -> Result<ImportReport> {
        self.import_with(files, ImportOptions::default()).await
    }

    pub(super) async fn import_changes(&self, files: &[(&str, &str)]) -> Result<ImportReport> {
        self.import_with(files, ImportOptions { allow_changes: true, ..ImportOptions::default() }).await
    }

    pub(super) async fn import_with(&self, files: &[(&str, &str)], options: ImportOptions) -> Result<ImportReport> {
        let files: Vec<_> = files
            .iter()
            .map(|(path, content)| MigrationFile { path: (*path).to_owned(), content: (*content).to_owned() })
            .collect();
        self.service.import(&self.context, &set_id(), &files, options).await
    }

    /// Applies up to a version, or all, and waits for the end.
    pub(super) async fn apply(&self, target: Option<&str>) -> Operation {
        let started = self.service.apply(&self.context, &apply(target), None).await;
        self.end_of(started.unwrap()).await
    }

    pub(super) async fn apply_refused(&self) -> Error {
        self.service.apply(&self.context, &apply(None), None).await.err().expect("it is refused")
    }

    pub(super) async fn start(&self, request: &RequestKey) -> Operation {
        match self.service.apply(&self.context, &apply(None), Some(request)).await.unwrap() {
            StartedRun::Operation(operation) => *operation,
            StartedRun::Valid(_) => panic!("it was not asked to validate only"),
        }
    }

    pub(super) async fn revert(&self, extent: RevertExtent) -> Operation {
        let revert = RevertMigrations {
            set: set_id(),
            connection: connection_id(),
            extent,
            limits: MigrationLimits::default(),
            validate_only: false,
        };
        let started = self.service.revert(&self.context, &revert, None).await;
        self.end_of(started.unwrap()).await
    }

    async fn end_of(&self, started: StartedRun) -> Operation {
        let StartedRun::Operation(operation) = started else { panic!("it was not asked to validate only") };
        self.wait(&operation).await
    }

    pub(super) async fn wait(&self, operation: &Operation) -> Operation {
        let ended = self.operations.wait(&self.context, &operation.id, PATIENCE).await.unwrap();
        assert!(ended.state.is_final(), "{ended:?}");
        ended
    }

    pub(super) async fn status(&self) -> StatusPage {
        self.service.status(&self.context, &set_id(), &connection_id(), &page(100, None)).await.unwrap()
    }

    /// Version and state of each migration.
    pub(super) async fn states(&self) -> Vec<(String, MigrationState)> {
        let entries = self.status().await.entries.items;
        entries.into_iter().map(|entry| (entry.version.to_string(), entry.state)).collect()
    }

    pub(super) async fn plan(&self, direction: Direction, page: &PageRequest) -> PlanPage {
        let request = PlanRequest { direction, extent: extent(direction, None, 0), allow_out_of_order: false };
        self.service.plan(&self.context, &set_id(), &connection_id(), &request, page).await.unwrap()
    }

    /// Names of the tables of the target, the history aside.
    pub(super) async fn tables(&self) -> Vec<String> {
        let lease = self.pools.database(self.context.account(), &connection_id()).await.unwrap();
        let inspect = lease.require_inspect().unwrap();
        let list = inspect.list_tables(&Default::default(), &TablePage::first(1000)).await.unwrap();
        let names = list.tables.into_iter().map(|table| table.name);
        names.filter(|name| name != "dbkeeper_migrations").collect()
    }
}

pub(super) fn context(account: &str) -> CallContext {
    CallContext {
        caller: Caller::new(
            AccountId::parse(account, "account").unwrap(),
            "key/test",
            AuthenticationMethod::ApiKey,
            Grant::ALL,
        ),
        request_id: RequestId::generate(),
        deadline: None,
        cancellation: CancellationToken::new(),
    }
}

pub(super) fn set_id() -> MigrationSetId {
    MigrationSetId::parse("app", "migration_set").unwrap()
}

pub(super) fn connection_id() -> ConnectionId {
    ConnectionId::parse("target", "connection").unwrap()
}

pub(super) fn page(size: u32, after: Option<Vec<String>>) -> PageRequest {
    PageRequest { size, after }
}

pub(super) fn apply(target: Option<&str>) -> ApplyMigrations {
    ApplyMigrations {
        set: set_id(),
        connection: connection_id(),
        target: target.map(|text| Version::parse(text, "target_version").unwrap()),
        allow_out_of_order: false,
        limits: MigrationLimits::default(),
        validate_only: false,
    }
}

/// The operation, which must have succeeded.
pub(super) fn succeeded(operation: Operation) -> Operation {
    assert_eq!(operation.state, OperationState::Succeeded, "{:?}", operation.error);
    operation
}
