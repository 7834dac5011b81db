//! What the flood of one account costs another, and what TestConnection costs beside the driver alone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use dbkeeper::{
    engine::{
        Credentials, EngineOptions, Reach, Target as DatabaseTarget,
        postgres::PostgresSource,
        session_pool::{PoolOwner, SessionCaps, SessionLimits, SessionPool},
    },
    grpc::proto::v1,
    model::{AccountId, connection::PoolSettings},
};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use crate::{
    harness::postgres::{PostgresServer, SUPERUSER},
    report::{Figure, Target, Times},
    server::Server,
};

const ROUNDS: usize = 5;
/// Connections that the server may open in all, and one account may have all of them.
const CONNECTIONS: u32 = 20;
/// Callers of the flood.
const FLOOD: usize = 200;
/// Each holds its connection for so long; asleep, for what is measured is the queue and not the processor.
const FLOOD_WORK: &str = "SELECT pg_sleep(0.05)";
/// Calls of the other account in a round.
const CALLS: usize = 400;
const TESTS: usize = 40;

pub(crate) async fn measure() -> Vec<Figure> {
    vec![fairness().await, test_connection().await]
}

async fn fairness() -> Figure {
    let limits = SessionLimits::new(SessionCaps { server: CONNECTIONS, account: CONNECTIONS }, TaskTracker::new());
    let database = PostgresServer::shared().create_database();
    let (flood, other) = (Arc::new(pool("flood", &database, &limits)), pool("other", &database, &limits));
    let (mut alone, mut flooded) = (Times::default(), Times::default());
    for _ in 0..ROUNDS {
        alone.push(p99(&other).await);
        let stop = Arc::new(AtomicBool::new(false));
        // Tasks of their own, as calls are in the server: in one task all would wait for the turn of each.
        let callers: JoinSet<()> = (0..FLOOD).map(|_| flood_until(flood.clone(), stop.clone())).collect();
        while flood.figures().waiting < CONNECTIONS {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        flooded.push(p99(&other).await);
        stop.store(true, Ordering::Relaxed);
        callers.join_all().await;
    }
    alone.print("p99, nobody else");
    flooded.print("p99, another floods");
    let target = Target::AtMost(2.0);
    Figure::of_times("Another account's flood: p99 of a small one", flooded.best(), alone.best(), target)
}

async fn flood_until(pool: Arc<SessionPool<PostgresSource>>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        let mut lease = pool.acquire().await.expect("its turn comes");
        sqlx::raw_sql(FLOOD_WORK).execute(&mut *lease).await.expect("it sleeps");
        lease.give_back().await;
    }
}

fn pool(account: &str, database: &str, limits: &SessionLimits) -> SessionPool<PostgresSource> {
    let server = PostgresServer::shared();
    let account = AccountId::parse(account, "account").expect("an id");
    let target = DatabaseTarget {
        account: account.clone(),
        connection: None,
        settings: server.settings(database),
        credentials: Credentials { password: server.password().to_owned().into(), client_key_pem: None },
    };
    let settings =
        PoolSettings { max_connections: 100, acquire_timeout: Duration::from_secs(60), ..PoolSettings::default() };
    let options = EngineOptions {
        reach: Reach::default(),
        sqlite_root: std::env::temp_dir(),
        scratch_directory: std::env::temp_dir(),
        dial_timeout: Duration::from_secs(10),
        tool_directories: Vec::new(),
        sessions: limits.clone(),
    };
    let source = PostgresSource::of(&target, &options).expect("the settings are right");
    SessionPool::new(source, &PoolOwner::new(&account, None), settings, limits)
}

async fn p99(pool: &SessionPool<PostgresSource>) -> Duration {
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let began = Instant::now();
        let mut lease = pool.acquire().await.expect("its turn comes");
        sqlx::raw_sql("SELECT 1").execute(&mut *lease).await.expect("an answer");
        lease.give_back().await;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    times[CALLS * 99 / 100]
}

async fn test_connection() -> Figure {
    let database = PostgresServer::shared().create_database();
    let server = Server::start().await;
    let name = server.register("tested", &database).await.name;
    let mut client = server.client().connections();
    let postgres = PostgresServer::shared();
    let options = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(postgres.port())
        .username(SUPERUSER)
        .password(postgres.password())
        .database(&database);
    let (mut subject, mut peer) = (Times::default(), Times::default());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for _ in 0..TESTS {
            let mut connection = PgConnection::connect_with(&options).await.expect("the server lets us in");
            connection.ping().await.expect("the server answers");
            connection.close().await.expect("the server takes the good-bye");
        }
        peer.push(began.elapsed());
        let began = Instant::now();
        for _ in 0..TESTS {
            let target = Some(v1::test_connection_request::Target::Name(name.clone()));
            let tested = client.test_connection(v1::TestConnectionRequest { target }).await.expect("an answer");
            assert!(tested.get_ref().connected, "{tested:?}");
        }
        subject.push(began.elapsed());
    }
    subject.print("TestConnection");
    peer.print("driver: connect, ping, close");
    let target = Target::AtMost(1.3);
    Figure::of_times("40 TestConnection, times the driver alone", subject.best(), peer.best(), target)
}
