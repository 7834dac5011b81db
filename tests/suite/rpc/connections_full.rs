//! Everything about one connection: GetConnection with the full view.

use dbkeeper::grpc::{client::Client, proto::v1};
use v1::Ability;

use super::support::{
    apply, back_up, file, import, migration_set, on_every_engine, register, settings, succeeded, until,
};
use crate::{
    conformance::Fixture,
    harness::{
        gateway::{Gateway, Mode},
        mariadb::MariadbServer,
        pgbouncer::PgBouncer,
        postgres::PostgresServer,
        server::TestServer,
        sqlite::SqliteFolder,
    },
};

async fn full(client: &Client, name: &str) -> (v1::Connection, v1::ConnectionDetails) {
    let request = v1::GetConnectionRequest { name: name.to_owned(), view: v1::ConnectionView::Full.into() };
    let connection = client.connections().get_connection(request).await.unwrap().into_inner();
    let details = connection.details.clone().expect("details");
    (connection, *details)
}

on_every_engine!(the_full_view_tells_tests_backups_migrations_and_capabilities);

async fn the_full_view_tells_tests_backups_migrations_and_capabilities(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    let database = fixture.create_database().await;
    let shop = register(&client, "shop", settings(&fixture.target(&database))).await.name;
    let basic = v1::GetConnectionRequest { name: shop.clone(), ..Default::default() };
    let basic = client.connections().get_connection(basic).await.unwrap().into_inner();
    assert!(basic.details.is_none() && basic.state() == v1::ConnectionState::Untested);

    let (connection, details) = full(&client, &shop).await;
    assert_eq!(connection.state(), v1::ConnectionState::Online, "asking is a look");
    assert!(details.unavailable.is_empty(), "{:?}", details.unavailable);
    let pool = details.pool.unwrap();
    assert!(pool.open && pool.max_connections == 10 && pool.acquired > 0, "{pool:?}");
    assert_eq!(details.backups.unwrap(), v1::BackupSummary::default());
    assert!(details.last_test.is_none() && details.last_failure.is_none() && details.migrations.is_empty());
    let sqlite = connection.engine() == v1::Engine::Sqlite;
    assert_eq!(details.uptime.is_some(), !sqlite);
    assert_eq!(details.tls.map(|tls| tls.enabled), (!sqlite).then_some(false));
    let capabilities = details.capabilities.unwrap();
    let ability = |ability| capabilities.capabilities.iter().find(|found| found.ability() == ability);
    assert!(ability(Ability::FullTextSearch).unwrap().supported);
    assert!(capabilities.full_text_indexes.is_empty());

    let target = Some(v1::test_connection_request::Target::Name(shop.clone()));
    client.connections().test_connection(v1::TestConnectionRequest { target }).await.unwrap();
    let create = match connection.engine() {
        v1::Engine::Postgresql => {
            "CREATE TABLE t (a TEXT); CREATE INDEX t_words ON t USING gin (to_tsvector('simple', a));"
        }
        v1::Engine::Mysql => "CREATE TABLE t (a TEXT, FULLTEXT INDEX t_words (a));",
        _ => "CREATE VIRTUAL TABLE t_words USING fts5(a);",
    };
    let files = vec![file("1_a.up.sql", create), file("2_b.up.sql", "CREATE TABLE b (id INTEGER);")];
    let set = migration_set(&client, "app", files).await;
    let applied = client.migrations().apply_migrations(apply(&set, &shop)).await.unwrap().into_inner();
    succeeded(&client, applied).await;
    import(&client, &set, vec![file("3_c.up.sql", "CREATE TABLE c (id INTEGER);")]).await.unwrap();
    let backup = back_up(&client, &shop, "first").await;

    let (_, details) = full(&client, &shop).await;
    assert!(details.unavailable.is_empty(), "{:?}", details.unavailable);
    let test = details.last_test.unwrap();
    assert!(test.error.is_none() && test.response_time.is_some() && test.check_time.is_some());
    let backups = details.backups.unwrap();
    assert_eq!((backups.complete_count, backups.total_count, backups.last_backup), (1, 1, backup));
    let history = &details.migrations[0];
    let counted = (history.applied_count, history.incomplete_count, history.pending_count);
    assert_eq!(counted, (2, 0, Some(1)), "{history:?}");
    let named = (history.table.as_str(), history.migration_set.as_str(), history.last_version.as_str());
    assert_eq!(named, ("dbkeeper_migrations", set.as_str(), "2"));
    let indexes = details.capabilities.unwrap().full_text_indexes;
    assert_eq!(indexes.iter().map(|index| index.index.as_str()).collect::<Vec<_>>(), ["t_words"]);
    let request = v1::GetCapabilitiesRequest { connection: shop };
    let told = client.connections().get_capabilities(request).await.unwrap().into_inner();
    assert_eq!(told.full_text_indexes, indexes);
}

/// What is told of TLS where it is checked, and where it is not.
async fn tls_is_told(checked: v1::Connection, ca_pem: &str) {
    let server = TestServer::start().await;
    let client = server.client();
    let tls = |mode: v1::TlsMode, ca_pem: &str| {
        Some(v1::TlsSettings { mode: mode.into(), ca_pem: ca_pem.to_owned(), ..Default::default() })
    };
    let checked = v1::Connection { tls: tls(v1::TlsMode::VerifyFull, ca_pem), ..checked };
    let unchecked = v1::Connection { tls: tls(v1::TlsMode::Required, ""), ..checked.clone() };
    for (id, connection, verified) in [("checked", checked, true), ("unchecked", unchecked, false)] {
        let name = register(&client, id, connection).await.name;
        let (_, details) = full(&client, &name).await;
        assert!(details.unavailable.is_empty(), "{:?}", details.unavailable);
        let tls = details.tls.unwrap();
        assert_eq!((tls.enabled, tls.verified), (true, verified));
        assert!(tls.version.starts_with("TLSv1.") && tls.cipher.len() > 5, "{tls:?}");
        let shown = tls.peer_certificate.expect("a certificate");
        assert_eq!(
            (shown.subject.as_str(), shown.names.as_slice()),
            ("CN=localhost", ["localhost".to_owned()].as_slice())
        );
        assert!(shown.issuer.contains("dbkeeper test CA"), "{shown:?}");
        assert!(shown.expire_time.unwrap().seconds > shown.not_before_time.unwrap().seconds);
        assert_eq!(shown.sha256_fingerprint.len(), 64);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_towards_postgresql_is_told_with_the_certificate() {
    let postgres = PostgresServer::with_tls();
    let target = dbkeeper::engine::Target {
        account: dbkeeper::model::AccountId::from_stored("default".to_owned()),
        connection: None,
        settings: postgres.settings("postgres"),
        credentials: dbkeeper::engine::Credentials { password: postgres.password().into(), client_key_pem: None },
    };
    Box::pin(tls_is_told(settings(&target), &postgres.certificates().ca_pem)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_towards_mariadb_is_told_with_the_certificate() {
    let mariadb = MariadbServer::with_tls();
    let target = mariadb.target("mysql");
    Box::pin(tls_is_told(settings(&target), &mariadb.certificates().ca_pem)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_down_is_told_as_such() {
    let server = TestServer::start().await;
    let client = server.client();
    let postgres = PostgresServer::shared();
    let gateway = Gateway::start(postgres.port()).await;
    let target = crate::conformance::postgres::PostgresFixture::new().target("postgres");
    let connection = v1::Connection { host: "127.0.0.1".to_owned(), port: gateway.port().into(), ..settings(&target) };
    let shop = register(&client, "shop", connection).await.name;
    gateway.turn(Mode::Closed);
    let (connection, details) = full(&client, &shop).await;
    assert_eq!(connection.state(), v1::ConnectionState::Offline);
    assert_eq!(details.unavailable.len(), 1, "{:?}", details.unavailable);
    assert!(
        details.unavailable[0].subject == "database" && details.unavailable[0].reason.contains("cannot be reached")
    );
    assert!(details.tls.is_none() && details.capabilities.is_none() && !details.pool.unwrap().open);
    assert_eq!(details.last_failure.unwrap().error.unwrap().reason, "DATABASE_UNREACHABLE");

    gateway.turn(Mode::Open);
    let (connection, details) = full(&client, &shop).await;
    assert_eq!(connection.state(), v1::ConnectionState::Online);
    assert!(details.unavailable.is_empty() && details.uptime.is_some());
    assert_eq!(details.last_failure.unwrap().error.unwrap().reason, "DATABASE_UNREACHABLE", "it is remembered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_pooler_by_transaction_all_is_told_but_the_migrations() {
    let server = TestServer::start().await;
    let client = server.client();
    let database = PostgresServer::shared().create_database();
    let target = crate::conformance::postgres::PostgresFixture::new().target(&database);
    let pooler = PgBouncer::by_transaction().settings(&database);
    let connection = v1::Connection { host: pooler.host, port: pooler.port.into(), ..settings(&target) };
    register(&client, "copy", connection.clone()).await;
    let replicas = Some(v1::ReplicaSettings { connections: vec!["connections/copy".to_owned()], ..Default::default() });
    let shop = register(&client, "shop", v1::Connection { replicas, ..connection }).await.name;
    // Many at once, so that each client of the pooler meets the sessions of others.
    let calls = (0..20).map(|_| async {
        let (_, details) = full(&client, &shop).await;
        let missing: Vec<_> = details.unavailable.iter().map(|skipped| skipped.subject.as_str()).collect();
        assert_eq!(missing, ["migrations"], "{:?}", details.unavailable);
        // A busy machine may not answer in the time that it has.
        let fault = &details.replicas[0].fault;
        assert!(fault.contains("takes writes of its own") || fault.contains("in time"), "{fault}");
        let request = v1::GetCapabilitiesRequest { connection: shop.clone() };
        let told = client.connections().get_capabilities(request).await.unwrap().into_inner();
        assert_eq!(told.pooler.unwrap().mode(), v1::PoolerMode::Transaction);
        let named: Vec<_> = told.capabilities.iter().map(v1::Capability::ability).collect();
        assert_eq!(named.len(), 8, "{named:?}");
    });
    futures::future::join_all(calls).await;
    until(async || full(&client, &shop).await.1.replicas[0].fault.contains("takes writes of its own")).await;
}

#[tokio::test]
async fn a_view_that_does_not_exist_is_refused() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let shop = register(&client, "shop", settings(&folder.target(&folder.create_database()))).await.name;
    let request = v1::GetConnectionRequest { name: shop, view: 77 };
    let error = client.connections().get_connection(request).await.unwrap_err();
    super::answer::assert_field(&error, "view", "");
}
