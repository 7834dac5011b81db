//! The backup service on real databases: taken, checked, restored, downloaded, deleted; tools that fail, and a crash.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc, time::Duration};

use dbkeeper::{
    engine::{EngineOptions, Engines, SessionLimits},
    model::{
        AccountId, AuthenticationMethod, BackupId, CallContext, Caller, ConnectionId, Grant, OperationId, Reason,
        RequestId,
        backup::{BackupState, VerifyLevel},
        connection::EngineKind,
        name::BackupName,
        operation::{Operation, OperationResult, OperationState},
        page::PageRequest,
    },
    operation::Operations,
    pool::{PoolLimits, Pools},
    service::{
        backup::{
            BackupService, RestoreRequest,
            repository::{RepositorySettings, Storage},
        },
        connection::{ConnectionService, input::ConnectionInput},
    },
    store::Store,
    vault::KeySource,
};
use futures::TryStreamExt;
use secrecy::SecretString;
use sqlx::{ConnectOptions, Connection, Executor, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::harness::{postgres::PostgresServer, server::in_time};

/// A server's parts up to the backup service, in a folder of their own.
struct Stack {
    folder: TempDir,
    store: Store,
    operations: Operations,
    connections: ConnectionService,
    backups: BackupService,
}

impl Stack {
    async fn new() -> Self {
        Self::in_folder(TempDir::new().unwrap()).await
    }

    async fn in_folder(folder: TempDir) -> Self {
        let path = folder.path();
        for name in ["sqlite/default", "scratch", "tools"] {
            fs::create_dir_all(path.join(name)).unwrap();
        }
        let store = Store::open(&path.join("store.sqlite")).await.unwrap();
        store.ensure_account(&account(), "default").await.unwrap();
        let source = KeySource::File(path.join("master.key"));
        let vault = Arc::new(dbkeeper::service::vault::open(&store, &source).await.unwrap().unwrap());
        let sealed = match store.server_key("repository").await.unwrap() {
            Some(sealed) => sealed,
            None => vault.generate_server_key("repository").unwrap(),
        };
        store.add_server_key("repository", &sealed).await.unwrap();
        let key = vault.open_server_key("repository", &sealed).unwrap().into();
        let sessions = SessionLimits::default();
        let engines = Engines::new(&EngineOptions {
            sqlite_root: path.join("sqlite"),
            scratch_directory: path.join("scratch"),
            reach: dbkeeper::engine::Reach::default(),
            dial_timeout: Duration::from_secs(60),
            tool_directories: vec![path.join("tools")],
            sessions: sessions.clone(),
        });
        let tracker = TaskTracker::new();
        let limits = PoolLimits { sessions, idle_timeout: Duration::from_secs(60) };
        let pools = Pools::new(store.clone(), vault.clone(), engines, limits, tracker.clone()).unwrap();
        let operations = Operations::new(store.clone(), 4, tracker, CancellationToken::new());
        let storage = Storage::directory(path.join("backups")).unwrap();
        let settings = RepositorySettings::default();
        let backups = BackupService::new(store.clone(), pools.clone(), operations.clone(), storage, &key, settings);
        operations.install(backups.executors());
        let connections = ConnectionService::new(store.clone(), vault, pools);
        Self { folder, store, operations, connections, backups }
    }

    async fn register(&self, id: &str, input: ConnectionInput) -> ConnectionId {
        let id = ConnectionId::parse(id, "id").unwrap();
        self.connections.create(&context(), Some(id.clone()), input, None, false).await.unwrap().id
    }

    /// Registers a small SQLite database.
    async fn sqlite(&self) -> ConnectionId {
        let options = SqliteConnectOptions::new().filename(self.sqlite_path("shop.db")).create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        connection
            .execute(
                "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, body BLOB);
                 WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
                 INSERT INTO item SELECT i, 'naïve ' || i, randomblob(2000) FROM n;
                 CREATE TABLE empty (a)",
            )
            .await
            .unwrap();
        connection.close().await.unwrap();
        let input = ConnectionInput {
            display_name: "Shop".to_owned(),
            engine: Some(EngineKind::Sqlite),
            database: "shop.db".to_owned(),
            ..ConnectionInput::default()
        };
        self.register("shop", input).await
    }

    /// Registers a PostgreSQL database with rows in it.
    async fn postgres(&self, server: &PostgresServer) -> (ConnectionId, String) {
        let database = server.create_database();
        server.psql(&database, "CREATE TABLE item AS SELECT i, md5(i::text) AS text FROM generate_series(1, 2000) i");
        let mut input = ConnectionInput::from_settings(&server.settings(&database));
        input.password = Some(SecretString::from(server.password().to_owned()));
        (self.register("pg", input).await, database)
    }

    fn sqlite_path(&self, database: &str) -> PathBuf {
        self.folder.path().join("sqlite/default").join(database)
    }

    /// Puts a program of ours before the engine's own pg_dump.
    fn replace_pg_dump(&self, server: &PostgresServer, script: &str) {
        // Of the version of the server: the tool that is nearest to it is taken.
        let version = server.psql("postgres", "SELECT split_part(current_setting('server_version'), ' ', 1)");
        let told = format!("[ \"$1\" = --version ] && echo 'pg_dump (PostgreSQL) {version}' && exit 0");
        let path = self.folder.path().join("tools/pg_dump");
        fs::write(&path, format!("#!/bin/sh\n{told}\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Files of packs, manifests and indexes.
    fn stored_files(&self) -> usize {
        ["packs", "manifests", "indexes"]
            .iter()
            .map(|name| count(&self.folder.path().join("backups/default").join(name)))
            .sum()
    }

    async fn back_up(&self, connection: &ConnectionId, id: &str) -> (BackupName, Operation) {
        let id = BackupId::parse(id, "id").unwrap();
        let begun = self.backups.create(&context(), connection, Some(id.clone()), None, false).await.unwrap().unwrap();
        (BackupName { connection: connection.clone(), backup: id }, self.end(&begun.id).await)
    }

    async fn end(&self, id: &OperationId) -> Operation {
        self.operations.wait(&context(), id, Duration::from_secs(120)).await.unwrap()
    }

    async fn verify(&self, name: &BackupName, level: VerifyLevel) -> Operation {
        let begun = self.backups.verify(&context(), name, level).await.unwrap();
        self.end(&begun.id).await
    }

    async fn restore(&self, backup: &BackupName, target_database: &str) -> Operation {
        let request = RestoreRequest {
            backup: backup.clone(),
            connection: backup.connection.clone(),
            target_database: target_database.to_owned(),
        };
        let begun = self.backups.restore(&context(), &request, None, false).await.unwrap().unwrap();
        self.end(&begun.id).await
    }
}

fn count(folder: &std::path::Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
}

fn account() -> AccountId {
    AccountId::parse("default", "account").unwrap()
}

fn context() -> CallContext {
    CallContext {
        caller: Caller::new(account(), "key/test", AuthenticationMethod::ApiKey, Grant::ALL),
        request_id: RequestId::generate(),
        deadline: None,
        cancellation: CancellationToken::new(),
    }
}

fn reason(operation: &Operation) -> Option<Reason> {
    operation.error.as_ref().map(|error| error.reason())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_database_goes_the_whole_way() {
    let stack = Stack::new().await;
    let connection = stack.sqlite().await;
    assert!(stack.backups.create(&context(), &connection, None, None, true).await.unwrap().is_none());
    let (name, taken) = stack.back_up(&connection, "first").await;
    assert_eq!(taken.state, OperationState::Succeeded, "{:?}", taken.error);
    let backup = stack.backups.get(&context(), &name).await.unwrap();
    assert_eq!((backup.state, backup.table_count, backup.row_count), (BackupState::Complete, 2, 500));

    for level in [VerifyLevel::Manifest, VerifyLevel::Content, VerifyLevel::Decode] {
        let verified = stack.verify(&name, level).await;
        assert_eq!(verified.state, OperationState::Succeeded, "{:?}", verified.error);
    }
    assert!(stack.backups.get(&context(), &name).await.unwrap().verified.is_some());

    let restored = stack.restore(&name, "copy.db").await;
    let Some(OperationResult::RestoreBackup { row_count, .. }) = restored.result else {
        panic!("{:?}", restored.error)
    };
    assert_eq!(row_count, 500);
    let request =
        RestoreRequest { backup: name.clone(), connection: connection.clone(), target_database: "copy.db".to_owned() };
    let error = stack.backups.restore(&context(), &request, None, false).await.unwrap_err();
    assert_eq!(error.reason(), Reason::TargetNotEmpty);

    let download = stack.backups.download(&context(), &name).await.unwrap();
    let (size, hash) = (download.size, download.blake3.clone());
    assert_eq!(stack.backups.delete(&context(), &name, false).await.unwrap_err().reason(), Reason::BackupInUse);
    let pieces: Vec<_> = download.try_collect().await.unwrap();
    let plain = pieces.concat();
    assert_eq!((plain.len() as u64, blake3::hash(&plain).to_hex().to_string()), (size, hash));
    assert!(plain.starts_with(b"SQLite format 3"));

    let (_, second) = stack.back_up(&connection, "second").await;
    assert_eq!(second.state, OperationState::Succeeded);
    let page = PageRequest { size: 1, after: None };
    let newest = stack.backups.list(&context(), Some(&connection), &page).await.unwrap();
    assert_eq!(newest.items[0].name.backup.as_str(), "second");
    let rest = stack.backups.list(&context(), None, &PageRequest { size: 1, after: newest.next }).await.unwrap();
    assert_eq!(rest.items[0].name.backup.as_str(), "first");

    for name in [name.clone(), newest.items[0].name.clone()] {
        stack.backups.delete(&context(), &name, false).await.unwrap();
    }
    assert_eq!(stack.stored_files(), 0);
    assert_eq!(stack.backups.get(&context(), &name).await.unwrap_err().reason(), Reason::BackupNotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_found_by_a_check_and_by_a_restore() {
    let stack = Stack::new().await;
    let connection = stack.sqlite().await;
    let (name, _) = stack.back_up(&connection, "first").await;
    let packs = stack.folder.path().join("backups/default/packs");
    let folder = fs::read_dir(&packs).unwrap().next().unwrap().unwrap().path();
    let pack = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&pack).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    fs::write(&pack, &damaged).unwrap();

    let restored = stack.restore(&name, "copy.db").await;
    assert_eq!(reason(&restored), Some(Reason::BackupCorrupt));
    assert!(!stack.sqlite_path("copy.db").exists());
    assert_eq!(reason(&stack.verify(&name, VerifyLevel::Decode).await), Some(Reason::BackupCorrupt));
    let backup = stack.backups.get(&context(), &name).await.unwrap();
    assert_eq!(backup.state, BackupState::Corrupt);
    assert_eq!(backup.error.unwrap().reason(), Reason::BackupCorrupt);

    fs::write(&pack, &whole).unwrap();
    assert_eq!(stack.verify(&name, VerifyLevel::Content).await.state, OperationState::Succeeded);
    assert_eq!(stack.backups.get(&context(), &name).await.unwrap().state, BackupState::Complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_database_goes_the_whole_way() {
    let (stack, server) = (Stack::new().await, PostgresServer::shared());
    let (connection, database) = stack.postgres(server).await;
    let (name, taken) = stack.back_up(&connection, "first").await;
    assert_eq!(taken.state, OperationState::Succeeded, "{:?}", taken.error);
    let verified = stack.verify(&name, VerifyLevel::Decode).await;
    assert_eq!(verified.state, OperationState::Succeeded, "{:?}", verified.error);
    let target = format!("{database}_copy");
    let restored = stack.restore(&name, &target).await;
    assert_eq!(restored.state, OperationState::Succeeded, "{:?}", restored.error);
    let sum = "SELECT count(*), md5(string_agg(i || text, ',' ORDER BY i)) FROM item";
    assert_eq!(server.psql(&target, sum), server.psql(&database, sum));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_fails_publishes_nothing() {
    let (stack, server) = (Stack::new().await, PostgresServer::shared());
    let (connection, _) = stack.postgres(server).await;
    stack.replace_pg_dump(server, "head -c 3000000 /dev/urandom; echo 'out of luck' >&2; exit 3");
    let (name, taken) = stack.back_up(&connection, "first").await;
    assert_eq!(reason(&taken), Some(Reason::ToolFailed));
    assert!(taken.error.unwrap().message.contains("out of luck"));
    assert_eq!(stack.backups.get(&context(), &name).await.unwrap().state, BackupState::Failed);
    assert_eq!(stack.stored_files(), 0);
    let error = stack.backups.verify(&context(), &name, VerifyLevel::Content).await.unwrap_err();
    assert_eq!(error.reason(), Reason::BackupNotComplete);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_backup_leaves_nothing() {
    let (stack, server) = (Stack::new().await, PostgresServer::shared());
    let (connection, _) = stack.postgres(server).await;
    stack.replace_pg_dump(server, "head -c 9000000 /dev/urandom; exec sleep 600");
    let begun = stack.backups.create(&context(), &connection, None, None, false).await.unwrap().unwrap();
    let name = begun.spec.backup().unwrap().clone();
    in_time(async {
        while stack.operations.get(&context(), &begun.id).await.unwrap().progress.done == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(stack.backups.delete(&context(), &name, false).await.unwrap_err().reason(), Reason::BackupInUse);
    stack.operations.cancel(&context(), &begun.id).await.unwrap();
    assert_eq!(stack.end(&begun.id).await.state, OperationState::Cancelled);
    assert_eq!(stack.stored_files(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_settles_what_a_crash_left_open() {
    let stack = Stack::new().await;
    let connection = stack.sqlite().await;
    let (name, _) = stack.back_up(&connection, "published").await;
    // As a crash leaves them: records that say a backup is being taken, one of them published, the other not.
    let mut published = stack.backups.get(&context(), &name).await.unwrap();
    published.state = BackupState::Creating;
    stack.store.update_backup(&account(), &published).await.unwrap();
    let mut lost = published.clone();
    lost.name.backup = BackupId::parse("lost", "id").unwrap();
    lost.operation = OperationId::generate();
    stack.store.insert_backup(&account(), &lost).await.unwrap();

    stack.backups.recover().await.unwrap();
    assert_eq!(stack.backups.get(&context(), &name).await.unwrap().state, BackupState::Complete);
    let settled = stack.backups.get(&context(), &lost.name).await.unwrap();
    assert_eq!(settled.state, BackupState::Failed);
    assert_eq!(settled.error.unwrap().reason(), Reason::Interrupted);

    stack.store.delete_backup(&account(), &name).await.unwrap();
    assert_eq!(stack.backups.rebuild(&account()).await.unwrap(), 1);
    assert_eq!(stack.backups.get(&context(), &name).await.unwrap().row_count, 500);
}
