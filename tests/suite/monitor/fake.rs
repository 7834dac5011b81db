//! A database whose looks a test lets pass one by one, and a registry that holds it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use dbkeeper::{
    engine::{Database, Metrics, Sessions},
    model::{
        AccountId, ConnectionId, Error, Reason, Result, Timestamp,
        connection::{Capability, EngineKind, PoolFigures, ServerInfo},
        metric::{MetricKind, Point, RawSample, SampleTiers, Vitals},
        session::Session,
    },
    pool::Lease,
    service::databases,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// A gauge without attributes.
pub(super) fn gauge(name: &'static str, value: f64) -> Point {
    Point { name, unit: "1", kind: MetricKind::Gauge, attributes: Vec::new(), value, epoch: None }
}

/// A counter without attributes.
pub(super) fn counter(name: &'static str, value: f64, epoch: Timestamp) -> Point {
    Point { name, unit: "1", kind: MetricKind::Counter, attributes: Vec::new(), value, epoch: Some(epoch) }
}

type Answer = Box<dyn Fn(u64) -> Vec<Point> + Send + Sync>;

/// A database that answers the n-th look with what a function gives for n.
pub(super) struct FakeDatabase {
    server: ServerInfo,
    answer: Answer,
    gate: Semaphore,
    begun: AtomicU64,
    passed: AtomicU64,
    at_work: AtomicU64,
    most_at_work: AtomicU64,
    tables_asked: Mutex<Vec<bool>>,
    sessions: Mutex<Vec<Session>>,
}

impl FakeDatabase {
    pub(super) fn new(answer: impl Fn(u64) -> Vec<Point> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            server: ServerInfo {
                product: "SQLite",
                version: "3.50.0".to_owned(),
                version_number: (3, 50),
                tls_active: false,
                pooler: None,
            },
            answer: Box::new(answer),
            gate: Semaphore::new(0),
            begun: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            at_work: AtomicU64::new(0),
            most_at_work: AtomicU64::new(0),
            tables_asked: Mutex::default(),
            sessions: Mutex::default(),
        })
    }

    /// Lets so many looks pass.
    pub(super) fn pass(&self, looks: usize) {
        self.gate.add_permits(looks);
    }

    /// Looks that were begun.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    pub(super) async fn until_begun(&self, looks: u64) {
        while self.begun() < looks {
            tokio::task::yield_now().await;
        }
    }

    pub(super) fn most_at_one_time(&self) -> u64 {
        self.most_at_work.load(Ordering::SeqCst)
    }

    /// Whether each look that passed asked for the costly tier.
    pub(super) fn tables_asked(&self) -> Vec<bool> {
        self.tables_asked.lock().unwrap().clone()
    }

    pub(super) fn set_sessions(&self, sessions: Vec<Session>) {
        *self.sessions.lock().unwrap() = sessions;
    }
}

struct AtWork<'a>(&'a AtomicU64);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Metrics for FakeDatabase {
    async fn vitals(&self) -> Result<Vitals> {
        Ok(Vitals { sessions: 3, ..Vitals::default() })
    }

    async fn sample(&self, tiers: SampleTiers) -> Result<RawSample> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let at_work = self.at_work.fetch_add(1, Ordering::SeqCst) + 1;
        let _at_work = AtWork(&self.at_work);
        self.most_at_work.fetch_max(at_work, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        let number = self.passed.fetch_add(1, Ordering::SeqCst) + 1;
        self.tables_asked.lock().unwrap().push(tiers.tables);
        Ok(RawSample { points: (self.answer)(number), skipped: Vec::new() })
    }
}

#[async_trait]
impl Sessions for FakeDatabase {
    async fn list(&self) -> Result<Vec<Session>> {
        Ok(self.sessions.lock().unwrap().clone())
    }
}

#[async_trait]
impl Database for FakeDatabase {
    fn kind(&self) -> EngineKind {
        EngineKind::Sqlite
    }

    fn server(&self) -> &ServerInfo {
        &self.server
    }

    fn pool_figures(&self) -> PoolFigures {
        PoolFigures { size: 2, idle: 1, max_connections: 10, ..PoolFigures::default() }
    }

    async fn close(&self) {}

    async fn capabilities(&self) -> Result<Vec<Capability>> {
        Ok(Vec::new())
    }

    fn metrics(&self) -> Option<&dyn Metrics> {
        Some(self)
    }

    fn sessions(&self) -> Option<&dyn Sessions> {
        Some(self)
    }
}

enum Registered {
    Up(Arc<FakeDatabase>, CancellationToken),
    Down,
    Exhausted,
    Deleted,
}

impl Registered {
    fn up(database: &Arc<FakeDatabase>) -> Self {
        Self::Up(Arc::clone(database), CancellationToken::new())
    }
}

/// A registry of one connection.
pub(super) struct Databases(Mutex<Registered>);

impl Databases {
    pub(super) fn up(database: &Arc<FakeDatabase>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Registered::up(database))))
    }

    /// The connection leads to this database from now on.
    pub(super) fn replace(&self, database: &Arc<FakeDatabase>) {
        self.change(Registered::up(database));
    }

    pub(super) fn take_down(&self) {
        self.change(Registered::Down);
    }

    /// This server has no connection left to reach it with.
    pub(super) fn exhaust(&self) {
        self.change(Registered::Exhausted);
    }

    pub(super) fn delete(&self) {
        self.change(Registered::Deleted);
    }

    fn change(&self, now: Registered) {
        let before = std::mem::replace(&mut *self.0.lock().unwrap(), now);
        if let Registered::Up(_, closed) = before {
            closed.cancel();
        }
    }
}

#[async_trait]
impl databases::Databases for Databases {
    async fn database(&self, _account: &AccountId, connection: &ConnectionId) -> Result<Lease> {
        match &*self.0.lock().unwrap() {
            Registered::Up(database, closed) => Ok(Lease::detached(database.clone(), closed.clone())),
            Registered::Down => Err(Error::new(Reason::DatabaseUnreachable, "the port is refused")),
            Registered::Exhausted => Err(Error::new(Reason::PoolExhausted, "no connection is left")),
            Registered::Deleted => {
                let name = dbkeeper::model::name::connection(connection);
                Err(Error::not_found(Reason::ConnectionNotFound, "connection", name))
            }
        }
    }
}
