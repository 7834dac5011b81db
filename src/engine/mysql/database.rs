//! A live database: its pool, and a small one beside it for monitoring.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use async_trait::async_trait;

use super::{
    abandoned::Abandonment, capability, connect::Connector, error, monitor::KnownStart, server::Server,
    source::MysqlSource,
};
use crate::{
    engine::{
        Advise, Database, Describe, Dialect, Dump, EngineOptions, Inspect, InspectObjects, Metrics, Migrate, ReadDdl,
        SampleRows, Sessions, Target,
        session_pool::{PoolOwner, SessionLease, SessionLimits, SessionPool},
    },
    model::{
        Error, Result,
        connection::{Capability, ConnectionSettings, EngineKind, PoolFigures, PoolSettings, ServerInfo},
    },
};

/// Monitoring connections of one database.
const MONITOR_CONNECTIONS: u32 = 2;

/// Ids of the sessions that the pools opened, to tell our own from those of others.
#[derive(Clone, Default)]
pub(super) struct OwnSessions(Arc<Mutex<BTreeSet<u64>>>);

impl OwnSessions {
    pub(super) fn add(&self, session: u64) {
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
    pub(super) abandonment: Abandonment,
    /// What the dials of this database are counted with.
    pub(super) limits: SessionLimits,
    pool: SessionPool<MysqlSource>,
    monitor: SessionPool<MysqlSource>,
}

impl MysqlDatabase {
    /// Dials once, so that what is wrong shows here, and keeps the session for the first lease.
    pub(super) async fn open(options: &EngineOptions, target: Target) -> Result<Self> {
        let connector = Connector::new(&target, options)?;
        let own_sessions = OwnSessions::default();
        let source = MysqlSource::new(connector.clone(), own_sessions.clone());
        let owner = PoolOwner::new(&target.account, target.connection.as_ref());
        let settings = &target.settings.pool;
        let pool = SessionPool::new(source.clone(), &owner, settings.clone(), &options.sessions);
        let gate = options.sessions.gates.enter(&target.settings.host, target.settings.port).await;
        let began = Instant::now();
        let (first, server) = source.open_and_ask().await?;
        drop(gate);
        pool.adopt(first, began.elapsed()).await;
        let monitor_settings = PoolSettings { max_connections: MONITOR_CONNECTIONS, min_idle: 0, ..settings.clone() };
        let monitor = SessionPool::aside(source, monitor_settings, &options.sessions);
        Ok(Self {
            abandonment: Abandonment::new(&connector),
            connector,
            server,
            tool_directories: options.tool_directories.clone(),
            own_sessions,
            known_start: KnownStart::default(),
            limits: options.sessions.clone(),
            pool,
            monitor,
        })
    }

    pub(super) fn settings(&self) -> &ConnectionSettings {
        &self.connector.settings
    }

    /// A session of the pool. What runs on it is fixed text over the catalog and the history, which changes nothing in the
    /// session.
    pub(super) async fn lease(&self) -> Result<SessionLease<MysqlSource>> {
        self.pool.acquire().await
    }

    /// A session for monitoring, which a busy pool cannot block.
    pub(super) async fn monitor_lease(&self) -> Result<SessionLease<MysqlSource>> {
        self.monitor.acquire().await
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

#[async_trait]
impl Database for MysqlDatabase {
    fn kind(&self) -> EngineKind {
        EngineKind::Mysql
    }

    fn server(&self) -> &ServerInfo {
        &self.server.info
    }

    fn pool_figures(&self) -> PoolFigures {
        self.pool.figures()
    }

    async fn close(&self) {
        tokio::join!(self.pool.close(), self.monitor.close(), self.abandonment.close());
    }

    async fn tend(&self) {
        tokio::join!(self.pool.tend(), self.monitor.tend());
    }

    async fn capabilities(&self) -> Result<Vec<Capability>> {
        capability::list(self).await
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
        Some(&super::dialect::MysqlDialect)
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
