//! What the policy forbids is not dialled, whoever asks and in whatever spelling.

use std::net::TcpListener;

use dbkeeper::{
    config::BasePolicy,
    grpc::{client::Client, proto::v1},
};

use super::super::support::{register, settings, test_settings};
use crate::{
    conformance::{Fixture, mariadb::MariadbFixture, postgres::PostgresFixture},
    harness::server::TestServer,
};

const ENGINES: [v1::Engine; 2] = [v1::Engine::Postgresql, v1::Engine::Mysql];

fn connection(engine: v1::Engine, host: &str, port: u16) -> v1::Connection {
    v1::Connection {
        display_name: "Target".to_owned(),
        engine: engine.into(),
        host: host.to_owned(),
        port: u32::from(port),
        database: "app".to_owned(),
        username: "app".to_owned(),
        password: "not-to-be-seen".to_owned(),
        tls: Some(v1::TlsSettings { mode: v1::TlsMode::Disabled.into(), ..Default::default() }),
        ..Default::default()
    }
}

/// Reason and class that a test of settings is answered with.
async fn refusal(client: &Client, connection: v1::Connection) -> (String, String) {
    let answer = test_settings(client, connection).await.expect("a refusal is an answer");
    let error = answer.error.expect("refused");
    assert!(!error.hint.is_empty(), "{error:?}");
    (error.reason, error.message)
}

fn assert_untouched(listener: &TcpListener) {
    listener.set_nonblocking(true).unwrap();
    let call = listener.accept().map(|(_, from)| from);
    assert_eq!(call.unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "somebody called");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_server_does_not_dial_its_own_machine() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = TestServer::start_with(|config| config.targets.policy = BasePolicy::Public).await;
    let client = server.client();
    let spellings =
        ["127.0.0.1", "localhost", "LOCALHOST", "2130706433", "0x7f.1", "0177.0.0.1", "::ffff:127.0.0.1", "[::1]", "0"];
    for engine in ENGINES {
        for host in spellings {
            let (reason, message) = refusal(&client, connection(engine, host, port)).await;
            assert_eq!(reason, "ADDRESS_FORBIDDEN", "{host}: {message}");
            assert!(
                !message.contains("127.0.0.1") || host.contains("127.0.0.1"),
                "tells where a name leads: {message}"
            );
        }
    }
    // Registered, the same holds for every call that needs the database.
    let name = register(&client, "inside", connection(v1::Engine::Postgresql, "localhost", port)).await.name;
    let error = client
        .schemas()
        .get_database(v1::GetDatabaseRequest { connection: name, ..Default::default() })
        .await
        .unwrap_err();
    assert_eq!(error.code(), tonic::Code::FailedPrecondition, "{error}");
    assert!(error.message().contains("targets.allow"), "{error}");
    assert_untouched(&listener);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_does_not_dial_itself() {
    let server = TestServer::start().await;
    let port: u16 = server.url().rsplit(':').next().unwrap().parse().unwrap();
    for engine in ENGINES {
        let (reason, message) = refusal(&server.client(), connection(engine, "127.0.0.1", port)).await;
        assert_eq!(reason, "ADDRESS_FORBIDDEN", "{message}");
        assert!(message.contains("this server itself"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_are_neither_name_nor_address_are_not_looked_up() {
    let server = TestServer::start().await;
    for host in ["127.0.0.256", "1.2.3.4.5", "0x7g.0.0.0x1", "[::1", "db..", "１２７.0.0.1"] {
        let (reason, message) = refusal(&server.client(), connection(v1::Engine::Mysql, host, 3306)).await;
        assert_eq!(reason, "HOST_UNKNOWN", "{host}: {message}");
        // A look-up that fails would give the same reason.
        assert!(message.contains("cannot be used"), "{host}: {message}");
    }
}

/// The policy lets a database through that the lists name, and the ports close it again.
async fn check_lists(fixture: &impl Fixture) {
    let database = fixture.create_database().await;
    let good = settings(&fixture.target(&database));
    let port = u16::try_from(good.port).unwrap();
    let open = TestServer::start_with(|config| {
        config.targets.policy = BasePolicy::Public;
        config.targets.allow = ["127.0.0.0/8", "::1"].map(|network| network.parse().unwrap()).to_vec();
        config.targets.ports = vec![port.to_string().parse().unwrap()];
    });
    let answer = test_settings(&open.await.client(), good.clone()).await.unwrap();
    assert!(answer.connected, "{answer:?}");

    let closed = TestServer::start_with(|config| config.targets.ports = vec!["1-2".parse().unwrap()]).await;
    let (reason, message) = refusal(&closed.client(), good).await;
    assert_eq!(reason, "ADDRESS_FORBIDDEN");
    assert!(message.contains("targets.ports"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_hold_for_postgresql() {
    check_lists(&PostgresFixture::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_hold_for_mariadb() {
    check_lists(&MariadbFixture::new()).await;
}
