//! Reaching a server: TLS in all modes, and each way in which it fails.

use std::{net::TcpListener, time::Duration};

use dbkeeper::{
    engine::{Engine, EngineOptions, mysql::MysqlEngine},
    model::{
        AccountId, Error, Reason,
        connection::{Ability, ConnectionSettings, TlsMode},
    },
};

use super::{engine, open};
use crate::harness::{certificates::Certificates, mariadb::MariadbServer};

async fn probe_error(server: &MariadbServer, change: impl FnOnce(&mut ConnectionSettings)) -> Error {
    let mut settings = server.settings("mysql");
    change(&mut settings);
    engine().probe(&server.target_of(settings)).await.unwrap_err()
}

#[tokio::test]
async fn a_server_without_tls_is_probed_in_clear() {
    let server = MariadbServer::shared();
    let probe = engine().probe(&server.target("mysql")).await.unwrap();
    assert_eq!(probe.server.product, "MariaDB");
    assert!(probe.server.version_number >= (10, 5), "{:?}", probe.server);
    assert!(!probe.server.tls_active);
}

#[tokio::test]
async fn a_server_that_demands_tls_is_probed_in_each_mode() {
    let server = MariadbServer::with_tls();
    for mode in [TlsMode::Required, TlsMode::VerifyCa, TlsMode::VerifyFull] {
        let mut settings = server.settings("mysql");
        settings.tls.mode = mode;
        if mode != TlsMode::Required {
            settings.tls.ca_pem = server.certificates().ca_pem.clone();
        }
        let probe = engine().probe(&server.target_of(settings)).await.unwrap();
        assert!(probe.server.tls_active, "{mode:?}");
    }
    // Before version 11 MariaDB says no more than that access is denied; the cure is named all the same.
    let error = probe_error(server, |settings| settings.tls.mode = TlsMode::Disabled).await;
    assert!(matches!(error.reason(), Reason::TlsRequired | Reason::CredentialsRejected), "{error}");
    assert!(error.message().contains("tls.mode"), "{error}");
}

#[tokio::test]
async fn a_certificate_is_checked_as_far_as_the_mode_says() {
    let server = MariadbServer::with_tls();
    let ca_pem = server.certificates().ca_pem.clone();
    let by_address = |mode| {
        let ca_pem = ca_pem.clone();
        move |settings: &mut ConnectionSettings| {
            settings.host = "127.0.0.1".to_owned();
            settings.tls.mode = mode;
            settings.tls.ca_pem = ca_pem;
        }
    };
    let error = probe_error(server, by_address(TlsMode::VerifyFull)).await;
    assert_eq!(error.reason(), Reason::CertificateInvalid, "{error}");

    let mut settings = server.settings("mysql");
    by_address(TlsMode::VerifyCa)(&mut settings);
    engine().probe(&server.target_of(settings)).await.unwrap();

    let foreign = Certificates::generate().ca_pem;
    let error = probe_error(server, |settings| {
        settings.tls.mode = TlsMode::VerifyCa;
        settings.tls.ca_pem = foreign;
    })
    .await;
    assert_eq!(error.reason(), Reason::CertificateInvalid, "{error}");
}

#[tokio::test]
async fn each_refusal_has_its_reason() {
    let server = MariadbServer::shared();
    let error = probe_error(server, |settings| settings.username = "nobody".to_owned()).await;
    assert_eq!(error.reason(), Reason::CredentialsRejected, "{error}");
    assert_eq!(error.metadata("vendor_code"), Some("1045"));
    assert_eq!(error.metadata("sql_state"), Some("28000"));
    assert!(error.metadata("hint").is_some());

    let error = probe_error(server, |settings| settings.database = "no_such".to_owned()).await;
    assert_eq!(error.reason(), Reason::DatabaseUnknown, "{error}");

    let error = probe_error(server, |settings| settings.host = "no-such-host.invalid".to_owned()).await;
    assert_eq!(error.reason(), Reason::HostUnknown, "{error}");

    let error = probe_error(server, |settings| settings.port = 1).await;
    assert_eq!(error.reason(), Reason::DatabaseUnreachable, "{error}");

    let error = probe_error(server, |settings| settings.tls.mode = TlsMode::Required).await;
    assert_eq!(error.reason(), Reason::TlsUnavailable, "{error}");

    let user = server.fresh_name();
    server.sql("mysql", &format!("CREATE USER {user} IDENTIFIED BY 'x'"));
    let mut target = server.target("mysql");
    target.settings.username = user;
    target.credentials.password = "x".into();
    let error = engine().probe(&target).await.unwrap_err();
    assert_eq!(error.reason(), Reason::PrivilegeMissing, "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let engine = MysqlEngine::new(EngineOptions {
        sqlite_root: std::env::temp_dir(),
        scratch_directory: std::env::temp_dir(),
        reach: dbkeeper::engine::Reach::default(),
        dial_timeout: Duration::from_millis(200),
        tool_directories: Vec::new(),
        sessions: Default::default(),
    });
    let server = MariadbServer::shared();
    let mut settings = server.settings("mysql");
    settings.host = "127.0.0.1".to_owned();
    settings.port = silent.local_addr().unwrap().port();
    let error = engine.probe(&server.target_of(settings)).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ConnectTimeout, "{error}");
}

#[test]
fn settings_that_cannot_work_are_refused_with_their_fields() {
    let account = AccountId::from_stored("default".to_owned());
    let mut settings = MariadbServer::shared().settings("mysql");
    engine().check_settings(&account, &settings).unwrap();
    settings.host = "/run/../mysqld.sock".to_owned();
    settings.port = 0;
    settings.tls.mode = TlsMode::VerifyFull;
    settings.tls.ca_pem = "no certificate".to_owned();
    let error = engine().check_settings(&account, &settings).unwrap_err();
    for field in ["host", "port", "tls.ca_pem"] {
        assert!(error.message().contains(field), "{error}");
    }
}

#[tokio::test]
async fn a_pool_in_full_use_and_a_closed_one_are_told_apart() {
    let server = MariadbServer::shared();
    let mut settings = server.settings("mysql");
    settings.pool.max_connections = 1;
    settings.pool.acquire_timeout = Duration::from_secs(10);
    let database = engine().open(server.target_of(settings)).await.unwrap();
    let info = database.require_inspect().unwrap().database().await.unwrap();
    assert_eq!(info.database, "mysql");
    let figures = database.pool_figures();
    assert_eq!((figures.size, figures.max_connections, figures.acquired), (1, 1, 1));

    database.close().await;
    let error = database.require_inspect().unwrap().database().await.unwrap_err();
    assert_eq!(error.reason(), Reason::DatabaseUnreachable, "{error}");
}

#[tokio::test]
async fn capabilities_tell_what_is_missing_and_the_grant() {
    let server = MariadbServer::shared();
    let name = server.create_database();
    let full = open(&name).await.capabilities().await.unwrap();
    let unsupported: Vec<_> =
        full.iter().filter(|capability| !capability.supported).map(|capability| capability.ability).collect();
    assert_eq!(unsupported, [Ability::TransactionalDdl]);

    let user = server.fresh_name();
    server.sql(&name, &format!("CREATE USER {user} IDENTIFIED BY 'x'; GRANT SELECT ON `{name}`.* TO {user}"));
    let mut target = server.target(&name);
    target.settings.username = user.clone();
    target.credentials.password = "x".into();
    let limited = engine().open(target).await.unwrap().capabilities().await.unwrap();
    let backup = limited.iter().find(|capability| capability.ability == Ability::Backup).unwrap();
    assert!(!backup.supported);
    assert!(backup.remedy.starts_with("GRANT SHOW VIEW, TRIGGER, EVENT ON"), "{backup:?}");
    // The remedy is a statement that the server takes, and it mends.
    server.sql(&name, &backup.remedy);
    let sessions = limited.iter().find(|capability| capability.ability == Ability::Sessions).unwrap();
    assert!(!sessions.supported);
    server.sql(&name, &sessions.remedy);
}
