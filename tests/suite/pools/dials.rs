//! Dials to one host at one time: those beside the pools count as well.

use std::{sync::Arc, time::Duration};

use dbkeeper::{
    engine::{Database, Engine, Target, mysql::MysqlEngine, postgres::PostgresEngine},
    model::{OperationId, connection::ConnectionSettings, migration::MigrationLimits},
};
use futures::{
    FutureExt,
    future::{LocalBoxFuture, join_all},
};
use tokio_util::sync::CancellationToken;

use super::{options, postgres_target};
use crate::harness::{
    gateway::{Gateway, Mode},
    mariadb::MariadbServer,
    postgres::PostgresServer,
    server::in_time,
};

fn behind(gateway: &Gateway, settings: ConnectionSettings) -> ConnectionSettings {
    ConnectionSettings { host: "127.0.0.1".to_owned(), port: gateway.port(), ..settings }
}

/// Everything of a database that dials, many times at once, while nobody lets it in.
async fn knock(engine: Arc<dyn Engine>, target: impl Fn() -> Target, gateway: &Gateway) {
    let opened: Arc<dyn Database> = in_time(engine.open(target())).await.unwrap();
    gateway.turn(Mode::Hangup(Duration::from_millis(50)));
    let migrate = opened.require_migrate().unwrap();
    let (limits, password) = (MigrationLimits::default(), "new".into());
    let mut callers: Vec<LocalBoxFuture<'_, bool>> = Vec::new();
    for _ in 0..500 {
        callers.push(async { migrate.history().await.is_err() }.boxed_local());
    }
    for _ in 0..8 {
        let run =
            async { migrate.begin_run(&OperationId::generate(), &limits, CancellationToken::new()).await.is_err() };
        let change = async { engine.change_password(&target(), &password).await.is_err() };
        callers.push(run.boxed_local());
        callers.push(async { migrate.end_run(&OperationId::generate()).await.is_err() }.boxed_local());
        callers.push(async { opened.require_dump().unwrap().count_rows("x").await.is_err() }.boxed_local());
        callers.push(change.boxed_local());
    }
    let failed = in_time(join_all(callers)).await;
    assert!(failed.iter().all(|failed| *failed));
    assert_eq!(gateway.most_at_once(), 5, "of {}", gateway.taken());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_dials_postgresql_waits_for_its_turn() {
    let server = PostgresServer::shared();
    let gateway = Gateway::start(server.port()).await;
    let target = || postgres_target(behind(&gateway, server.settings("postgres")));
    knock(Arc::new(PostgresEngine::new(options())), target, &gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_dials_mariadb_waits_for_its_turn() {
    let server = MariadbServer::shared();
    let gateway = Gateway::start(server.port()).await;
    let target = || server.target_of(behind(&gateway, server.settings("mysql")));
    knock(Arc::new(MysqlEngine::new(options())), target, &gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_reads_of_the_history_share_the_sessions_of_the_pool() {
    let server = PostgresServer::shared();
    let database = server.create_database();
    let gateway = Gateway::start(server.port()).await;
    let mut settings = behind(&gateway, server.settings(&database));
    settings.pool.max_connections = 4;
    settings.pool.acquire_timeout = Duration::from_secs(60);
    let opened = in_time(PostgresEngine::new(options()).open(postgres_target(settings))).await.unwrap();
    // The session that the pool keeps, and the one that a pooler was looked for with.
    assert!(gateway.taken() <= 2, "{} dials", gateway.taken());
    let reads = join_all((0..500).map(|_| async { opened.require_migrate().unwrap().history().await.unwrap().len() }));
    assert_eq!(in_time(reads).await, [0; 500]);
    assert!(gateway.taken() <= 5, "{} dials", gateway.taken());

    // The history of a database without a schema public stands in the first of the user's own search path.
    server.psql(
        &database,
        "DROP SCHEMA public; CREATE SCHEMA app; CREATE TABLE app.dbkeeper_migrations (migration_set text, version text, \
         title text, checksum text, applied_at timestamptz, duration_us bigint, direction text, statements_done int, \
         statements_total int, statement_open boolean, fingerprint text); \
         INSERT INTO app.dbkeeper_migrations VALUES ('app', '1', 'a', 'c', now(), 1)",
    );
    server.psql(&database, &format!("ALTER DATABASE {database} SET search_path TO app"));
    let settings = behind(&gateway, server.settings(&database));
    let opened = in_time(PostgresEngine::new(options()).open(postgres_target(settings))).await.unwrap();
    assert_eq!(opened.require_migrate().unwrap().history().await.unwrap().len(), 1);
}
