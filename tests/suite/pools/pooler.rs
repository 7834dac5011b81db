//! PgBouncer in front of PostgreSQL: what it takes away is told before it is lost.

use std::sync::Arc;

use dbkeeper::{
    engine::{Database, Engine},
    model::{
        OperationId, Reason,
        connection::{Ability, ConnectionSettings, PoolerMode},
        migration::MigrationLimits,
        schema::TablePage,
    },
};
use tokio_util::sync::CancellationToken;

use super::postgres_target;
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::{pgbouncer::PgBouncer, postgres::PostgresServer, server::in_time},
};

fn engine() -> Arc<dyn Engine> {
    PostgresFixture::new().engine()
}

async fn open(settings: ConnectionSettings) -> Arc<dyn Database> {
    in_time(engine().open(postgres_target(settings))).await.unwrap()
}

#[tokio::test]
async fn a_pooler_by_transaction_is_told_with_what_is_lost_and_what_to_do() {
    let database = PostgresServer::shared().create_database();
    let pooler = PgBouncer::by_transaction();
    let engine = engine();
    // Twice: the first test meets sessions that are as young as its own dial, the second one sessions of others.
    for _ in 0..2 {
        let probe = in_time(engine.probe(&postgres_target(pooler.settings(&database)))).await.unwrap();
        assert_eq!(probe.server.pooler, Some(PoolerMode::Transaction));
    }
    let opened = open(pooler.settings(&database)).await;
    assert_eq!(opened.server().pooler, Some(PoolerMode::Transaction));
    let capabilities = opened.capabilities().await.unwrap();
    let named: Vec<Ability> = capabilities.iter().map(|capability| capability.ability).collect();
    let direct = open(PostgresServer::shared().settings(&database)).await.capabilities().await.unwrap();
    assert_eq!(named, direct.iter().map(|capability| capability.ability).collect::<Vec<_>>(), "one entry an ability");
    for capability in capabilities {
        let lost = matches!(
            capability.ability,
            Ability::Migrate | Ability::TransactionalDdl | Ability::Backup | Ability::Restore
        );
        assert_eq!(capability.supported, !lost, "{capability:?}");
        assert_eq!(capability.remedy.contains("pool_mode = session"), lost, "{capability:?}");
    }
}

#[tokio::test]
async fn reading_through_a_pooler_by_transaction_works_and_changing_is_refused() {
    let server = PostgresServer::shared();
    let database = server.create_database();
    server.psql(&database, "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int)");
    let opened = open(PgBouncer::by_transaction().settings(&database)).await;
    let reads = (0..20).map(|_| async {
        let inspect = opened.require_inspect().unwrap();
        let list = inspect.list_tables(&Default::default(), &TablePage::first(10)).await.unwrap();
        opened.require_metrics().unwrap().vitals().await.unwrap();
        let facts = opened.require_describe().unwrap();
        assert!(facts.full_text_indexes().await.unwrap().is_empty());
        assert!(!facts.replication().await.unwrap().replica);
        assert!(!facts.transport().await.unwrap().encrypted);
        (list.tables.len(), list.total)
    });
    let seen = in_time(futures::future::join_all(reads)).await;
    assert_eq!(seen, [(2, 2); 20]);

    let (operation, limits) = (OperationId::generate(), MigrationLimits::default());
    let migrate = opened.require_migrate().unwrap();
    let run = migrate.begin_run(&operation, &limits, CancellationToken::new()).await;
    assert_eq!(run.err().unwrap().reason(), Reason::PoolerInBetween);
    assert_eq!(migrate.history().await.err().unwrap().reason(), Reason::PoolerInBetween);
    let error = opened.require_dump().unwrap().plan_dump().await.err().unwrap();
    assert_eq!(error.reason(), Reason::PoolerInBetween);
    assert!(error.metadata("hint").unwrap().contains("pool_mode = session"), "{error:?}");
}

#[tokio::test]
async fn a_pooler_by_session_and_none_at_all_stand_in_nobodys_way() {
    let server = PostgresServer::shared();
    let database = server.create_database();
    for settings in [server.settings(&database), PgBouncer::by_session().settings(&database)] {
        let opened = open(settings).await;
        assert_ne!(opened.server().pooler, Some(PoolerMode::Transaction));
        let run = opened.require_migrate().unwrap();
        let run = run.begin_run(&OperationId::generate(), &MigrationLimits::default(), CancellationToken::new()).await;
        run.unwrap().close().await;
    }
    // The sessions that the pool gave back to the pooler are older than the next dial.
    let settings = PgBouncer::by_session().settings(&database);
    let engine = engine();
    let told = async {
        loop {
            let probe = engine.probe(&postgres_target(settings.clone())).await.unwrap();
            if let Some(mode) = probe.server.pooler {
                return mode;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    assert_eq!(in_time(told).await, PoolerMode::Session);
}
