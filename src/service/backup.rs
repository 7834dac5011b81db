//! Backups: taken, listed, verified, restored, downloaded, deleted.
//!
//! The calls here check and start; the work is done by one executor a kind of operation ([`create`], [`verify`],
//! [`restore`]) over the encrypted storage ([`repository`]). The store's list is a cache of the manifests ([`catalog`]).

mod catalog;
mod create;
mod download;
mod key_copy;
mod repositories;
pub mod repository;
mod restore;
mod verify;

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;

pub use download::Download;
use download::Downloads;
pub use key_copy::{KeyCopy, REPOSITORY_KEY};
use repositories::Repositories;
use repository::{RepositorySettings, Storage};

use crate::{
    engine::dump::RestoreTarget,
    model::{
        AccountId, BackupId, CallContext, ConnectionId, Detail, Error, OperationId, Reason, RequestKey, Result,
        Timestamp,
        backup::{Backup, BackupSchema, BackupState, VerifyLevel},
        connection::EngineKind,
        name::{self, BackupName},
        operation::{Operation, OperationKind, OperationSpec, Progress, ProgressUnit},
        page::{Page, PageRequest},
    },
    operation::{Executor, NewOperation, Operations},
    pool::Pools,
    service::schema::RecordedSchemas,
    store::Store,
    vault::RepositoryKey,
};

/// How often a reader of a backup tells how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// What a restore is asked to do.
#[derive(Debug, Clone)]
pub struct RestoreRequest {
    /// The backup.
    pub backup: BackupName,
    /// Whose server and credentials are used.
    pub connection: ConnectionId,
    /// Database to write; empty: the one of the connection.
    pub target_database: String,
}

/// The backups of all accounts.
pub struct BackupService {
    parts: Arc<Parts>,
    operations: Operations,
    downloads: Downloads,
    /// Held while a backup is deleted and while work on one is begun, so that the one sees the other.
    uses: tokio::sync::Mutex<()>,
}

/// What the calls and the executors work with.
struct Parts {
    store: Store,
    pools: Pools,
    repositories: Repositories,
}

impl BackupService {
    /// A service on a storage. The repository of an account is opened at its first use.
    pub fn new(
        store: Store,
        pools: Pools,
        operations: Operations,
        storage: Storage,
        key: &RepositoryKey,
        settings: RepositorySettings,
    ) -> Self {
        let repositories = Repositories::new(storage, key, settings);
        Self {
            parts: Arc::new(Parts { store, pools, repositories }),
            operations,
            downloads: Downloads::default(),
            uses: tokio::sync::Mutex::new(()),
        }
    }

    /// What the operations of this service do; to be installed before any is started.
    pub fn executors(&self) -> HashMap<OperationKind, Arc<dyn Executor>> {
        let create: Arc<dyn Executor> = Arc::new(create::CreateBackup(self.parts.clone()));
        let verify: Arc<dyn Executor> = Arc::new(verify::VerifyBackup(self.parts.clone()));
        let restore: Arc<dyn Executor> = Arc::new(restore::RestoreBackup(self.parts.clone()));
        HashMap::from([
            (OperationKind::CreateBackup, create),
            (OperationKind::VerifyBackup, verify),
            (OperationKind::RestoreBackup, restore),
        ])
    }

    /// Settles backups that a crash left between their record and their operation. Once, before operations are recovered.
    pub async fn recover(&self) -> Result<()> {
        self.parts.settle_all().await
    }

    /// Adds the backups to the list that the storage has and the list does not; returns how many. For a store that was lost.
    pub async fn rebuild(&self, account: &AccountId) -> Result<usize> {
        self.parts.rebuild(account).await
    }

    /// Does that for every account that has backups in the storage, and makes the accounts that the store lost.
    pub async fn rebuild_all(&self) -> Result<usize> {
        let mut added = 0;
        for account in self.parts.repositories.accounts().await? {
            self.parts.store.ensure_account(&account, account.as_str()).await?;
            added += self.rebuild(&account).await?;
        }
        Ok(added)
    }

    /// Begins a backup. With `validate_only` everything is checked, the tools and the storage included, and there is no operation.
    pub async fn create(
        &self,
        context: &CallContext,
        connection: &ConnectionId,
        id: Option<BackupId>,
        request: Option<&RequestKey>,
        validate_only: bool,
    ) -> Result<Option<Operation>> {
        if let Some(earlier) = self.operations.earlier(context, request).await? {
            return Ok(Some(earlier));
        }
        let account = context.account();
        let record = self.parts.store.connection(account, connection).await?;
        let lease = self.parts.pools.database(account, connection).await?;
        let plan = lease.run(lease.require_dump()?.plan_dump()).await?;
        self.parts.repositories.get(account).await?;

        let name = BackupName { connection: connection.clone(), backup: id.unwrap_or_else(BackupId::generate) };
        let operation = OperationId::generate();
        let backup = Backup {
            name: name.clone(),
            state: BackupState::Creating,
            engine: record.connection.settings.engine,
            format: plan.format,
            database: record.connection.settings.database.clone(),
            server_version: lease.server().version.clone(),
            tool: plan.tool,
            created: Timestamp::now(),
            ended: None,
            plain_size: 0,
            stored_size: 0,
            chunk_count: 0,
            new_chunk_count: 0,
            table_count: 0,
            row_count: 0,
            verified: None,
            operation: operation.clone(),
            error: None,
        };
        if validate_only {
            return self.check_new(account, &name).await.map(|()| None);
        }
        self.parts.store.insert_backup(account, &backup).await?;
        let new = NewOperation {
            connection: Some(connection.clone()),
            spec: OperationSpec::CreateBackup { backup: name.clone() },
            exclusive_key: None,
            progress: Progress { total: plan.estimated_size, unit: ProgressUnit::Bytes, ..Progress::default() },
        };
        let started = self.operations.start_with_id(context, request, operation.clone(), new).await;
        // It was not begun, or the same call was faster elsewhere: then this record stands for nothing.
        if started.as_ref().map_or(true, |started| started.id != operation) {
            self.parts.store.delete_backup(account, &name).await?;
        }
        started.map(Some)
    }

    async fn check_new(&self, account: &AccountId, name: &BackupName) -> Result<()> {
        match self.parts.store.backup(account, name).await {
            Ok(_) => Err(crate::store::backup::exists(name)),
            Err(error) if error.reason() == Reason::BackupNotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// One backup.
    pub async fn get(&self, context: &CallContext, name: &BackupName) -> Result<Backup> {
        self.parts.store.backup(context.account(), name).await
    }

    /// The schema that a backup was taken of, or BACKUP_SCHEMA_MISSING.
    async fn recorded_schema(&self, account: &AccountId, name: &BackupName) -> Result<(EngineKind, BackupSchema)> {
        let backup = self.parts.store.backup(account, name).await?;
        require_published(&backup)?;
        let manifest = self.parts.manifest(account, name).await?;
        match &manifest.description().schema {
            Some(schema) => Ok((backup.engine, schema.clone())),
            None => Err(Error::new(
                Reason::BackupSchemaMissing,
                format!("{name} was taken without a record of its schema, as of one of more than 8 MiB or 5,000 tables; take another backup, or \
                     restore it and use the connection"),
            )
            .with_metadata("backup", name.to_string())),
        }
    }

    /// A page of the backups of a database, or of all, the newest first.
    pub async fn list(
        &self,
        context: &CallContext,
        connection: Option<&ConnectionId>,
        page: &PageRequest,
    ) -> Result<Page<Backup>> {
        self.parts.store.backups(context.account(), connection, page).await
    }

    /// Deletes a backup and what only it uses in the storage. BACKUP_IN_USE while an operation or a download uses it.
    pub async fn delete(&self, context: &CallContext, name: &BackupName, validate_only: bool) -> Result<()> {
        let account = context.account();
        let _no_use_begins = self.uses.lock().await;
        self.parts.store.backup(account, name).await?;
        if let Some(operation) = self.parts.store.operation_on_backup(account, &name.to_string()).await? {
            return Err(in_use(name, name::operation(&operation)));
        }
        if self.downloads.is_read(account, name) {
            return Err(in_use(name, "a download".to_owned()));
        }
        if validate_only {
            return Ok(());
        }
        self.parts.repositories.get(account).await?.delete(name).await?;
        self.parts.store.delete_backup(account, name).await?;
        Ok(())
    }

    /// Begins a check of a backup.
    pub async fn verify(&self, context: &CallContext, name: &BackupName, level: VerifyLevel) -> Result<Operation> {
        let _not_deleted_meanwhile = self.uses.lock().await;
        let backup = self.parts.store.backup(context.account(), name).await?;
        require_published(&backup)?;
        let new = NewOperation {
            connection: Some(name.connection.clone()),
            spec: OperationSpec::VerifyBackup { backup: name.clone(), level },
            exclusive_key: None,
            progress: Progress { total: backup.plain_size, unit: ProgressUnit::Bytes, ..Progress::default() },
        };
        self.operations.start(context, None, new).await
    }

    /// Begins a restore. With `validate_only` everything is checked and there is no operation.
    pub async fn restore(
        &self,
        context: &CallContext,
        restore: &RestoreRequest,
        request: Option<&RequestKey>,
        validate_only: bool,
    ) -> Result<Option<Operation>> {
        if let Some(earlier) = self.operations.earlier(context, request).await? {
            return Ok(Some(earlier));
        }
        let account = context.account();
        let _not_deleted_meanwhile = self.uses.lock().await;
        let backup = self.parts.store.backup(account, &restore.backup).await?;
        require_published(&backup)?;
        let record = self.parts.store.connection(account, &restore.connection).await?;
        let settings = &record.connection.settings;
        if settings.engine != backup.engine {
            return Err(Error::new(
                Reason::EngineMismatch,
                format!(
                    "{} is of {} and {} is {}; choose a connection of the same engine",
                    backup.name,
                    backup.engine.as_str(),
                    name::connection(&restore.connection),
                    settings.engine.as_str()
                ),
            ));
        }
        if settings.read_only {
            return Err(Error::new(
                Reason::ConnectionReadOnly,
                format!("{} is read only; restore through another connection", name::connection(&restore.connection)),
            ));
        }
        self.parts.manifest(account, &restore.backup).await?;
        let database = match restore.target_database.as_str() {
            "" => settings.database.clone(),
            database => database.to_owned(),
        };
        let lease = self.parts.pools.database(account, &restore.connection).await?;
        let target = lease.run(lease.require_dump()?.check_restore(&database)).await?;
        if validate_only {
            return Ok(None);
        }
        let new = NewOperation {
            connection: Some(restore.connection.clone()),
            exclusive_key: Some(settings.database_key(account, &database)),
            spec: OperationSpec::RestoreBackup {
                backup: restore.backup.clone(),
                target_database: database,
                create_target: target == RestoreTarget::New,
            },
            progress: Progress { total: backup.plain_size, unit: ProgressUnit::Bytes, ..Progress::default() },
        };
        self.operations.start(context, request, new).await.map(Some)
    }

    /// Opens a backup for a download of its dump in clear.
    pub async fn download(&self, context: &CallContext, name: &BackupName) -> Result<Download> {
        let account = context.account();
        let _not_deleted_meanwhile = self.uses.lock().await;
        let backup = self.parts.store.backup(account, name).await?;
        if matches!(backup.state, BackupState::Creating | BackupState::Failed) {
            return Err(not_complete(&backup));
        }
        let manifest = Arc::new(self.parts.manifest(account, name).await?);
        let repository = self.parts.repositories.get(account).await?;
        Ok(Download::new(&repository, manifest, self.downloads.begin(account, name)))
    }
}

/// Refuses a backup that cannot be read: one that was not published, or was found damaged.
#[async_trait]
impl RecordedSchemas for BackupService {
    async fn schema(&self, account: &AccountId, backup: &BackupName) -> Result<(EngineKind, BackupSchema)> {
        self.recorded_schema(account, backup).await
    }
}

fn require_published(backup: &Backup) -> Result<()> {
    match backup.state {
        BackupState::Complete | BackupState::Corrupt => Ok(()),
        BackupState::Creating | BackupState::Failed => Err(not_complete(backup)),
    }
}

fn not_complete(backup: &Backup) -> Error {
    let (state, cure) = match backup.state {
        BackupState::Creating => ("is still being taken", "wait for its operation"),
        _ => ("was not taken", "see its error and take another one"),
    };
    Error::new(Reason::BackupNotComplete, format!("{} {state}; {cure}", backup.name))
        .with_metadata("operation", name::operation(&backup.operation))
}

fn in_use(name: &BackupName, user: String) -> Error {
    let description = format!("{user} works on it; wait for its end, then delete");
    Error::new(Reason::BackupInUse, format!("{name} cannot be deleted: {description}")).with(Detail::Precondition {
        kind: "DEPENDENT",
        subject: user,
        description,
    })
}
