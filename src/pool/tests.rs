use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use async_trait::async_trait;
use tempfile::TempDir;
use tokio::sync::{Semaphore, watch};

use super::*;
use crate::{
    engine::Database,
    model::connection::{
        Capability, Connection, ConnectionSettings, EngineKind, PoolSettings, ServerInfo, TlsMode, TlsSettings,
    },
    vault::MasterKeys,
};

/// An engine whose dials pass one by one, as the test lets them.
struct FakeEngine {
    gate: Semaphore,
    refuse: AtomicBool,
    dials: watch::Sender<u32>,
    open: Arc<AtomicU32>,
}

#[async_trait]
impl Engine for FakeEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Postgresql
    }

    fn default_port(&self) -> Option<u16> {
        None
    }

    fn check_settings(&self, _: &AccountId, _: &ConnectionSettings) -> Result<()> {
        Ok(())
    }

    async fn probe_on_record(&self, _: &Target, _: &OnRecord) -> Result<Probe> {
        Ok(Probe { server: server_info(), latency: Duration::ZERO })
    }

    async fn open(&self, _: Target) -> Result<Arc<dyn Database>> {
        self.dials.send_modify(|dials| *dials += 1);
        self.gate.acquire().await.expect("the gate stays").forget();
        if self.refuse.load(Ordering::SeqCst) {
            return Err(Error::new(Reason::DatabaseUnreachable, "refused").caused_by(std::io::Error::other("port")));
        }
        self.open.fetch_add(1, Ordering::SeqCst);
        Ok(Arc::new(FakeDatabase { server: server_info(), open: self.open.clone() }))
    }
}

struct FakeDatabase {
    server: ServerInfo,
    open: Arc<AtomicU32>,
}

#[async_trait]
impl Database for FakeDatabase {
    fn kind(&self) -> EngineKind {
        EngineKind::Postgresql
    }

    fn server(&self) -> &ServerInfo {
        &self.server
    }

    fn pool_figures(&self) -> PoolFigures {
        PoolFigures::default()
    }

    async fn close(&self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    async fn capabilities(&self) -> Result<Vec<Capability>> {
        Ok(Vec::new())
    }
}

fn server_info() -> ServerInfo {
    ServerInfo {
        product: "PostgreSQL",
        version: "16".to_owned(),
        version_number: (16, 0),
        tls_active: false,
        pooler: None,
    }
}

/// A registry over a store and a fake engine.
struct Scene {
    _folder: TempDir,
    store: Store,
    engine: Arc<FakeEngine>,
    tracker: TaskTracker,
    pools: Pools,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let store = Store::open(&folder.path().join("store.db")).await.expect("the store opens");
        store.ensure_account(&account(), "Default").await.expect("an account");
        let vault = Arc::new(Vault::new(&MasterKeys::generate().expect("a key")).expect("the vault opens"));
        let engine = Arc::new(FakeEngine {
            gate: Semaphore::new(0),
            refuse: AtomicBool::new(false),
            dials: watch::Sender::new(0),
            open: Arc::default(),
        });
        let tracker = TaskTracker::new();
        let limits = PoolLimits { sessions: SessionLimits::default(), idle_timeout: Duration::from_secs(60) };
        let engines = Engines::of(vec![engine.clone()]);
        let pools = Pools::new(store.clone(), vault, engines, limits, tracker.clone()).expect("a registry");
        Self { _folder: folder, store, engine, tracker, pools }
    }

    /// Registers a connection.
    async fn register(&self, id: &str) -> ConnectionId {
        let record = record(id);
        self.store.insert_connection(&record, None).await.expect("the connection is registered");
        record.connection.id
    }

    async fn lease(&self, connection: &ConnectionId) -> Result<Lease> {
        self.pools.database(&account(), connection).await
    }

    fn pass(&self, dials: usize) {
        self.engine.gate.add_permits(dials);
    }

    async fn dialled(&self, count: u32) {
        self.engine.dials.subscribe().wait_for(|dials| *dials >= count).await.expect("the engine lives");
    }

    /// Waits until so many callers hold the place of a pool: they dial, or wait for the dial of another.
    async fn came(&self, connection: &ConnectionId, callers: usize) {
        let key = (account(), connection.clone());
        let holders = || self.pools.inner.slots.lock().expect("no panic").get(&key).map_or(0, Arc::strong_count);
        while holders() <= callers {
            tokio::task::yield_now().await;
        }
    }

    fn dials(&self) -> u32 {
        *self.engine.dials.borrow()
    }

    /// Databases that are open once every pool that was told to close has closed.
    async fn open(&self) -> u32 {
        self.tracker.close();
        self.tracker.wait().await;
        self.tracker.reopen();
        self.engine.open.load(Ordering::SeqCst)
    }
}

pub(crate) fn account() -> AccountId {
    AccountId::from_stored("default".to_owned())
}

/// A connection as the store has it, without secrets.
pub(crate) fn record(id: &str) -> ConnectionRecord {
    let settings = ConnectionSettings {
        display_name: id.to_owned(),
        engine: EngineKind::Postgresql,
        host: "localhost".to_owned(),
        port: 5432,
        database: "shop".to_owned(),
        username: "keeper".to_owned(),
        tls: TlsSettings { mode: TlsMode::Disabled, ca_pem: String::new(), client_cert_pem: String::new() },
        pool: PoolSettings::default(),
        labels: BTreeMap::new(),
        read_only: false,
        replicas: Default::default(),
    };
    let connection = Connection {
        id: ConnectionId::from_stored(id.to_owned()),
        settings,
        password_set: false,
        client_key_set: false,
        state: ConnectionState::Untested,
        health: None,
        server_version: String::new(),
        created: Timestamp::now(),
        updated: Timestamp::now(),
        last_tested: None,
        revision: 1,
        credential_revision: 1,
    };
    ConnectionRecord { account: account(), connection, sealed_password: None, sealed_client_key: None }
}

#[tokio::test]
async fn a_hundred_callers_share_one_dial() {
    let scene = Scene::new().await;
    let connection = scene.register("shop").await;
    let callers = futures::future::join_all((0..100).map(|_| scene.lease(&connection)));
    let dial = async {
        scene.came(&connection, 100).await;
        scene.pass(100);
    };
    let (leases, ()) = tokio::join!(callers, dial);
    assert!(leases.iter().all(Result::is_ok));
    assert_eq!((scene.dials(), scene.open().await), (1, 1));
}

#[tokio::test]
async fn callers_that_waited_share_the_failure_and_a_later_one_dials_again() {
    let scene = Scene::new().await;
    let connection = scene.register("shop").await;
    scene.engine.refuse.store(true, Ordering::SeqCst);
    let callers = futures::future::join_all((0..100).map(|_| scene.lease(&connection)));
    let dial = async {
        scene.came(&connection, 100).await;
        scene.pass(1);
    };
    let (leases, ()) = tokio::join!(callers, dial);
    let reasons: Vec<Reason> = leases.into_iter().filter_map(Result::err).map(|error| error.reason()).collect();
    assert_eq!(reasons, [Reason::DatabaseUnreachable; 100]);
    assert_eq!(scene.dials(), 1);

    scene.engine.refuse.store(false, Ordering::SeqCst);
    scene.pass(1);
    scene.lease(&connection).await.expect("the database is back");
    assert_eq!(scene.dials(), 2);
}

#[tokio::test]
async fn a_change_closes_the_pool_ends_its_work_and_the_next_caller_dials() {
    let scene = Scene::new().await;
    let connection = scene.register("shop").await;
    scene.pass(2);
    let lease = scene.lease(&connection).await.unwrap();
    let mut changed = record("shop");
    changed.connection.revision = 2;
    changed.connection.credential_revision = 2;
    scene.store.update_connection(&changed, 1).await.unwrap();

    let fresh = scene.lease(&connection).await.unwrap();
    assert!(lease.closed().is_cancelled() && !fresh.closed().is_cancelled());
    let error = lease.run(std::future::pending::<Result<()>>()).await.unwrap_err();
    assert_eq!(error.reason(), Reason::EtagMismatch);
    assert_eq!((scene.dials(), scene.open().await), (2, 1));
}

#[tokio::test]
async fn a_delete_closes_the_pool_at_once() {
    let scene = Scene::new().await;
    let connection = scene.register("shop").await;
    scene.pass(1);
    let lease = scene.lease(&connection).await.unwrap();
    scene.store.delete_connection(&account(), &connection, None).await.unwrap();
    scene.pools.close(&account(), &connection);
    assert!(lease.closed().is_cancelled());
    assert!(scene.pools.figures(&account(), &connection).is_none());
    assert_eq!(scene.lease(&connection).await.err().map(|error| error.reason()), Some(Reason::ConnectionNotFound));
    assert_eq!((scene.dials(), scene.open().await), (1, 0));
}

#[tokio::test]
async fn a_reader_that_is_behind_opens_no_pool() {
    let scene = Scene::new().await;
    let connection = scene.register("shop").await;
    scene.pass(2);
    let old = scene.store.connection(&account(), &connection).await.unwrap();
    let mut changed = record("shop");
    changed.connection.revision = 2;
    changed.connection.credential_revision = 2;
    scene.store.update_connection(&changed, 1).await.unwrap();
    scene.pools.close(&account(), &connection);
    let behind = scene.pools.database_of(old.clone()).await;
    assert_eq!(behind.err().map(|error| error.reason()), Some(Reason::EtagMismatch));

    scene.store.delete_connection(&account(), &connection, None).await.unwrap();
    scene.pools.close(&account(), &connection);
    let behind = scene.pools.database_of(old).await;
    assert_eq!(behind.err().map(|error| error.reason()), Some(Reason::ConnectionNotFound));
    assert!(scene.pools.figures(&account(), &connection).is_none());
    assert_eq!((scene.dials(), scene.open().await), (0, 0));
}

#[tokio::test]
async fn a_dial_that_is_under_way_ends_when_the_connection_goes() {
    let scene = Scene::new().await;
    let connection = scene.register("shop").await;
    let close = async {
        scene.dialled(1).await;
        scene.pools.close(&account(), &connection);
    };
    let (lease, ()) = tokio::join!(scene.lease(&connection), close);
    assert_eq!(lease.err().map(|error| error.reason()), Some(Reason::EtagMismatch));
}

#[tokio::test]
async fn a_shutdown_leaves_the_pools_to_their_users_until_all_are_closed() {
    let scene = Scene::new().await;
    let connection = scene.register("shop").await;
    scene.pass(1);
    let lease = scene.lease(&connection).await.unwrap();
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    scene.pools.tend(shutdown).await;
    assert!(!lease.closed().is_cancelled(), "a call that is under way keeps its database");
    scene.pools.close_all();
    assert!(lease.closed().is_cancelled());
    assert_eq!(scene.open().await, 0);
}
