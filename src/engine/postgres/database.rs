//! A live PostgreSQL database: its pool, and the lease under which everything of ours is read.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    capability,
    connect::Dialer,
    dump::PostgresDump,
    failure::{self, Place},
    migrate::PostgresMigrate,
    monitor::PostgresMonitor,
    pooler::DirectPlaces,
    source::PostgresSource,
};
use crate::{
    engine::{
        Advise, Database, Describe, Dialect, Dump, EngineOptions, Inspect, InspectObjects, Metrics, Migrate, ReadDdl,
        SampleRows, Sessions, Target,
        session_pool::{PoolOwner, SessionLease, SessionLimits, SessionPool},
    },
    model::{
        Error, Result,
        connection::{Capability, EngineKind, PoolFigures, PoolSettings, PoolerMode, ServerInfo},
    },
};

/// Longest that a query of our own waits for a lock of another session.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the server looks whether the connection of a query that runs is still there, and the first version that does.
const CALLER_CHECK: Duration = Duration::from_millis(500);
const FIRST_TO_WATCH: u32 = 14;
/// Enough to sort the columns of 10,000 tables in memory.
const WORK_MEMORY: &str = "32MB";
/// Connections of the pool that metrics and sessions are read on.
const MONITOR_CONNECTIONS: u32 = 2;
/// A monitoring query is of no use later than this.
const MONITOR_STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// A live database.
pub(super) struct PostgresDatabase {
    server: ServerInfo,
    dialer: Dialer,
    limits: SessionLimits,
    leases: Arc<Leases>,
    migrate: PostgresMigrate,
    dump: PostgresDump,
    monitor: PostgresMonitor,
}

impl PostgresDatabase {
    pub(super) async fn open(target: Target, options: &EngineOptions, direct: &DirectPlaces) -> Result<Self> {
        let dialer = Dialer::new(&target, options)?;
        let source = PostgresSource::new(dialer.clone());
        let owner = PoolOwner::new(&target.account, target.connection.as_ref());
        let settings = &target.settings.pool;
        let pool = SessionPool::new(source.clone(), &owner, settings.clone(), &options.sessions);
        let gate = options.sessions.gates.enter(&dialer.place.host, dialer.place.port).await;
        let began = Instant::now();
        let mut first = dialer.dial_at_gate().await?;
        let took = began.elapsed();
        let (mut server, backend_age) = dialer.server_info(&mut first).await?;
        server.pooler = direct.look(&dialer, &mut first, &server, backend_age, began.elapsed()).await?;
        drop(gate);
        pool.adopt(first, took).await;
        let monitor_settings = PoolSettings { max_connections: MONITOR_CONNECTIONS, min_idle: 0, ..settings.clone() };
        let monitor = SessionPool::aside(source, monitor_settings, &options.sessions);
        let monitor_timeout = settings.statement_timeout.min(MONITOR_STATEMENT_TIMEOUT);
        let leases = Arc::new(Leases::new(pool, &dialer, settings.statement_timeout, &server));
        Ok(Self {
            dialer: dialer.clone(),
            limits: options.sessions.clone(),
            migrate: PostgresMigrate::new(dialer.clone(), leases.clone(), server.pooler),
            dump: PostgresDump::new(dialer.clone(), leases.clone(), server.clone(), options),
            monitor: PostgresMonitor::new(Leases::new(monitor, &dialer, monitor_timeout, &server), server.clone()),
            leases,
            server,
        })
    }

    pub(super) fn leases(&self) -> &Leases {
        &self.leases
    }

    /// What the dials of this database are counted with.
    pub(super) fn limits(&self) -> &SessionLimits {
        &self.limits
    }

    pub(super) fn dialer(&self) -> &Dialer {
        &self.dialer
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
        self.leases.pool().figures()
    }

    async fn close(&self) {
        tokio::join!(self.leases.pool().close(), self.monitor.pool().close());
    }

    async fn tend(&self) {
        tokio::join!(self.leases.pool().tend(), self.monitor.pool().tend());
    }

    async fn capabilities(&self) -> Result<Vec<Capability>> {
        capability::read(&self.leases, &self.dump, self.server.pooler).await
    }

    fn inspect(&self) -> Option<&dyn Inspect> {
        Some(self)
    }

    fn inspect_objects(&self) -> Option<&dyn InspectObjects> {
        Some(self)
    }

    fn read_ddl(&self) -> Option<&dyn ReadDdl> {
        Some(self)
    }

    fn sample_rows(&self) -> Option<&dyn SampleRows> {
        Some(self)
    }

    fn advise(&self) -> Option<&dyn Advise> {
        Some(self)
    }

    fn dialect(&self) -> Option<&'static dyn Dialect> {
        Some(&super::dialect::PostgresDialect)
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

/// A pool whose leases are read-only transactions.
pub(super) struct Leases {
    pool: SessionPool<PostgresSource>,
    place: Place,
    statement_timeout: Duration,
    keeps_statements: bool,
    version: u32,
}

impl Leases {
    fn new(
        pool: SessionPool<PostgresSource>,
        dialer: &Dialer,
        statement_timeout: Duration,
        server: &ServerInfo,
    ) -> Self {
        let keeps_statements = server.pooler != Some(PoolerMode::Transaction);
        let version = server.version_number.0;
        Self { pool, place: dialer.place.clone(), statement_timeout, keeps_statements, version }
    }

    /// Begins a read-only transaction on one snapshot, with time-outs, in which names come back qualified. A catalog of
    /// thousands of tables makes the planner compile the query and call workers: both cost more than they save, for the
    /// query is short and a worker has none of the descriptions of tables that this session has in memory.
    ///
    /// What it sets ends with the transaction, and what runs in it is fixed text over the catalog: a session needs no reset.
    pub(super) async fn begin(&self) -> Result<ReadTransaction<'_>> {
        let mut transaction = ReadTransaction {
            lease: self.pool.acquire().await?,
            place: &self.place,
            keeps_statements: self.keeps_statements,
            version: self.version,
        };
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path TO pg_catalog; \
             SET LOCAL jit TO off; SET LOCAL max_parallel_workers_per_gather TO 0; SET LOCAL work_mem TO '{WORK_MEMORY}'; \
             SET LOCAL lock_timeout TO {}; SET LOCAL statement_timeout TO {}{}",
            LOCK_TIMEOUT.as_millis(),
            self.statement_timeout.as_millis(),
            self.watch_for_callers()
        );
        transaction.execute(begin).await?;
        Ok(transaction)
    }

    /// A caller who goes away drops the transaction, which closes its connection. A server looks for that only where it is told
    /// to, and would run the query to its end; before PostgreSQL 14 it cannot be told.
    fn watch_for_callers(&self) -> String {
        if self.version < FIRST_TO_WATCH {
            return String::new();
        }
        format!("; SET LOCAL client_connection_check_interval TO {}", CALLER_CHECK.as_millis())
    }

    pub(super) fn pool(&self) -> &SessionPool<PostgresSource> {
        &self.pool
    }
}

/// A lease with an open read-only transaction. Its connection goes back to the pool only after a commit: when the
/// caller's future is dropped half-way, the connection is closed, for nobody knows what the server still sends on it.
pub(super) struct ReadTransaction<'a> {
    lease: SessionLease<PostgresSource>,
    place: &'a Place,
    keeps_statements: bool,
    version: u32,
}

impl ReadTransaction<'_> {
    /// Names an error of this connection.
    pub(super) fn failure(&self, error: sqlx::Error) -> Error {
        failure::classify(error, self.place)
    }

    /// Whether prepared statements stay with the session. Where a pooler lends it out by transaction, one would meet
    /// another of the same name.
    pub(super) fn keeps_statements(&self) -> bool {
        self.keeps_statements
    }

    /// Major version of the server.
    pub(super) fn version(&self) -> u32 {
        self.version
    }

    /// The user whom the session is of.
    pub(super) fn username(&self) -> &str {
        &self.place.username
    }

    /// Says that code of the database's users is about to run, which can leave anything behind in the session.
    pub(super) fn soil(&mut self) {
        self.lease.soil();
    }

    /// The connection, to run queries on.
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.lease
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
        self.lease.give_back().await;
        Ok(())
    }
}
