//! Reading schemas through the service, on an SQLite file.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use dbkeeper::{
    engine::{Credentials, Database, EngineOptions, Engines, Target},
    model::{
        AccountId, AuthenticationMethod, CallContext, Caller, ConnectionId, Error, Grant, Reason, RequestId, Result,
        backup::BackupSchema,
        connection::{ConnectionSettings, EngineKind, PoolSettings, TlsMode, TlsSettings},
        name::{BackupName, Identifier, QualifiedName},
        page::{Page, PageRequest},
        schema::{
            DdlKind, DdlSelection, DdlSubject, MaskReason, ObjectFilter, ObjectKind, SampleText, SampleValue,
            TableFilter, TableOrder, TableSummary,
        },
    },
    pool::Lease,
    service::{
        databases::Databases,
        schema::{
            DdlEvent, Discovery, Masking, RecordedSchemas, SampleRequest, SampledRows, SchemaService, TableEvent,
        },
    },
};
use secrecy::SecretString;
use sqlx::{Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

struct Registered(Mutex<Lease>);

#[async_trait]
impl Databases for Registered {
    async fn database(&self, _account: &AccountId, _connection: &ConnectionId) -> Result<Lease> {
        Ok(self.0.lock().unwrap().clone())
    }
}

/// Nothing was backed up.
struct NoBackups;

#[async_trait]
impl RecordedSchemas for NoBackups {
    async fn schema(&self, _account: &AccountId, backup: &BackupName) -> Result<(EngineKind, BackupSchema)> {
        Err(Error::not_found(Reason::BackupNotFound, "backup", backup.to_string()))
    }
}

struct Scene {
    service: SchemaService,
    tasks: TaskTracker,
    context: CallContext,
    connection: ConnectionId,
    databases: Arc<Registered>,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn list(&self, order: &str, request: &PageRequest) -> Result<Page<TableSummary>> {
        let (filter, order) = (TableFilter::default(), TableOrder::parse(order).unwrap());
        let (context, connection) = (&self.context, &self.connection);
        let listed = self.service.list_tables(context, connection, &filter, order, request, Duration::ZERO).await?;
        Ok(listed.found.page)
    }

    /// The number of tables by an answer of at most that age, and whether it was read for an earlier call.
    async fn count(&self, max_age: Duration) -> (i64, Discovery) {
        let served = self.service.get_database(&self.context, &self.connection, max_age).await.unwrap();
        (served.found.info.table_count, served.discovery)
    }

    async fn run(&self, sql: &'static str) {
        let options = SqliteConnectOptions::new().filename(self.folder.path().join("default/shop.db"));
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        connection.execute(sql).await.unwrap();
        connection.close().await.unwrap();
    }

    /// What a change of the connection does: the pool is closed, and another takes its place.
    async fn change_connection(&self) {
        let (database, closed) = (open(self.folder.path()).await, CancellationToken::new());
        let next = Lease::detached(database, closed);
        *self.databases.0.lock().unwrap() = next;
    }

    async fn sample(&self, request: SampleRequest) -> Result<SampledRows> {
        Ok(self.service.sample_rows(&self.context, &self.connection, &request).await?.found)
    }
}

/// A service over a file with so many tables, named in another order than they were made.
async fn scene(tables: u32) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let account = AccountId::parse("default", "account").unwrap();
    std::fs::create_dir_all(folder.path().join("default")).unwrap();
    make_tables(&folder.path().join("default/shop.db"), tables).await;
    let databases =
        Arc::new(Registered(Mutex::new(Lease::detached(open(folder.path()).await, CancellationToken::new()))));
    let tasks = TaskTracker::new();
    Scene {
        service: SchemaService::new(databases.clone(), tasks.clone(), Arc::new(NoBackups)),
        tasks,
        context: CallContext {
            caller: Caller::new(account, "key/test", AuthenticationMethod::ApiKey, Grant::ALL),
            request_id: RequestId::generate(),
            deadline: None,
            cancellation: CancellationToken::new(),
        },
        connection: ConnectionId::parse("shop", "connection").unwrap(),
        databases,
        folder,
    }
}

async fn open(folder: &Path) -> Arc<dyn Database> {
    let options = EngineOptions {
        sqlite_root: folder.to_owned(),
        scratch_directory: folder.to_owned(),
        reach: dbkeeper::engine::Reach::default(),
        dial_timeout: Duration::from_secs(60),
        tool_directories: Vec::new(),
        sessions: Default::default(),
    };
    let account = AccountId::parse("default", "account").unwrap();
    let target = Target { account, connection: None, settings: settings(), credentials: credentials() };
    Engines::new(&options).get(EngineKind::Sqlite).unwrap().open(target).await.unwrap()
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
        replicas: Default::default(),
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
        let page = scene.list("", &request).await.unwrap();
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
    assert_eq!(scene.list("", &request).await.unwrap_err().reason(), Reason::PageTokenInvalid);
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
    assert!(matches!(&summary, TableEvent::Summary { tables: 40, skipped, .. } if skipped.is_empty()), "{summary:?}");
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
async fn statements_that_nobody_takes_end_their_task() {
    let scene = scene(200).await;
    let selection = DdlSelection { subject: DdlSubject::Database, owners: false };
    let mut stream = scene.service.get_ddl(&scene.context, &scene.connection, selection).await.unwrap();
    let Some(Ok(DdlEvent::Statement(first))) = stream.next().await else { panic!("no statement") };
    assert_eq!((first.kind, first.name.as_str()), (DdlKind::Table, "table_199"), "the one that was made first");
    assert_eq!(scene.tasks.len(), 1, "the reader waits for room in the channel");
    drop(stream);
    scene.tasks.close();
    tokio::time::timeout(Duration::from_secs(30), scene.tasks.wait()).await.expect("the task goes on");
}

#[tokio::test]
async fn the_database_comes_with_who_serves_it() {
    let scene = scene(2).await;
    let served = scene.service.get_database(&scene.context, &scene.connection, Duration::ZERO).await.unwrap();
    let database = served.found;
    assert_eq!((database.engine, database.server.product), (EngineKind::Sqlite, "SQLite"));
    assert_eq!(database.info.table_count, 2);
}

#[tokio::test]
async fn a_table_that_is_not_there_is_named_with_its_connection() {
    let scene = scene(1).await;
    let (present, absent) = (table("table_000"), table("film"));
    let get = |name| scene.service.get_table(&scene.context, &scene.connection, name, Duration::ZERO);
    assert_eq!(get(&present).await.unwrap().found.table.columns.len(), 2);
    let error = get(&absent).await.unwrap_err();
    assert_eq!(error.reason(), Reason::TableNotFound);
    assert!(error.message().starts_with("connections/shop has no table \"film\""), "{}", error.message());
    assert_eq!(error.metadata("connection"), Some("connections/shop"));
}

#[tokio::test]
async fn an_order_runs_over_the_pages() {
    let scene = scene(3).await;
    scene.run("INSERT INTO table_001 (name) SELECT hex(randomblob(4096)) FROM sqlite_schema").await;
    let mut request = PageRequest { size: 1, after: None };
    let mut seen = Vec::new();
    for _ in 0..3 {
        let page = scene.list("size desc", &request).await.unwrap();
        seen.extend(page.items.into_iter().map(|table| table.name));
        request.after = page.next;
    }
    assert_eq!((seen.join(" ").as_str(), request.after), ("table_001 table_000 table_002", None));
}

const AN_HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn an_answer_is_given_again_until_a_definition_changes() {
    let scene = scene(2).await;
    let (_, read) = scene.count(AN_HOUR).await;
    assert!(!read.from_cache);
    let (tables, again) = scene.count(AN_HOUR).await;
    assert_eq!((tables, again), (2, Discovery { from_cache: true, ..read }), "with the time of the first");
    assert!(!scene.count(Duration::ZERO).await.1.from_cache, "who wants a new answer gets one");

    scene.run("CREATE TABLE another (x)").await;
    let (tables, changed) = scene.count(AN_HOUR).await;
    assert_eq!((tables, changed.from_cache), (3, false));
    assert!(scene.count(AN_HOUR).await.1.from_cache);
}

#[tokio::test]
async fn an_answer_that_is_too_old_is_read_anew() {
    let scene = scene(1).await;
    scene.count(AN_HOUR).await;
    let (_, discovery) = scene.count(Duration::from_nanos(1)).await;
    assert!(!discovery.from_cache);
}

#[tokio::test]
async fn a_connection_that_was_changed_does_not_answer_from_before() {
    let scene = scene(1).await;
    scene.count(AN_HOUR).await;
    assert!(scene.count(AN_HOUR).await.1.from_cache);
    scene.change_connection().await;
    assert!(!scene.count(AN_HOUR).await.1.from_cache);
}

#[tokio::test]
async fn each_question_has_its_own_answer() {
    let scene = scene(3).await;
    let table = |name: &'static str| {
        let name = table(name);
        let scene = &scene;
        async move {
            let found = scene.service.get_table(&scene.context, &scene.connection, &name, AN_HOUR).await.unwrap();
            (found.found.table.name, found.discovery.from_cache)
        }
    };
    for from_cache in [false, true] {
        assert_eq!(table("table_000").await, ("table_000".to_owned(), from_cache));
        assert_eq!(table("table_001").await, ("table_001".to_owned(), from_cache));
    }
    let mut request = PageRequest { size: 2, after: None };
    for expected in ["table_000", "table_002"] {
        let (filter, order) = (TableFilter::default(), TableOrder::default());
        let listed = scene.service.list_tables(&scene.context, &scene.connection, &filter, order, &request, AN_HOUR);
        let page = listed.await.unwrap().found.page;
        assert_eq!(page.items[0].name, expected);
        request.after = page.next;
    }
}

#[tokio::test]
async fn an_answer_with_something_missing_is_not_given_again() {
    let scene = scene(1).await;
    scene.run("CREATE TABLE gone (x); CREATE VIEW broken AS SELECT x FROM gone; DROP TABLE gone").await;
    for _ in 0..2 {
        let found =
            scene.service.get_table(&scene.context, &scene.connection, &table("broken"), AN_HOUR).await.unwrap();
        assert_eq!((found.found.skipped.len(), found.discovery.from_cache), (1, false));
    }
}

#[tokio::test]
async fn a_page_of_objects_is_cut_where_it_grows_too_large() {
    let scene = scene(1).await;
    let long = format!("SELECT '{}'", "x".repeat(300_000));
    for number in 0..12 {
        let sql = format!("CREATE TRIGGER t{number:02} AFTER INSERT ON table_000 BEGIN {long}; END");
        scene.run(Box::leak(sql.into_boxed_str())).await;
    }
    let mut request = PageRequest { size: 50, after: None };
    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let filter = ObjectFilter { kinds: vec![ObjectKind::Trigger], ..ObjectFilter::default() };
        let listed = scene.service.list_objects(&scene.context, &scene.connection, &filter, &request, AN_HOUR);
        let listed = listed.await.unwrap().found;
        assert_eq!(listed.page.total, Some(12));
        for object in &listed.page.items {
            assert!(object.definition_cut && object.definition.len() == 256 * 1024);
        }
        seen.extend(listed.page.items.into_iter().map(|object| object.name));
        pages += 1;
        match listed.page.next {
            Some(after) => request.after = Some(after),
            None => break,
        }
    }
    assert_eq!(seen, (0..12).map(|number| format!("t{number:02}")).collect::<Vec<_>>());
    assert!(pages > 3, "{pages}");
}

fn people(columns: &[&str], masking: Masking, value_length: u32) -> SampleRequest {
    let columns = columns.iter().map(|column| Identifier::parse(column, "columns").unwrap()).collect();
    SampleRequest { table: table("people"), columns, limit: 10, masking, value_length }
}

#[tokio::test]
async fn what_is_likely_personal_is_held_back_unless_it_is_asked_for() {
    let scene = scene(0).await;
    scene
        .run(
            "CREATE TABLE people (id INTEGER PRIMARY KEY, \"E-Mail\" TEXT, note TEXT, active BOOLEAN, photo BLOB, score REAL);
             INSERT INTO people VALUES (1, 'ada@example.com', 'call back', 1, x'0102', 0.5),
                 (2, NULL, 'reach her at ada@example.org please', 0, NULL, 2)",
        )
        .await;
    let found = scene.sample(people(&[], Masking::LikelyPersonal, 256)).await.unwrap().sample;
    let masked: Vec<_> = found.columns.iter().map(|column| column.masked).collect();
    assert_eq!(masked, [None, Some(MaskReason::Name), Some(MaskReason::Value), None, None, None]);
    use SampleValue::{Boolean, Bytes, Floating, Integer, Masked, Null, Text};
    let expected = [
        vec![Integer(1), Masked, Masked, Boolean(true), Bytes(2), Floating(0.5)],
        vec![Integer(2), Null, Masked, Boolean(false), Null, Floating(2.0)],
    ];
    assert_eq!(found.rows, expected);

    let found = scene.sample(people(&["note", "E-Mail"], Masking::None, 5)).await.unwrap().sample;
    let cut = |text: &str, full_length| Text(SampleText { text: text.to_owned(), full_length: Some(full_length) });
    assert_eq!(found.rows[0], [cut("call ", 9), cut("ada@e", 15)]);
    let found = scene.sample(people(&["note"], Masking::LikelyPersonal, 5)).await.unwrap().sample;
    assert_eq!(found.rows[1], [Masked], "the shape shows before the text is cut");
    let error = scene.sample(people(&["nope"], Masking::None, 5)).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ColumnNotFound);
}

#[tokio::test]
async fn a_sample_is_cut_where_it_grows_too_large() {
    let scene = scene(0).await;
    scene
        .run(
            "CREATE TABLE people (a, b, c, d, e, f, g, h);
             INSERT INTO people WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
                 SELECT t, t, t, t, t, t, t, t FROM (SELECT hex(zeroblob(4096)) AS t), n",
        )
        .await;
    let request = SampleRequest { limit: 100, ..people(&[], Masking::None, 4096) };
    let found = scene.sample(request).await.unwrap();
    assert!(found.rows_left_out > 0, "{}", found.rows_left_out);
    assert_eq!(found.sample.rows.len() + found.rows_left_out as usize, 100);
}
