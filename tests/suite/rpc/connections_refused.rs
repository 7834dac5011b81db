//! A database that refuses is an answer of TestConnection, not an error of the call: what is wrong and what to do.

use dbkeeper::grpc::{client::Client, proto::v1};
use tokio::net::TcpListener;
use tonic::Code;

use super::{
    answer::{assert_field, assert_no_leak, assert_refused},
    support::{register, settings, test_settings},
};
use crate::{
    conformance::{Fixture, mariadb::MariadbFixture, postgres::PostgresFixture},
    harness::{server::TestServer, sqlite::SqliteFolder},
};

/// A change to settings that work.
type Breaks = fn(&mut v1::Connection);

/// What is changed, the reason that is answered, and words of the cure.
const FAULTS: [(Breaks, &str, &str); 5] = [
    (|connection| connection.password = "wrong-secret".to_owned(), "CREDENTIALS_REJECTED", "password"),
    (|connection| connection.username = "nobody_known".to_owned(), "CREDENTIALS_REJECTED", "username"),
    (|connection| connection.host = "no-such-host.invalid".to_owned(), "HOST_UNKNOWN", "spelling"),
    (|connection| connection.port = 1, "DATABASE_UNREACHABLE", "port"),
    (|connection| connection.database = "no_such_database".to_owned(), "DATABASE_UNKNOWN", "no_such_database"),
];

/// Tests settings as they are and as a registered connection; both must say the same.
async fn refused(client: &Client, id: &str, connection: v1::Connection) -> v1::TestConnectionResponse {
    let unsaved = test_settings(client, connection.clone()).await.expect("a refusal is an answer");
    assert!(!unsaved.connected);
    let (password, name) = (connection.password.clone(), register(client, id, connection).await.name);
    let target = Some(v1::test_connection_request::Target::Name(name.clone()));
    let saved = client.connections().test_connection(v1::TestConnectionRequest { target }).await.unwrap().into_inner();
    assert_eq!((saved.connected, &saved.error), (false, &unsaved.error));
    assert!(!format!("{saved:?}").contains(&password), "the answer holds the password");

    let request = v1::GetConnectionRequest { name: name.clone(), ..Default::default() };
    let shown = client.connections().get_connection(request).await.unwrap().into_inner();
    let expected = match saved.error.as_ref().unwrap().reason.as_str() {
        "HOST_UNKNOWN" | "DATABASE_UNREACHABLE" | "CONNECT_TIMEOUT" => v1::ConnectionState::Offline,
        _ => v1::ConnectionState::Refused,
    };
    assert_eq!(shown.state(), expected);
    assert_eq!(shown.health.unwrap().error, saved.error);

    // The same as an error of a call that needs the database.
    let request = v1::GetDatabaseRequest { connection: name, ..Default::default() };
    let error = client.schemas().get_database(request).await.unwrap_err();
    let code = if expected == v1::ConnectionState::Offline { Code::Unavailable } else { Code::FailedPrecondition };
    assert_refused(&error, code, &saved.error.as_ref().unwrap().reason);
    assert_no_leak(&error, &password);
    saved
}

async fn check_faults(fixture: &impl Fixture) {
    let server = TestServer::start().await;
    let client = server.client();
    let database = fixture.create_database().await;
    let good = settings(&fixture.target(&database));
    assert!(test_settings(&client, good.clone()).await.unwrap().connected);
    for (index, (breaks, reason, cure)) in FAULTS.iter().enumerate() {
        let mut broken = good.clone();
        breaks(&mut broken);
        let answer = refused(&client, &format!("fault{index}"), broken).await;
        let error = answer.error.unwrap();
        assert_eq!(error.reason, *reason, "{error:?}");
        let text = format!("{} {}", error.message, error.hint);
        assert!(text.contains(cure), "{text:?} does not say {cure:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_that_refuses_says_why() {
    check_faults(&PostgresFixture::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_that_refuses_says_why() {
    check_faults(&MariadbFixture::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_never_answers_is_given_up() {
    let server =
        TestServer::start_with(|config| config.pools.connect_timeout = std::time::Duration::from_secs(1)).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    // Accepts and says nothing, for as long as the test runs.
    let accepting = tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            open.push(stream);
        }
    });
    for (id, target) in
        [("pg", PostgresFixture::new().target("postgres")), ("maria", MariadbFixture::new().target("mysql"))]
    {
        let settings = v1::Connection { port: port.into(), host: "127.0.0.1".to_owned(), ..settings(&target) };
        let error = refused(&server.client(), id, settings).await.error.unwrap();
        assert_eq!(error.reason, "CONNECT_TIMEOUT", "{error:?}");
        let text = format!("{} {}", error.message, error.hint);
        assert!(text.contains("did not answer within 1 s") && text.contains("firewall"), "{text}");
    }
    accepting.abort();
}

#[tokio::test]
async fn a_path_that_climbs_out_of_the_sqlite_root_is_refused() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    std::fs::write(folder.root().join("outside.db"), b"").unwrap();
    std::os::unix::fs::symlink(folder.root(), folder.path("link")).unwrap();
    let good = settings(&folder.target(&folder.create_database()));
    let connection = |database: &str| v1::Connection { database: database.to_owned(), ..good.clone() };
    for path in ["../outside.db", "a/../../outside.db", "/etc/passwd", "..", "a//b.db", "./x.db"] {
        let create = v1::CreateConnectionRequest { connection: Some(connection(path)), ..Default::default() };
        let error = client.connections().create_connection(create).await.expect_err(path);
        assert_refused(&error, Code::InvalidArgument, "INVALID_FIELD");
        assert_field(&error, "connection.database", "");
        let error = test_settings(&client, connection(path)).await.expect_err(path);
        assert_field(&error, "connection.database", "");
    }
    // What the text of a path does not tell, the file system does, at each opening.
    let answer = test_settings(&client, connection("link/outside.db")).await.unwrap();
    assert_eq!(answer.error.unwrap().reason, "INVALID_FIELD");
    let answer = test_settings(&client, connection("missing.db")).await.unwrap();
    let error = answer.error.unwrap();
    assert_eq!(error.reason, "DATABASE_UNKNOWN");
    assert!(error.message.contains("check the path"), "{error:?}");
}
