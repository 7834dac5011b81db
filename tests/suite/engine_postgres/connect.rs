//! Settings, probes in every TLS mode, every way in which a dial fails, and the pool.

use std::time::Duration;

use dbkeeper::{
    engine::Engine,
    model::{
        Detail, Error, Reason,
        connection::{Ability, ConnectionSettings, TlsMode},
        schema::TablePage,
    },
};

use super::{account, engine, engine_with, open, open_new, target};
use crate::harness::postgres::{CERTIFICATE_USER, PostgresServer};

async fn probe_error(settings: ConnectionSettings) -> Error {
    engine().probe(&target(settings, PostgresServer::shared().password())).await.expect_err("the probe fails")
}

#[test]
fn settings_that_cannot_work_are_refused_with_their_fields() {
    let mut settings = PostgresServer::shared().settings("postgres");
    assert!(engine().check_settings(&account(), &settings).is_ok());
    settings.host = "/var/run/../postgresql".to_owned();
    settings.port = 0;
    settings.username = "x".repeat(64);
    settings.tls.ca_pem = "pem".to_owned();
    let error = engine().check_settings(&account(), &settings).expect_err("refused");
    let fields: Vec<&str> = error
        .details()
        .iter()
        .filter_map(|detail| match detail {
            Detail::Field { field, .. } => Some(field.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(fields, ["host", "port", "username", "tls.ca_pem"]);
}

#[tokio::test]
async fn a_probe_tells_who_answers() {
    let server = PostgresServer::shared();
    let probe = engine().probe(&target(server.settings("postgres"), server.password())).await.expect("a probe");
    assert_eq!(server.settings("postgres").port, server.port());
    assert_eq!(probe.server.product, "PostgreSQL");
    assert!(probe.server.version_number.0 >= 13);
    assert!(!probe.server.tls_active);
}

#[tokio::test]
async fn a_second_probe_tells_the_same_without_a_question() {
    let server = PostgresServer::shared();
    let database = server.create_database();
    server.psql("postgres", "CREATE ROLE curious LOGIN PASSWORD 'x'");
    let settings = ConnectionSettings { username: "curious".to_owned(), ..server.settings(&database) };
    let target = target(settings, "x");
    let engine = engine();
    let first = engine.probe(&target).await.expect("a probe");
    server.psql(&database, "REVOKE EXECUTE ON FUNCTION pg_stat_get_activity FROM PUBLIC");
    let second = engine.probe(&target).await.expect("nothing is asked");
    assert_eq!(second.server, first.server);
    let error = engine_with(Duration::from_secs(10)).probe(&target).await.expect_err("another engine has to ask");
    assert_eq!(error.reason(), Reason::PrivilegeMissing, "{error:?}");
}

#[tokio::test]
async fn every_tls_mode_works_against_a_server_that_demands_it() {
    let server = PostgresServer::with_tls();
    for mode in [TlsMode::Required, TlsMode::VerifyCa, TlsMode::VerifyFull] {
        let mut settings = server.settings("postgres");
        settings.tls.mode = mode;
        if mode != TlsMode::Required {
            settings.tls.ca_pem = server.certificates().ca_pem.clone();
        }
        let probe = engine().probe(&target(settings, server.password())).await.expect("a probe");
        assert!(probe.server.tls_active, "{mode:?}");
    }
    let mut settings = server.settings("postgres");
    settings.tls.mode = TlsMode::Disabled;
    let error = probe_error(settings).await;
    assert_eq!(error.reason(), Reason::TlsRequired, "{error:?}");
    assert_eq!(error.metadata("sql_state"), Some("28000"));
    assert!(error.metadata("hint").expect("a hint").contains("TLS_MODE_REQUIRED"));
}

#[tokio::test]
async fn certificates_that_do_not_fit_are_told() {
    let server = PostgresServer::with_tls();
    let mut settings = server.settings("postgres");
    settings.tls.mode = TlsMode::VerifyFull;
    let error = probe_error(settings.clone()).await;
    assert_eq!(error.reason(), Reason::CertificateInvalid, "{error:?}");
    assert!(error.message().contains("tls.ca_pem"), "{error}");

    settings.tls.ca_pem = server.certificates().ca_pem.clone();
    settings.host = "127.0.0.1".to_owned();
    let error = probe_error(settings.clone()).await;
    assert_eq!(error.reason(), Reason::CertificateInvalid, "{error:?}");
    assert!(error.message().contains("is not for the host"), "{error}");

    settings.tls.mode = TlsMode::VerifyCa;
    let probe = engine().probe(&target(settings, server.password())).await;
    assert!(probe.is_ok(), "verify-ca does not look at the name: {probe:?}");
}

#[tokio::test]
async fn a_client_certificate_is_presented() {
    let server = PostgresServer::with_tls();
    let mut settings = server.settings("postgres");
    settings.username = CERTIFICATE_USER.to_owned();
    assert_eq!(probe_error(settings.clone()).await.reason(), Reason::CredentialsRejected);

    settings.tls.client_cert_pem = server.certificates().client_cert_pem.clone();
    let mut target = target(settings, server.password());
    target.credentials.client_key_pem = Some(server.certificates().client_key_pem.clone().into());
    assert!(engine().probe(&target).await.is_ok());
}

#[tokio::test]
async fn each_failure_of_a_dial_has_its_reason() {
    let server = PostgresServer::shared();
    let good = || server.settings("postgres");

    let error = probe_error(ConnectionSettings { host: "no-such-host.invalid".to_owned(), ..good() }).await;
    assert_eq!(error.reason(), Reason::HostUnknown, "{error:?}");

    let error = probe_error(ConnectionSettings { port: 1, ..good() }).await;
    assert_eq!(error.reason(), Reason::DatabaseUnreachable, "{error:?}");

    let error = probe_error(ConnectionSettings { database: "no_such_database".to_owned(), ..good() }).await;
    assert_eq!(error.reason(), Reason::DatabaseUnknown, "{error:?}");
    assert_eq!(error.metadata("sql_state"), Some("3D000"));

    let mut settings = good();
    settings.tls.mode = TlsMode::Required;
    assert_eq!(probe_error(settings).await.reason(), Reason::TlsUnavailable);

    let secret = "wrong-password-7391";
    let error = engine().probe(&target(good(), secret)).await.expect_err("a wrong password");
    assert_eq!(error.reason(), Reason::CredentialsRejected, "{error:?}");
    assert_eq!(error.metadata("sql_state"), Some("28P01"));
    assert!(!format!("{error:?}").contains(secret));

    server.psql("postgres", "CREATE ROLE crowded LOGIN CONNECTION LIMIT 0 PASSWORD 'x'");
    let settings = ConnectionSettings { username: "crowded".to_owned(), ..good() };
    let error = engine().probe(&target(settings, "x")).await.expect_err("no connection left");
    assert_eq!(error.reason(), Reason::TooManyConnections, "{error:?}");
}

#[tokio::test]
async fn a_user_with_one_connection_can_be_tested_and_opened() {
    let server = PostgresServer::shared();
    let database = server.create_database();
    server.psql("postgres", "CREATE ROLE lonely LOGIN CONNECTION LIMIT 1 PASSWORD 'x'");
    let mut settings = ConnectionSettings { username: "lonely".to_owned(), ..server.settings(&database) };
    settings.pool.max_connections = 1;
    let probe = engine().probe(&target(settings.clone(), "x")).await.expect("the test works");
    assert_eq!(probe.server.pooler, None);
    // A session is gone for the server only some time after its good-bye.
    super::wait_until("the user has no session", || {
        server.psql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE usename = 'lonely'") == "0"
    })
    .await;
    let opened = engine().open(target(settings, "x")).await.expect("the database opens");
    let inspect = opened.require_inspect().unwrap();
    let list = inspect.list_tables(&Default::default(), &TablePage::first(10)).await.unwrap();
    assert!(list.tables.is_empty());
}

#[tokio::test]
async fn a_host_that_never_answers_ends_at_the_deadline() {
    // It accepts and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut settings = PostgresServer::shared().settings("postgres");
    settings.host = "127.0.0.1".to_owned();
    settings.port = silent.local_addr().expect("an address").port();
    let target = target(settings, PostgresServer::shared().password());
    let error = engine_with(Duration::from_millis(200)).probe(&target).await.expect_err("nobody answers");
    assert_eq!(error.reason(), Reason::ConnectTimeout, "{error:?}");
}

#[tokio::test]
async fn a_busy_pool_tells_its_figures() {
    let server = PostgresServer::shared();
    let database = server.create_database();
    let mut settings = server.settings(&database);
    settings.pool.max_connections = 1;
    // Long enough to log in on a busy machine.
    settings.pool.acquire_timeout = Duration::from_secs(3);
    server.psql(&database, "CREATE TABLE big AS SELECT FROM generate_series(1, 500)");
    let opened = open(settings).await;
    // A stream whose receiver does not read keeps the one lease: it reads three parts ahead and no more.
    server.psql(&database, &(0..2300).map(|number| format!("CREATE TABLE t{number} ();")).collect::<String>());
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let streaming = {
        let opened = opened.clone();
        tokio::spawn(async move {
            let filter = Default::default();
            opened.require_inspect().expect("inspect").stream_tables(&filter, sender).await
        })
    };
    receiver.recv().await.expect("the first table");
    let error = opened.require_inspect().expect("inspect").database().await.expect_err("no lease");
    assert_eq!(error.reason(), Reason::PoolExhausted, "{error:?}");
    assert_eq!(error.metadata("pool_max_connections"), Some("1"));
    assert!(error.details().iter().any(|detail| matches!(detail, Detail::RetryAfter(_))));
    assert_eq!(opened.pool_figures().timed_out, 1);

    drop(receiver);
    streaming.await.expect("no panic").expect("a gone receiver is no error");
    opened.require_inspect().expect("inspect").database().await.expect("the lease came back");
}

#[tokio::test]
async fn a_dropped_call_does_not_poison_the_pool() {
    let server = PostgresServer::shared();
    let database = server.create_database();
    let mut settings = server.settings(&database);
    settings.pool.max_connections = 1;
    let opened = open(settings).await;
    for micros in (0..40).map(|step| step * 100) {
        let inspect = opened.require_inspect().expect("inspect");
        let _ = tokio::time::timeout(Duration::from_micros(micros), inspect.database()).await;
    }
    let info = opened.require_inspect().expect("inspect").database().await.expect("the pool still works");
    assert_eq!(info.database, database);
}

#[tokio::test]
async fn capabilities_name_the_missing_grant() {
    let server = PostgresServer::shared();
    let (database, opened) = open_new().await;
    assert!(opened.capabilities().await.expect("capabilities").iter().all(|capability| capability.supported));

    server.psql(
        &database,
        "CREATE ROLE \"weak role\" LOGIN PASSWORD 'x'; REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE TABLE t ()",
    );
    let mut settings = server.settings(&database);
    settings.username = "weak role".to_owned();
    let weak = engine().open(target(settings, "x")).await.expect("it may log in");
    let capabilities = weak.capabilities().await.expect("capabilities");
    let remedy = |ability| capabilities.iter().find(|one| one.ability == ability).map(|one| one.remedy.as_str());
    assert_eq!(remedy(Ability::Migrate), Some("GRANT CREATE ON SCHEMA public TO \"weak role\""));
    assert_eq!(remedy(Ability::Restore), Some("ALTER ROLE \"weak role\" CREATEDB"));
    assert_eq!(remedy(Ability::Sessions), Some("GRANT pg_monitor TO \"weak role\""));
    assert!(remedy(Ability::Backup).expect("backup").starts_with("GRANT "));
    // The remedies are statements that work.
    for capability in capabilities.iter().filter(|capability| !capability.supported) {
        server.psql(&database, &capability.remedy);
    }
    let mended = weak.capabilities().await.expect("capabilities");
    assert!(mended.iter().all(|capability| capability.supported), "{mended:?}");
}
