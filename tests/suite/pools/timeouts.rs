//! `statement_timeout` of a connection ends statements of ours on the server, on each engine.

use std::{fmt::Write, time::Duration};

use dbkeeper::{
    engine::{Engine, Target, mysql::MysqlSource},
    model::Reason,
};

use super::{options, pool_of_one, postgres_target};
use crate::{
    conformance::{Fixture, mariadb::MariadbFixture, postgres::PostgresFixture},
    harness::{mariadb::MariadbServer, postgres::PostgresServer, sqlite::SqliteFolder},
};

/// So short that no walk over a catalog of hundreds of tables ends in it.
const SHORT: Duration = Duration::from_millis(1);
const TABLES: u32 = 400;

fn tables() -> String {
    (0..TABLES).fold(String::new(), |mut sql, number| {
        let _ = write!(sql, "CREATE TABLE t{number} (a INTEGER PRIMARY KEY, b INTEGER); ");
        sql
    })
}

async fn reason(engine: &dyn Engine, target: Target) -> Option<Reason> {
    let database = engine.open(target).await.unwrap();
    let info = database.require_inspect().unwrap().database().await;
    info.err().map(|error| error.reason())
}

#[tokio::test]
async fn postgresql_ends_a_statement_that_takes_too_long() {
    let server = PostgresServer::shared();
    let database = server.create_database();
    server.psql(&database, &tables());
    let fixture = PostgresFixture::new();
    let mut settings = server.settings(&database);
    assert_eq!(reason(&*fixture.engine(), postgres_target(settings.clone())).await, None);
    settings.pool.statement_timeout = SHORT;
    assert_eq!(reason(&*fixture.engine(), postgres_target(settings)).await, Some(Reason::StatementTimeout));
}

#[tokio::test]
async fn mariadb_ends_a_statement_that_takes_too_long() {
    let server = MariadbServer::shared();
    let database = server.create_database();
    server.sql(&database, &tables());
    let fixture = MariadbFixture::new();
    let mut settings = server.settings(&database);
    assert_eq!(reason(&*fixture.engine(), server.target_of(settings.clone())).await, None);
    settings.pool.statement_timeout = SHORT;
    assert_eq!(reason(&*fixture.engine(), server.target_of(settings.clone())).await, Some(Reason::StatementTimeout));

    // Every session of a pool carries it, whatever runs there.
    settings.pool.statement_timeout = Duration::from_millis(200);
    let pool = pool_of_one(MysqlSource::of(&server.target_of(settings), &options()).unwrap());
    let mut lease = pool.acquire().await.unwrap();
    let slow = "SELECT COUNT(*) FROM seq_1_to_10000000 AS a, seq_1_to_10000000 AS b WHERE a.seq + b.seq = 0";
    let error = sqlx::raw_sql(slow).execute(&mut *lease).await.unwrap_err();
    assert!(error.to_string().contains("max_statement_time"), "{error}");
}

#[tokio::test]
async fn sqlite_ends_a_statement_that_takes_too_long() {
    let folder = SqliteFolder::new();
    let database = folder.create_database();
    folder.run(&database, &tables()).await;
    let mut target = folder.target(&database);
    assert_eq!(reason(&*folder.engine(), folder.target(&database)).await, None);
    target.settings.pool.statement_timeout = Duration::from_micros(1);
    assert_eq!(reason(&*folder.engine(), target).await, Some(Reason::StatementTimeout));
}
