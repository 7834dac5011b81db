//! A live PostgreSQL database: its pool, and the lease under which everything of ours is read.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres, pool::PoolConnection, postgres::PgPoolOptions};
use tokio::sync::OnceCell;

use super::{
    capability, connect::Dialer, dump::PostgresDump, failure, migrate::PostgresMigrate, monitor::PostgresMonitor,
};
use crate::{
    engine::{Database, Describe, Dump, EngineOptions, Inspect, Metrics, Migrate, Sessions, Target, meter::LeaseMeter},
    model::{
        Detail, Error, Reason, Result,
        connection::{Capability, EngineKind, PoolFigures, PoolSettings, ServerInfo},
    },
};

/// Longest that a query of our own waits for a lock of another session.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// Enough to sort the columns of 10,000 tables in memory.
const WORK_MEMORY: &str = "32MB";
/// Connections of the pool that metrics and sessions are read on.
const MONITOR_CONNECTIONS: u32 = 2;
/// A monitoring query is of no use later than this.
const MONITOR_STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// A live database.
pub(super) struct PostgresDatabase {
    server: ServerInfo,
    leases: Leases,
    migrate: PostgresMigrate,
    dump: PostgresDump,
    monitor: PostgresMonitor,
}

impl PostgresDatabase {
    pub(super) async fn open(target: Target, options: &EngineOptions) -> Result<Self> {
        let dialer = Dialer::new(&target, options)?;
        let mut first = dialer.dial().await?;
        let server = dialer.server_info(&mut first).await?;
        // The pool dials its own connections; a failed good-bye of this one changes nothing.
        let _ = sqlx::Connection::close(first).await;
        let settings = &target.settings.pool;
        let monitor_settings = PoolSettings {
            max_connections: MONITOR_CONNECTIONS,
            min_idle: 0,
            statement_timeout: settings.statement_timeout.min(MONITOR_STATEMENT_TIMEOUT),
            ..settings.clone()
        };
        Ok(Self {
            leases: Leases::new(dialer.clone(), settings.clone()),
            migrate: PostgresMigrate::new(dialer.clone()),
            dump: PostgresDump::new(dialer.clone(), server.clone(), options),
            monitor: PostgresMonitor::new(Leases::new(dialer, monitor_settings), server.clone()),
            server,
        })
    }

    pub(super) fn leases(&self) -> &Leases {
        &self.leases
    }

    pub(super) fn dialer(&self) -> &Dialer {
        &self.leases.dialer
    }
}

#[async_trait]
impl Database for PostgresDatabase {
    fn kind(&self) -> EngineKind {
        EngineKind::Postgresql
    }

    fn server(&self) -> &ServerInfo {
        &self.server
    }

    fn pool_figures(&self) -> PoolFigures {
        self.leases.figures()
    }

    async fn close(&self) {
        tokio::join!(self.leases.close(), self.monitor.close());
    }

    async fn capabilities(&self) -> Result<Vec<Capability>> {
        capability::read(&self.leases, &self.dump).await
    }

    fn inspect(&self) -> Option<&dyn Inspect> {
        Some(self)
    }

    fn migrate(&self) -> Option<&dyn Migrate> {
        Some(&self.migrate)
    }

    fn dump(&self) -> Option<&dyn Dump> {
        Some(&self.dump)
    }

    fn metrics(&self) -> Option<&dyn Metrics> {
        Some(&self.monitor)
    }

    fn sessions(&self) -> Option<&dyn Sessions> {
        Some(&self.monitor)
    }

    fn describe(&self) -> Option<&dyn Describe> {
        Some(self)
    }
}

/// A pool whose leases are read-only transactions. It is made at the first lease.
pub(super) struct Leases {
    dialer: Dialer,
    settings: PoolSettings,
    pool: OnceCell<PgPool>,
    meter: LeaseMeter,
}

impl Leases {
    fn new(dialer: Dialer, settings: PoolSettings) -> Self {
        Self { dialer, settings, pool: OnceCell::new(), meter: LeaseMeter::default() }
    }

    /// Begins a read-only transaction on one snapshot, with time-outs, in which names come back qualified. A catalog of
    /// thousands of tables makes the planner compile the query and call workers: both cost more than they save, for the
    /// query is short and a worker has none of the descriptions of tables that this session has in memory.
    pub(super) async fn begin(&self) -> Result<ReadTransaction<'_>> {
        let pool = self.pool.get_or_init(|| async { self.make_pool() }).await;
        let began = Instant::now();
        let lease = match self.meter.acquire(pool.acquire()).await {
            Ok(lease) => lease,
            Err(sqlx::Error::PoolTimedOut) => return Err(self.timed_out(pool).await),
            Err(error) => return Err(self.dialer.explain(error, began)),
        };
        let mut transaction = ReadTransaction { lease: Some(lease), dialer: &self.dialer };
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path TO pg_catalog; \
             SET LOCAL jit TO off; SET LOCAL max_parallel_workers_per_gather TO 0; SET LOCAL work_mem TO '{WORK_MEMORY}'; \
             SET LOCAL lock_timeout TO {}; SET LOCAL statement_timeout TO {}",
            LOCK_TIMEOUT.as_millis(),
            self.settings.statement_timeout.as_millis()
        );
        transaction.execute(begin).await?;
        Ok(transaction)
    }

    pub(super) fn figures(&self) -> PoolFigures {
        let pool = self.pool.get();
        PoolFigures {
            size: pool.map_or(0, PgPool::size),
            idle: pool.map_or(0, |pool| u32::try_from(pool.num_idle()).unwrap_or(u32::MAX)),
            waiting: self.meter.waiting(),
            max_connections: self.settings.max_connections,
            acquired: self.meter.acquired(),
            timed_out: self.meter.timed_out(),
            wait_time: self.meter.wait_time(),
        }
    }

    pub(super) async fn close(&self) {
        // A pool that nobody used is made only to be closed, so that a later lease fails as it must.
        self.pool.get_or_init(|| async { self.make_pool() }).await.close().await;
    }

    fn make_pool(&self) -> PgPool {
        let max_lifetime = self.settings.max_lifetime;
        PgPoolOptions::new()
            .max_connections(self.settings.max_connections)
            .min_connections(self.settings.min_idle)
            .acquire_timeout(self.settings.acquire_timeout)
            .idle_timeout(self.settings.idle_timeout)
            .max_lifetime(max_lifetime)
            // Connections that were made together must not all end together.
            .after_release(move |_, facts| Box::pin(async move { Ok(facts.age < shortened(max_lifetime)) }))
            .connect_lazy_with(self.dialer.options())
    }

    /// The pool waits just as long for a server that is gone as for a busy one: one dial tells them apart.
    async fn timed_out(&self, pool: &PgPool) -> Error {
        if pool.size() < self.settings.max_connections
            && let Err(error) = self.dialer.dial().await
        {
            return error;
        }
        let figures = self.figures();
        let text = format!(
            "no connection of the pool came free within {:?}: {} of {} are open, {} idle, {} callers wait; \
             try again, or raise pool.max_connections",
            self.settings.acquire_timeout, figures.size, figures.max_connections, figures.idle, figures.waiting
        );
        Error::new(Reason::PoolExhausted, text)
            .with(Detail::RetryAfter(Duration::from_secs(1)))
            .with(Detail::Quota {
                subject: "pool.max_connections".to_owned(),
                description: format!("{} of {} connections in use", figures.size, figures.max_connections),
            })
            .with_metadata("pool_size", figures.size.to_string())
            .with_metadata("pool_idle", figures.idle.to_string())
            .with_metadata("pool_waiting", figures.waiting.to_string())
            .with_metadata("pool_max_connections", figures.max_connections.to_string())
    }
}

/// The lifetime less up to a tenth of it.
fn shortened(lifetime: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 1000;
    lifetime.mul_f64(1.0 - 0.0001 * f64::from(u32::try_from(random).unwrap_or(0)))
}

/// A lease with an open read-only transaction. Its connection goes back to the pool only after a commit: when the
/// caller's future is dropped half-way, the connection is closed, for nobody knows what the server still sends on it.
pub(super) struct ReadTransaction<'a> {
    lease: Option<PoolConnection<Postgres>>,
    dialer: &'a Dialer,
}

impl ReadTransaction<'_> {
    /// Names an error of this connection.
    pub(super) fn failure(&self, error: sqlx::Error) -> Error {
        failure::classify(error, &self.dialer.place)
    }

    /// The connection, to run queries on.
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        #[expect(clippy::expect_used, reason = "the lease is taken by commit and drop only, which consume self")]
        self.lease.as_mut().expect("a transaction has its lease until it ends")
    }

    /// Runs SQL of our own that returns nothing.
    pub(super) async fn execute(&mut self, sql: String) -> Result<()> {
        match sqlx::raw_sql(AssertSqlSafe(sql)).execute(self.connection()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failure(error)),
        }
    }

    /// Ends the transaction and gives the connection back.
    pub(super) async fn commit(mut self) -> Result<()> {
        self.execute("COMMIT".to_owned()).await?;
        drop(self.lease.take());
        Ok(())
    }
}

impl Drop for ReadTransaction<'_> {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            drop(lease.detach());
        }
    }
}
