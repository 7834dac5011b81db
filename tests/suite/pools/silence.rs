//! Sessions that say nothing any more: a caller finds out with one of them, and in the time that it has.

use std::time::Duration;

use dbkeeper::{
    engine::{
        EngineOptions,
        postgres::PostgresSource,
        session_pool::{PoolOwner, SessionLimits, SessionPool},
    },
    model::connection::PoolSettings,
};

use super::{account, options, postgres_target};
use crate::harness::{
    gateway::{Gateway, Mode},
    postgres::PostgresServer,
    server::in_time,
};

const SESSIONS: u32 = 4;

/// A pool whose sessions are all idle, and whose host has just fallen silent.
async fn fallen_silent(gateway: &Gateway, acquire_timeout: Duration) -> SessionPool<PostgresSource> {
    let server = PostgresServer::shared();
    let mut settings = server.settings("postgres");
    settings.host = "127.0.0.1".to_owned();
    settings.port = gateway.port();
    let options = EngineOptions { dial_timeout: Duration::from_secs(2), ..options() };
    let source = PostgresSource::of(&postgres_target(settings), &options).unwrap();
    let settings = PoolSettings { max_connections: SESSIONS, acquire_timeout, ..PoolSettings::default() };
    let pool = SessionPool::new(source, &PoolOwner::new(&account(), None), settings, &SessionLimits::default());
    let mut leases = Vec::new();
    for _ in 0..SESSIONS {
        leases.push(in_time(pool.acquire()).await.unwrap());
    }
    for lease in leases {
        lease.give_back().await;
    }
    assert_eq!(pool.figures().idle, SESSIONS);
    gateway.turn(Mode::Held);
    in_time(async {
        while gateway.held() < SESSIONS as usize {
            tokio::task::yield_now().await;
        }
    })
    .await;
    pool
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_asks_one_silent_session_and_the_others_are_closed() {
    let gateway = Gateway::start(PostgresServer::shared().port()).await;
    let pool = fallen_silent(&gateway, Duration::from_secs(60)).await;
    assert!(in_time(pool.acquire()).await.is_err());
    assert_eq!((gateway.asked_in_vain(), pool.figures().idle), (1, 0));

    gateway.turn(Mode::Open);
    in_time(async { while pool.acquire().await.is_err() {} }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_asks_idle_sessions_only_until_its_time_is_over() {
    let gateway = Gateway::start(PostgresServer::shared().port()).await;
    let pool = fallen_silent(&gateway, Duration::from_secs(1)).await;
    assert!(in_time(pool.acquire()).await.is_err());
    // Less time than a session may take proves nothing of the others.
    assert_eq!((gateway.asked_in_vain(), pool.figures().idle), (1, SESSIONS - 1));
}
