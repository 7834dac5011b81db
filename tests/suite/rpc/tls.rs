//! TLS to databases in all four modes, to servers that demand it and to servers that have none.

use dbkeeper::grpc::proto::v1;
use v1::TlsMode;

use super::support::{settings, test_settings};
use crate::{
    conformance::{Fixture, mariadb::MariadbFixture, postgres::PostgresFixture},
    harness::{certificates::Certificates, mariadb::MariadbServer, postgres::PostgresServer, server::TestServer},
};

/// Settings with a TLS mode and a CA.
fn with_tls(connection: &v1::Connection, mode: TlsMode, ca_pem: &str, host: &str) -> v1::Connection {
    let tls = v1::TlsSettings { mode: mode.into(), ca_pem: ca_pem.to_owned(), ..Default::default() };
    v1::Connection { tls: Some(tls), host: host.to_owned(), ..connection.clone() }
}

/// The server's certificate is for `localhost`, and is signed by a CA of the test. `in_clear`: what may be told where the connection does not use TLS.
async fn check_server_that_demands_tls(connection: v1::Connection, ca_pem: &str, in_clear: &[&str]) {
    let server = TestServer::start().await;
    let client = server.client();
    let foreign_ca = Certificates::generate().ca_pem;
    let modes = [
        (TlsMode::Required, "", "127.0.0.1", &[""][..]),
        (TlsMode::VerifyCa, ca_pem, "127.0.0.1", &[""]),
        (TlsMode::VerifyFull, ca_pem, "localhost", &[""]),
        (TlsMode::Disabled, "", "localhost", in_clear),
        (TlsMode::VerifyCa, foreign_ca.as_str(), "localhost", &["CERTIFICATE_INVALID"]),
        (TlsMode::VerifyFull, "", "localhost", &["CERTIFICATE_INVALID"]),
        (TlsMode::VerifyFull, ca_pem, "127.0.0.1", &["CERTIFICATE_INVALID"]),
    ];
    for (mode, ca_pem, host, reasons) in modes {
        let answer = test_settings(&client, with_tls(&connection, mode, ca_pem, host)).await.unwrap();
        let found = answer.error.as_ref().map_or("", |error| error.reason.as_str());
        assert!(reasons.contains(&found), "{mode:?} at {host}: {answer:?}");
        assert_eq!((answer.connected, answer.tls_active), (found.is_empty(), found.is_empty()), "{answer:?}");
        if let Some(error) = answer.error {
            let text = format!("{} {}", error.message, error.hint);
            let cure = if mode == TlsMode::Disabled { "tls.mode" } else { "host" };
            assert!(text.contains(cure) || text.contains("tls.ca_pem"), "{text}");
        }
    }
}

async fn check_server_without_tls(connection: v1::Connection) {
    let server = TestServer::start().await;
    let plain = with_tls(&connection, TlsMode::Disabled, "", "localhost");
    let answer = test_settings(&server.client(), plain).await.unwrap();
    assert_eq!((answer.connected, answer.tls_active), (true, false), "{answer:?}");
    for mode in [TlsMode::Required, TlsMode::VerifyCa, TlsMode::VerifyFull] {
        let ca_pem = if mode == TlsMode::Required { String::new() } else { Certificates::generate().ca_pem };
        let answer = test_settings(&server.client(), with_tls(&connection, mode, &ca_pem, "localhost")).await.unwrap();
        let error = answer.error.expect("there is no TLS to be had");
        assert_eq!(error.reason, "TLS_UNAVAILABLE", "{error:?}");
        let text = format!("{} {}", error.message, error.hint);
        assert!(text.contains("TLS_MODE_DISABLED"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_that_demands_tls_takes_the_modes_that_bring_it() {
    let server = PostgresServer::with_tls();
    let connection = v1::Connection {
        display_name: "TLS".to_owned(),
        engine: v1::Engine::Postgresql.into(),
        port: server.port().into(),
        database: "postgres".to_owned(),
        username: "postgres".to_owned(),
        password: server.password().to_owned(),
        ..Default::default()
    };
    check_server_that_demands_tls(connection, &server.certificates().ca_pem, &["TLS_REQUIRED"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_that_demands_tls_takes_the_modes_that_bring_it() {
    let server = MariadbServer::with_tls();
    let connection = settings(&server.target("mysql"));
    // Before version 11 MariaDB says no more than that access is denied.
    let in_clear = &["TLS_REQUIRED", "CREDENTIALS_REJECTED"];
    check_server_that_demands_tls(connection, &server.certificates().ca_pem, in_clear).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_without_tls_is_told_from_one_that_is_down() {
    check_server_without_tls(settings(&PostgresFixture::new().target("postgres"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_without_tls_is_told_from_one_that_is_down() {
    check_server_without_tls(settings(&MariadbFixture::new().target("mysql"))).await;
}
