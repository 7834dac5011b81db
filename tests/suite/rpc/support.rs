//! What the tests of the services share: registrations, migration sets, operations that are waited for.

use dbkeeper::{
    engine::Target,
    grpc::{client::Client, proto::v1},
    model::connection::{EngineKind, TlsMode},
};
use secrecy::{ExposeSecret, SecretString};
use tonic::{Code, Status, Streaming};
use v1::OperationState;

use crate::{
    conformance::Fixture,
    harness::{
        postgres::PostgresServer,
        server::{PATIENCE, in_time},
    },
};

/// The settings of a target as a caller registers them.
pub(crate) fn settings(target: &Target) -> v1::Connection {
    let settings = &target.settings;
    let engine = match settings.engine {
        EngineKind::Postgresql => v1::Engine::Postgresql,
        EngineKind::Mysql => v1::Engine::Mysql,
        EngineKind::Sqlite => v1::Engine::Sqlite,
    };
    let mode = match settings.tls.mode {
        TlsMode::Disabled => v1::TlsMode::Disabled,
        TlsMode::Required => v1::TlsMode::Required,
        TlsMode::VerifyCa => v1::TlsMode::VerifyCa,
        TlsMode::VerifyFull => v1::TlsMode::VerifyFull,
    };
    v1::Connection {
        display_name: settings.display_name.clone(),
        engine: engine.into(),
        host: settings.host.clone(),
        port: settings.port.into(),
        database: settings.database.clone(),
        username: settings.username.clone(),
        password: target.credentials.password.expose_secret().to_owned(),
        tls: Some(v1::TlsSettings { mode: mode.into(), ..Default::default() }),
        ..Default::default()
    }
}

/// Registers a database under an id and returns what the server answers.
pub(crate) async fn register(client: &Client, id: &str, connection: v1::Connection) -> v1::Connection {
    let request = v1::CreateConnectionRequest {
        connection_id: id.to_owned(),
        connection: Some(connection),
        ..Default::default()
    };
    // A call with a connection in it is large; boxed, it does not make every test that registers as large.
    let created = Box::pin(async move { client.connections().create_connection(request).await }).await;
    created.expect("the database is registered").into_inner()
}

/// Registers a new database of the engine with the sample in it; returns its name there.
pub(super) async fn register_sample(client: &Client, fixture: &impl Fixture, id: &str) -> String {
    let database = fixture.create_database().await;
    fixture.run(&database, fixture.sample_sql()).await;
    register(client, id, settings(&fixture.target(&database))).await;
    database
}

/// What the registered database answers to a test.
pub(super) async fn test_settings(
    client: &Client,
    connection: v1::Connection,
) -> Result<v1::TestConnectionResponse, Status> {
    let target = Some(v1::test_connection_request::Target::Connection(connection));
    let request = v1::TestConnectionRequest { target };
    let tested = Box::pin(async move { client.connections().test_connection(request).await }).await?;
    Ok(tested.into_inner())
}

/// A file of a migration set.
pub(super) fn file(path: &str, content: &str) -> v1::MigrationFile {
    v1::MigrationFile { path: path.to_owned(), content: content.to_owned() }
}

/// Makes a migration set with files in it.
pub(super) async fn migration_set(client: &Client, id: &str, files: Vec<v1::MigrationFile>) -> String {
    let request = v1::CreateMigrationSetRequest {
        migration_set_id: id.to_owned(),
        migration_set: Some(v1::MigrationSet { display_name: id.to_owned(), ..Default::default() }),
        ..Default::default()
    };
    let name = client.migrations().create_migration_set(request).await.expect("a set").into_inner().name;
    import(client, &name, files).await.expect("the files are imported");
    name
}

/// Imports files into a set.
pub(super) async fn import(
    client: &Client,
    set: &str,
    files: Vec<v1::MigrationFile>,
) -> Result<v1::ImportMigrationsResponse, Status> {
    let request = v1::ImportMigrationsRequest { migration_set: set.to_owned(), files, ..Default::default() };
    client.migrations().import_migrations(request).await.map(tonic::Response::into_inner)
}

/// A request to apply all of a set.
pub(super) fn apply(set: &str, connection: &str) -> v1::ApplyMigrationsRequest {
    v1::ApplyMigrationsRequest {
        migration_set: set.to_owned(),
        connection: connection.to_owned(),
        ..Default::default()
    }
}

/// Waits for the end of an operation, whatever it is.
pub(super) async fn ended(client: &Client, operation: v1::Operation) -> v1::Operation {
    let wait = async {
        loop {
            let request = v1::WaitOperationRequest { name: operation.name.clone(), timeout: None };
            let operation = client.operations().wait_operation(request).await.expect("the wait").into_inner();
            if operation.end_time.is_some() {
                return operation;
            }
        }
    };
    in_time(wait).await
}

/// A key that looks.
pub(super) fn viewer(display_name: &str) -> v1::ApiKey {
    v1::ApiKey { display_name: display_name.to_owned(), role: v1::Role::Viewer.into(), ..Default::default() }
}

/// A key of a role.
pub(super) fn key_of(role: v1::Role, restore: bool) -> v1::ApiKey {
    v1::ApiKey { role: role.into(), restore, ..viewer("of the test") }
}

/// Makes a key in an account; returns its name and its text.
pub(super) async fn issue(client: &Client, parent: &str, key: v1::ApiKey) -> (String, SecretString) {
    let request = v1::CreateApiKeyRequest { parent: parent.to_owned(), api_key: Some(key), ..Default::default() };
    let issued = client.access().create_api_key(request).await.expect("the key is made").into_inner();
    (issued.api_key.expect("the key").name, issued.key.into())
}

/// Makes an account.
pub(super) async fn make_account(client: &Client, id: &str) -> v1::Account {
    let account = v1::Account { display_name: format!("Account {id}"), ..Default::default() };
    let request = v1::CreateAccountRequest { account_id: id.to_owned(), account: Some(account), ..Default::default() };
    client.access().create_account(request).await.expect("the account is made").into_inner()
}

/// Opens a stream that goes on for as long as its caller may listen.
pub(super) async fn watch(client: &Client) -> Streaming<v1::WatchConnectionStatusesResponse> {
    let request = v1::WatchConnectionStatusesRequest::default();
    client.connections().watch_connection_statuses(request).await.expect("the stream opens").into_inner()
}

/// What ends a stream that must end.
pub(super) async fn end_of(mut stream: Streaming<v1::WatchConnectionStatusesResponse>) -> Status {
    let ended = async {
        loop {
            if let Err(error) = stream.message().await {
                return error;
            }
        }
    };
    in_time(ended).await
}

/// Waits for an operation that must succeed.
pub(super) async fn succeeded(client: &Client, operation: v1::Operation) -> v1::Operation {
    let operation = ended(client, operation).await;
    assert_eq!(operation.state(), OperationState::Succeeded, "{:?}", operation.error);
    operation
}

/// Waits for an operation that must fail, and returns why it did.
pub(super) async fn failed(client: &Client, operation: v1::Operation, reason: &str) -> v1::OperationError {
    let operation = ended(client, operation).await;
    assert_eq!(operation.state(), OperationState::Failed, "{operation:?}");
    let error = operation.error.expect("a failed operation says why");
    assert_eq!(error.reason, reason, "{error:?}");
    assert_ne!(error.code, i32::from(Code::Ok));
    error
}

/// Takes a backup of a connection and returns its name.
pub(super) async fn back_up(client: &Client, connection: &str, id: &str) -> String {
    let request =
        v1::CreateBackupRequest { connection: connection.to_owned(), backup_id: id.to_owned(), ..Default::default() };
    let operation = client.backups().create_backup(request).await.expect("the backup begins").into_inner();
    succeeded(client, operation).await;
    format!("{connection}/backups/{id}")
}

/// One test for SQLite and one for MariaDB, each with a server and a database of its own.
macro_rules! on_both_engines {
    ($($check:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    let folder = crate::harness::sqlite::SqliteFolder::new();
                    let server = crate::harness::server::TestServer::start_on(&folder).await;
                    super::$check(&server, &folder).await;
                }
            )*
        }
        mod mariadb {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    let server = crate::harness::server::TestServer::start().await;
                    super::$check(&server, &crate::conformance::mariadb::MariadbFixture::new()).await;
                }
            )*
        }
    };
}
pub(super) use on_both_engines;

/// The same for PostgreSQL, too.
macro_rules! on_every_engine {
    ($($check:ident),* $(,)?) => {
        crate::rpc::support::on_both_engines! { $($check),* }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    let server = crate::harness::server::TestServer::start().await;
                    super::$check(&server, &crate::conformance::postgres::PostgresFixture::new()).await;
                }
            )*
        }
    };
}
pub(super) use on_every_engine;

/// Looks again and again until something holds.
pub(crate) async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let began = tokio::time::Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "it did not come to hold in time");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// The catalog of a PostgreSQL database, locked, so that a call that reads it stays under way.
pub(crate) struct HeldCatalog {
    database: String,
    holder: std::thread::JoinHandle<std::thread::Result<String>>,
}

impl HeldCatalog {
    pub(crate) async fn of(database: &str) -> Self {
        let holder = std::thread::spawn({
            let database = database.to_owned();
            // It does not end well: its session is taken from it.
            let sql = "BEGIN; LOCK TABLE pg_namespace; SELECT pg_sleep(600)";
            move || std::panic::catch_unwind(|| PostgresServer::shared().psql(&database, sql))
        });
        let held = Self { database: database.to_owned(), holder };
        until(async || held.locks("granted AND mode = 'AccessExclusiveLock'") == "1").await;
        held
    }

    /// Waits until a call does.
    pub(crate) async fn until_waited_for(&self) {
        until(async || self.locks("NOT granted") == "1").await;
    }

    /// Lets the call go on. Until now it could not.
    pub(crate) fn release(self) {
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE query LIKE '%pg_sleep(600)%' AND datname = '{}'",
            self.database
        );
        PostgresServer::shared().psql("postgres", &sql);
        assert!(self.holder.join().unwrap().is_err(), "the lock was let go before");
    }

    fn locks(&self, which: &str) -> String {
        let sql = format!(
            "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
             WHERE datname = '{}' AND relation = 'pg_namespace'::regclass AND {which}",
            self.database
        );
        PostgresServer::shared().psql("postgres", &sql)
    }
}
