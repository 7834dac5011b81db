//! Reading schemas through the service, on an SQLite file.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use dbkeeper::{
    engine::{Credentials, EngineOptions, Engines, Target},
    model::{
        AccountId, AuthenticationMethod, CallContext, Caller, ConnectionId, Grant, Reason, RequestId, Result,
        connection::{ConnectionSettings, EngineKind, PoolSettings, TlsMode, TlsSettings},
        name::{Identifier, QualifiedName},
        page::PageRequest,
        schema::TableFilter,
    },
    pool::Lease,
    service::{
        databases::Databases,
        schema::{SchemaService, TableEvent},
    },
};
use secrecy::SecretString;
use sqlx::{Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

struct OneDatabase(Lease);

#[async_trait]
impl Databases for OneDatabase {
    async fn database(&self, _account: &AccountId, _connection: &ConnectionId) -> Result<Lease> {
        Ok(self.0.clone())
    }
}

struct Scene {
    service: SchemaService,
    tasks: TaskTracker,
    context: CallContext,
    connection: ConnectionId,
    _folder: tempfile::TempDir,
}

/// A service over a file with so many tables, named in another order than they were made.
async fn scene(tables: u32) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let account = AccountId::parse("default", "account").unwrap();
    std::fs::create_dir_all(folder.path().join("default")).unwrap();
    make_tables(&folder.path().join("default/shop.db"), tables).await;
    let options = EngineOptions {
        sqlite_root: folder.path().to_owned(),
        scratch_directory: folder.path().to_owned(),
        reach: dbkeeper::engine::Reach::default(),
        dial_timeout: Duration::from_secs(10),
        tool_directories: Vec::new(),
        sessions: Default::default(),
    };
    let target =
        Target { account: account.clone(), connection: None, settings: settings(), credentials: credentials() };
    let database = Engines::new(&options).get(EngineKind::Sqlite).unwrap().open(target).await.unwrap();
    let tasks = TaskTracker::new();
    let databases = Arc::new(OneDatabase(Lease::detached(database, CancellationToken::new())));
    Scene {
        service: SchemaService::new(databases, tasks.clone()),
        tasks,
        context: CallContext {
            caller: Caller::new(account, "key/test", AuthenticationMethod::ApiKey, Grant::ALL),
            request_id: RequestId::generate(),
            deadline: None,
            cancellation: CancellationToken::new(),
        },
        connection: ConnectionId::parse("shop", "connection").unwrap(),
        _folder: folder,
    }
}

async fn make_tables(file: &Path, tables: u32) {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    for number in (0..tables).rev() {
        let sql = format!("CREATE TABLE table_{number:03} (id INTEGER PRIMARY KEY, name TEXT)");
        connection.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    }
    connection.close().await.unwrap();
}

fn settings() -> ConnectionSettings {
    ConnectionSettings {
        display_name: "Shop".to_owned(),
        engine: EngineKind::Sqlite,
        host: String::new(),
        port: 0,
        database: "shop.db".to_owned(),
        username: String::new(),
        tls: TlsSettings { mode: TlsMode::Disabled, ca_pem: String::new(), client_cert_pem: String::new() },
        pool: PoolSettings::default(),
        labels: Default::default(),
        read_only: false,
    }
}

fn credentials() -> Credentials {
    Credentials { password: SecretString::from(""), client_key_pem: None }
}

fn table(name: &str) -> QualifiedName {
    QualifiedName { schema: None, name: Identifier::parse(name, "table").unwrap() }
}

#[tokio::test]
async fn pages_of_tables_hold_each_table_once_in_order() {
    let scene = scene(7).await;
    let mut request = PageRequest { size: 3, after: None };
    let mut seen = Vec::new();
    loop {
        let filter = TableFilter::default();
        let page = scene.service.list_tables(&scene.context, &scene.connection, &filter, &request).await.unwrap();
        assert_eq!(page.total, Some(7));
        assert!(page.items.len() <= 3);
        seen.extend(page.items.into_iter().map(|table| table.name));
        match page.next {
            Some(after) => request.after = Some(after),
            None => break,
        }
    }
    let expected: Vec<_> = (0..7).map(|number| format!("table_{number:03}")).collect();
    assert_eq!(seen, expected);

    request.after = Some(vec!["main".to_owned()]);
    let filter = TableFilter::default();
    let refused = scene.service.list_tables(&scene.context, &scene.connection, &filter, &request).await;
    assert_eq!(refused.unwrap_err().reason(), Reason::PageTokenInvalid);
}

#[tokio::test]
async fn a_stream_tells_every_table_and_then_a_summary() {
    let scene = scene(40).await;
    let filter = TableFilter::default();
    let mut stream = scene.service.stream_tables(&scene.context, &scene.connection, filter).await.unwrap();
    for number in 0..40 {
        let Some(Ok(TableEvent::Table(table))) = stream.next().await else { panic!("table {number} is missing") };
        assert_eq!((table.name, table.columns.len()), (format!("table_{number:03}"), 2));
    }
    let summary = stream.next().await.unwrap().unwrap();
    assert_eq!(summary, TableEvent::Summary { tables: 40, skipped: Vec::new() });
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_stream_that_is_dropped_ends_its_task() {
    let scene = scene(200).await;
    let filter = TableFilter::default();
    let mut stream = scene.service.stream_tables(&scene.context, &scene.connection, filter).await.unwrap();
    stream.next().await.unwrap().unwrap();
    assert_eq!(scene.tasks.len(), 1, "the reader waits for room in the channel");
    drop(stream);
    scene.tasks.close();
    tokio::time::timeout(Duration::from_secs(30), scene.tasks.wait()).await.expect("the task goes on");
}

#[tokio::test]
async fn the_database_comes_with_who_serves_it() {
    let scene = scene(2).await;
    let database = scene.service.get_database(&scene.context, &scene.connection).await.unwrap();
    assert_eq!((database.engine, database.server.product), (EngineKind::Sqlite, "SQLite"));
    assert_eq!(database.info.table_count, 2);
}

#[tokio::test]
async fn a_table_that_is_not_there_is_named_with_its_connection() {
    let scene = scene(1).await;
    let (present, absent) = (table("table_000"), table("film"));
    let get = |name| scene.service.get_table(&scene.context, &scene.connection, name);
    assert_eq!(get(&present).await.unwrap().columns.len(), 2);
    let error = get(&absent).await.unwrap_err();
    assert_eq!(error.reason(), Reason::TableNotFound);
    assert!(error.message().starts_with("connections/shop has no table \"film\""), "{}", error.message());
    assert_eq!(error.metadata("connection"), Some("connections/shop"));
}
