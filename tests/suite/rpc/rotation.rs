//! RotateCredentials: the database and the store change together, the old password is of no use, and what cannot be is refused.

use dbkeeper::grpc::{client::Client, proto::v1};
use tonic::{Code, Status};

use super::{
    answer::{assert_field, assert_no_leak, assert_refused},
    support::{apply, file, migration_set, register, settings, test_settings, until},
};
use crate::harness::{
    mariadb::MariadbServer, pgbouncer::PgBouncer, postgres::PostgresServer, server::TestServer, sqlite::SqliteFolder,
};

const OLD: &str = "the-old-password-1";
const GIVEN: &str = r#"given'pass\word";--$1"#;

/// A user of its own on a server, with the settings to register it.
pub(crate) fn postgres_user() -> v1::Connection {
    let server = PostgresServer::shared();
    let database = server.create_database();
    let user = format!("{database}_user");
    server.psql(&database, &format!("CREATE ROLE {user} LOGIN PASSWORD '{OLD}'"));
    let server = server.settings(&database);
    connection(v1::Engine::Postgresql, &server.host, server.port, database, user)
}

pub(crate) fn mariadb_user() -> v1::Connection {
    let server = MariadbServer::shared();
    let database = server.create_database();
    let user = server.fresh_name();
    server.sql(&database, &format!("CREATE USER {user} IDENTIFIED BY '{OLD}'; GRANT ALL ON `{database}`.* TO {user}"));
    let server = server.settings(&database);
    connection(v1::Engine::Mysql, &server.host, server.port, database, user)
}

fn connection(engine: v1::Engine, host: &str, port: u16, database: String, username: String) -> v1::Connection {
    v1::Connection {
        display_name: "Rotated".to_owned(),
        engine: engine.into(),
        host: host.to_owned(),
        port: u32::from(port),
        database,
        username,
        password: OLD.to_owned(),
        tls: Some(v1::TlsSettings { mode: v1::TlsMode::Disabled.into(), ..Default::default() }),
        ..Default::default()
    }
}

async fn rotate(client: &Client, request: v1::RotateCredentialsRequest) -> Result<v1::Connection, Status> {
    client.connections().rotate_credentials(request).await.map(tonic::Response::into_inner)
}

fn request(name: &str) -> v1::RotateCredentialsRequest {
    v1::RotateCredentialsRequest { name: name.to_owned(), ..Default::default() }
}

async fn connects(client: &Client, name: &str) -> bool {
    let target = Some(v1::test_connection_request::Target::Name(name.to_owned()));
    let answer = client.connections().test_connection(v1::TestConnectionRequest { target }).await.unwrap();
    answer.into_inner().connected
}

async fn connects_with(client: &Client, settings: &v1::Connection, password: &str) -> bool {
    let settings = v1::Connection { password: password.to_owned(), ..settings.clone() };
    test_settings(client, settings).await.unwrap().connected
}

async fn uses(client: &Client, name: &str) {
    let request = v1::GetDatabaseRequest { connection: name.to_owned(), ..Default::default() };
    client.schemas().get_database(request).await.expect("the pool has the password that holds");
}

async fn has_pool(client: &Client, name: &str) -> bool {
    let request = v1::GetPoolStatsRequest { connection: name.to_owned() };
    client.connections().get_pool_stats(request).await.unwrap().into_inner().open
}

async fn check_rotations(user: v1::Connection) {
    let server = TestServer::start().await;
    let client = server.client();
    let made = register(&client, "rotated", user.clone()).await;
    uses(&client, &made.name).await;
    assert!(has_pool(&client, &made.name).await);

    // Only looked at: nothing changes.
    let looked = rotate(&client, v1::RotateCredentialsRequest { validate_only: true, ..request(&made.name) }).await;
    assert_eq!(looked.unwrap().etag, made.etag);
    assert!(connects_with(&client, &user, OLD).await);

    // Made by the server.
    let first = rotate(&client, request(&made.name)).await.unwrap();
    assert_ne!(first.etag, made.etag);
    assert!(first.password.is_empty() && first.password_set);
    assert!(!has_pool(&client, &made.name).await, "sessions of the old password stay open");
    assert!(connects(&client, &made.name).await);
    assert!(!connects_with(&client, &user, OLD).await, "the old password still logs in");
    uses(&client, &made.name).await;

    // Given, with a request_id: the repeat answers the same and does nothing.
    let given = v1::RotateCredentialsRequest {
        new_password: GIVEN.to_owned(),
        request_id: "rotation-1".to_owned(),
        etag: first.etag.clone(),
        ..request(&made.name)
    };
    let second = rotate(&client, given.clone()).await.unwrap();
    assert!(connects_with(&client, &user, GIVEN).await);
    uses(&client, &made.name).await;
    assert_eq!(rotate(&client, given.clone()).await.unwrap().etag, second.etag);
    let other = v1::RotateCredentialsRequest { new_password: "another-password".to_owned(), ..given };
    assert_refused(&rotate(&client, other).await.unwrap_err(), Code::AlreadyExists, "REQUEST_ID_REUSED");

    // What was seen is no longer what there is.
    let stale = v1::RotateCredentialsRequest { etag: first.etag, ..request(&made.name) };
    assert_refused(&rotate(&client, stale).await.unwrap_err(), Code::Aborted, "ETAG_MISMATCH");
    assert!(connects_with(&client, &user, GIVEN).await);

    // All at once: one at a time, the others are told, and the store has the last.
    let calls = (0..8).map(|_| rotate(&client, request(&made.name)));
    let outcomes = futures::future::join_all(calls).await;
    assert!(outcomes.iter().any(Result::is_ok), "{outcomes:?}");
    let refused: Vec<&Status> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    assert!(!refused.is_empty(), "eight calls at one time did not meet");
    for status in refused {
        assert_refused(status, Code::Aborted, "DATABASE_BUSY");
    }
    assert!(connects(&client, &made.name).await);
    assert!(!connects_with(&client, &user, GIVEN).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_password_is_rotated() {
    Box::pin(check_rotations(postgres_user())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mariadb_password_is_rotated() {
    Box::pin(check_rotations(mariadb_user())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_never_sees_the_password_itself() {
    let server = TestServer::start().await;
    let client = server.client();
    let user = postgres_user();
    let postgres = PostgresServer::shared();
    // A server that keeps its passwords as md5 would turn one sent in clear into that.
    let role = format!("ALTER ROLE {}", user.username);
    postgres.psql(&user.database, &format!("{role} SET password_encryption = 'md5'; {role} SET log_statement = 'all'"));
    let name = register(&client, "scram", user.clone()).await.name;
    let given = v1::RotateCredentialsRequest { new_password: GIVEN.to_owned(), ..request(&name) };
    rotate(&client, given).await.unwrap();
    let log = postgres.log();
    let own = |line: &&str| line.contains(&format!("[{}]", user.database));
    let told = log.lines().filter(own).any(|line| line.contains("ALTER ROLE SESSION_USER PASSWORD"));
    assert!(told, "the server did not log what it was told");
    assert!(!log.contains(GIVEN) && !log.contains(r#"given\'pass"#), "the log of the server holds the password");
    let stored = format!("SELECT rolpassword FROM pg_authid WHERE rolname = '{}'", user.username);
    assert!(postgres.psql(&user.database, &stored).starts_with("SCRAM-SHA-256$4096:"));
    assert!(connects(&client, &name).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_logins_of_other_kinds_are_rotated_too() {
    let mariadb = MariadbServer::shared();
    let user = mariadb_user();
    // Two logins, of which the client can do one.
    mariadb.sql(
        &user.database,
        &format!(
            "ALTER USER {} IDENTIFIED VIA mysql_native_password USING PASSWORD('{OLD}') OR unix_socket",
            user.username
        ),
    );
    let server = TestServer::start().await;
    let client = server.client();
    let name = register(&client, "two", user.clone()).await.name;
    rotate(&client, request(&name)).await.unwrap();
    assert!(connects(&client, &name).await);
    assert!(!connects_with(&client, &user, OLD).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_rotated_is_refused_and_nothing_changes() {
    let server = TestServer::start().await;
    let client = server.client();
    let user = postgres_user();
    let name = register(&client, "refused", user.clone()).await.name;
    for bad in ["short", "with a space in it", "with-a-newline\n", "mit-Umlaut-äöü", &"x".repeat(129)] {
        let bad = v1::RotateCredentialsRequest { new_password: bad.to_owned(), ..request(&name) };
        let error = rotate(&client, bad.clone()).await.unwrap_err();
        assert_refused(&error, Code::InvalidArgument, "INVALID_FIELD");
        assert_field(&error, "new_password", "12 to 128");
        assert_no_leak(&error, &bad.new_password);
    }
    let error = rotate(&client, request("connections/nobody")).await.unwrap_err();
    assert_refused(&error, Code::NotFound, "CONNECTION_NOT_FOUND");
    let error = rotate(&client, request("backups/x")).await.unwrap_err();
    assert_refused(&error, Code::InvalidArgument, "INVALID_FIELD");
    let badly = v1::RotateCredentialsRequest { request_id: "with space".to_owned(), ..request(&name) };
    assert_refused(&rotate(&client, badly).await.unwrap_err(), Code::InvalidArgument, "INVALID_FIELD");
    assert!(connects_with(&client, &user, OLD).await);

    // A password that does not log in cannot change anything.
    let wrong = v1::Connection { password: "not-the-password".to_owned(), ..user.clone() };
    let wrong = register(&client, "wrong", wrong).await.name;
    let error = rotate(&client, request(&wrong)).await.unwrap_err();
    assert_refused(&error, Code::FailedPrecondition, "CREDENTIALS_REJECTED");
    assert!(connects_with(&client, &user, OLD).await);

    let folder = SqliteFolder::new();
    let sqlite = TestServer::start_on(&folder).await;
    let client = sqlite.client();
    let database = folder.create_database();
    let name = register(&client, "file", settings(&folder.target(&database))).await.name;
    let error = rotate(&client, request(&name)).await.unwrap_err();
    assert_refused(&error, Code::Unimplemented, "ENGINE_UNSUPPORTED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_not_rotated_under_an_operation() {
    let server = TestServer::start().await;
    let client = server.client();
    let user = postgres_user();
    PostgresServer::shared().psql(
        &user.database,
        &format!("GRANT ALL ON DATABASE {0} TO {1}; GRANT ALL ON SCHEMA public TO {1}", user.database, user.username),
    );
    let name = register(&client, "busy", user.clone()).await.name;
    let files = vec![file("1_wait.up.sql", "SELECT pg_sleep(300);"), file("1_wait.down.sql", "SELECT 1;")];
    let set = migration_set(&client, "waits", files).await;
    let operation = client.migrations().apply_migrations(apply(&set, &name)).await.unwrap().into_inner();
    assert_refused(&rotate(&client, request(&name)).await.unwrap_err(), Code::Aborted, "DATABASE_BUSY");
    assert!(connects_with(&client, &user, OLD).await);
    let cancel = v1::CancelOperationRequest { name: operation.name.clone() };
    client.operations().cancel_operation(cancel).await.unwrap();
    super::support::ended(&client, operation).await;
    rotate(&client, request(&name)).await.unwrap();
}

/// A pooler that checks passwords from a list of its own goes on refusing the new one that the database has taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_the_database_took_is_never_thrown_away() {
    let user = postgres_user();
    let pooler = PgBouncer::of_user(&user.username, OLD);
    let server = TestServer::start().await;
    let client = server.client();
    let through = v1::Connection { port: pooler.port().into(), ..user.clone() };
    let made = register(&client, "pooled", through).await;

    let given = v1::RotateCredentialsRequest {
        new_password: "a-new-password-2".to_owned(),
        request_id: "once".to_owned(),
        etag: made.etag.clone(),
        ..request(&made.name)
    };
    let error = rotate(&client, given.clone()).await.unwrap_err();
    assert_refused(&error, Code::FailedPrecondition, "CREDENTIALS_REJECTED");
    assert!(error.message().contains("pooler") && error.message().contains("UpdateConnection"), "{error}");
    assert!(connects_with(&client, &user, "a-new-password-2").await, "the database itself has it");

    // Its end closes the sessions, so that no work may begin before.
    let backup = v1::CreateBackupRequest { connection: made.name.clone(), ..Default::default() };
    let error = client.backups().create_backup(backup).await.unwrap_err();
    assert_refused(&error, Code::Aborted, "DATABASE_BUSY");

    pooler.set_user(&user.username, OLD, "a-new-password-2");
    let etag = async || {
        let request = v1::GetConnectionRequest { name: made.name.clone(), ..Default::default() };
        client.connections().get_connection(request).await.unwrap().into_inner().etag
    };
    // A test brings the change to its end as soon as the pooler lets the new password in.
    until(async || connects(&client, &made.name).await && etag().await != made.etag).await;
    let settled = etag().await;
    assert_eq!(rotate(&client, given).await.unwrap().etag, settled, "the repeat finds that it is done");
    assert!(connects(&client, &made.name).await);
}
