//! A live database: its pool, and a small one beside it for monitoring.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, Hasher, RandomState},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use sqlx::{
    MySql, MySqlPool,
    mysql::MySqlPoolOptions,
    pool::{PoolConnection, PoolConnectionMetadata},
};

use super::{capability, connect, connect::Connector, error, monitor::KnownStart, server::Server};
use crate::{
    engine::{Database, Describe, Dump, EngineOptions, Inspect, Metrics, Migrate, Sessions, Target, meter::LeaseMeter},
    model::{
        Error, Result,
        connection::{Capability, ConnectionSettings, EngineKind, PoolFigures, PoolSettings, ServerInfo},
    },
};

/// Longest that a catalog query waits for a lock of another.
const CATALOG_LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// Monitoring connections of one database.
const MONITOR_CONNECTIONS: u32 = 2;

/// Ids of the sessions that the pools opened, to tell our own from those of others.
#[derive(Clone, Default)]
pub(super) struct OwnSessions(Arc<Mutex<BTreeSet<u64>>>);

impl OwnSessions {
    fn add(&self, session: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(session);
    }

    /// Which of the sessions that exist are ours. Ids of closed ones are forgotten here, so that the set stays small.
    pub(super) fn among(&self, existing: &BTreeSet<u64>) -> BTreeSet<u64> {
        let mut own = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        own.retain(|session| existing.contains(session));
        own.clone()
    }
}

/// A live MySQL or MariaDB database.
pub(super) struct MysqlDatabase {
    pub(super) connector: Connector,
    pub(super) server: Server,
    pub(super) tool_directories: Vec<PathBuf>,
    pub(super) own_sessions: OwnSessions,
    pub(super) known_start: KnownStart,
    pool: MySqlPool,
    monitor: MySqlPool,
    meter: LeaseMeter,
}

impl MysqlDatabase {
    /// Dials once, so that what is wrong shows here, and makes the pools, which dial when they are used.
    pub(super) async fn open(options: &EngineOptions, target: Target) -> Result<Self> {
        let connector = Connector::new(&target, options)?;
        let (connection, server) = connector.dial().await?;
        let _ = sqlx::Connection::close(connection).await;

        let own_sessions = OwnSessions::default();
        let settings = connector.settings.pool.clone();
        let pool = pool_options(&settings, own_sessions.clone()).connect_lazy_with(connector.options());
        let monitor_settings = PoolSettings { max_connections: MONITOR_CONNECTIONS, min_idle: 0, ..settings };
        let monitor = pool_options(&monitor_settings, own_sessions.clone()).connect_lazy_with(connector.options());
        Ok(Self {
            connector,
            server,
            tool_directories: options.tool_directories.clone(),
            own_sessions,
            known_start: KnownStart::default(),
            pool,
            monitor,
            meter: LeaseMeter::default(),
        })
    }

    pub(super) fn settings(&self) -> &ConnectionSettings {
        &self.connector.settings
    }

    /// A session of the pool.
    pub(super) async fn lease(&self) -> Result<PoolConnection<MySql>> {
        let began = Instant::now();
        let outcome = self.meter.acquire(self.pool.acquire()).await;
        self.explain(&self.pool, self.settings().pool.max_connections, outcome, began).await
    }

    /// A session for monitoring, which a busy pool cannot block.
    pub(super) async fn monitor_lease(&self) -> Result<PoolConnection<MySql>> {
        let began = Instant::now();
        let outcome = self.monitor.acquire().await;
        self.explain(&self.monitor, MONITOR_CONNECTIONS, outcome, began).await
    }

    /// The driver repeats refused calls until the wait is over and then says "timed out", as for a pool in full use.
    /// Where the pool had room, one call of our own finds out what is wrong.
    async fn explain(
        &self,
        pool: &MySqlPool,
        cap: u32,
        outcome: Result<PoolConnection<MySql>, sqlx::Error>,
        began: Instant,
    ) -> Result<PoolConnection<MySql>> {
        let error = match outcome {
            Ok(lease) => return Ok(lease),
            Err(error) => error,
        };
        if matches!(error, sqlx::Error::PoolTimedOut) && pool.size() < cap {
            let (connection, _) = self.connector.dial().await?;
            let _ = sqlx::Connection::close(connection).await;
        }
        Err(match error {
            error @ (sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => self.failed(error),
            error => self.connector.explain(error, began),
        })
    }

    /// The statement that gives our user a privilege on the whole server.
    pub(super) fn grant(&self, privilege: &str) -> String {
        self.grant_on(privilege, "*.*")
    }

    /// The statement that gives our user a privilege on some objects.
    pub(super) fn grant_on(&self, privilege: &str, objects: &str) -> String {
        format!("GRANT {privilege} ON {objects} TO '{}'@'%';", self.settings().username.replace('\'', "''"))
    }

    /// Words an error of a query.
    pub(super) fn failed(&self, error: sqlx::Error) -> Error {
        error::while_using(error, self.settings())
    }
}

fn pool_options(settings: &PoolSettings, own_sessions: OwnSessions) -> MySqlPoolOptions {
    let statement_timeout = settings.statement_timeout;
    let max_lifetime = settings.max_lifetime;
    MySqlPoolOptions::new()
        .max_connections(settings.max_connections)
        .min_connections(settings.min_idle)
        .acquire_timeout(settings.acquire_timeout)
        .idle_timeout(settings.idle_timeout)
        .max_lifetime(max_lifetime)
        .after_connect(move |connection, _| {
            let own_sessions = own_sessions.clone();
            Box::pin(async move {
                let server = connect::set_up(connection).await?;
                own_sessions.add(server.session);
                connect::limit(connection, &server, statement_timeout, CATALOG_LOCK_TIMEOUT).await
            })
        })
        .after_release(move |_, metadata: PoolConnectionMetadata| {
            Box::pin(async move { Ok(metadata.age < jittered(max_lifetime)) })
        })
}

/// Connections that were made together must not all end together: each ends up to a tenth of its life early.
fn jittered(lifetime: Duration) -> Duration {
    let share = (RandomState::new().build_hasher().finish() % 1000) as u32;
    lifetime - lifetime / 10 * share / 1000
}

#[async_trait]
impl Database for MysqlDatabase {
    fn kind(&self) -> EngineKind {
        EngineKind::Mysql
    }

    fn server(&self) -> &ServerInfo {
        &self.server.info
    }

    fn pool_figures(&self) -> PoolFigures {
        PoolFigures {
            size: self.pool.size(),
            idle: u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX),
            waiting: self.meter.waiting(),
            max_connections: self.settings().pool.max_connections,
            acquired: self.meter.acquired(),
            timed_out: self.meter.timed_out(),
            wait_time: self.meter.wait_time(),
        }
    }

    async fn close(&self) {
        tokio::join!(self.pool.close(), self.monitor.close());
    }

    async fn capabilities(&self) -> Result<Vec<Capability>> {
        capability::list(self).await
    }

    fn inspect(&self) -> Option<&dyn Inspect> {
        Some(self)
    }

    fn migrate(&self) -> Option<&dyn Migrate> {
        Some(self)
    }

    fn dump(&self) -> Option<&dyn Dump> {
        Some(self)
    }

    fn metrics(&self) -> Option<&dyn Metrics> {
        Some(self)
    }

    fn sessions(&self) -> Option<&dyn Sessions> {
        Some(self)
    }

    fn describe(&self) -> Option<&dyn Describe> {
        Some(self)
    }
}
