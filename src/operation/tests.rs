mod ends;
mod events;
mod restarts;

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

use super::*;
use crate::model::{
    AuthenticationMethod, BackupId, Caller, Grant, RequestId, backup::VerifyLevel, name::BackupName,
    operation::OperationEvent,
};

/// What a test tells an executor to do next.
enum Order {
    Log(&'static str),
    Progress(u64),
    Succeed,
    Fail(Reason),
    Panic,
}

/// An executor that does what it is told, one order after the other, and stops when it is cancelled.
struct Fake {
    orders: tokio::sync::Mutex<mpsc::UnboundedReceiver<Order>>,
    begun: watch::Sender<u32>,
    /// What it finds out at a recovery, asked for several times.
    found: Mutex<VecDeque<Result<OperationResult, Failure>>>,
}

#[async_trait]
impl Executor for Fake {
    async fn run(&self, run: &OperationRun, _: &OperationSpec) -> Result<OperationResult, Failure> {
        self.begun.send_modify(|begun| *begun += 1);
        let mut orders = self.orders.lock().await;
        loop {
            let order = tokio::select! {
                order = orders.recv() => order.expect("the test holds the other end"),
                () = run.cancellation.cancelled() => return Err(Error::cancelled().into()),
            };
            match order {
                Order::Log(text) => run.log(text),
                Order::Progress(done) => run.progress(Progress { done, total: 10, ..Progress::default() }),
                Order::Succeed => return Ok(outcome(1)),
                Order::Fail(reason) => return Err(Error::new(reason, "as ordered").into()),
                Order::Panic => panic!("as ordered"),
            }
        }
    }

    async fn recover(&self, _: &OperationRun, _: &OperationSpec) -> Result<OperationResult, Failure> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.pop_front().unwrap_or_else(|| Err(Error::new(Reason::DatabaseUnreachable, "not reached").into()))
    }
}

/// A store, and one server's operations on it.
struct Scene {
    _folder: TempDir,
    store: Store,
    server: Server,
}

/// What one run of a server has.
struct Server {
    operations: Operations,
    fake: Arc<Fake>,
    orders: mpsc::UnboundedSender<Order>,
    shutdown: CancellationToken,
    tracker: TaskTracker,
}

impl Scene {
    /// `parallel` operations run at one time.
    async fn new(parallel: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let store = Store::open(&folder.path().join("store.db")).await.expect("the store opens");
        let server = Server::on(&store, parallel);
        Self { _folder: folder, store, server }
    }

    /// A server that is started while the one before is not told to stop, as after a kill.
    fn restart(&mut self) -> Server {
        std::mem::replace(&mut self.server, Server::on(&self.store, 4))
    }
}

impl Server {
    fn on(store: &Store, parallel: usize) -> Self {
        let (orders, received) = mpsc::unbounded_channel();
        let fake = Arc::new(Fake {
            orders: tokio::sync::Mutex::new(received),
            begun: watch::Sender::new(0),
            found: Mutex::default(),
        });
        let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let operations = Operations::new(store.clone(), parallel, tracker.clone(), shutdown.clone());
        operations.install(HashMap::from([(OperationKind::VerifyBackup, fake.clone() as Arc<dyn Executor>)]));
        Self { operations, fake, orders, shutdown, tracker }
    }

    /// Starts an operation that changes the database of a key.
    async fn start(&self, key: Option<&str>) -> Result<Operation> {
        self.operations.start(&context(), None, new_operation(key)).await
    }

    fn order(&self, order: Order) {
        self.orders.send(order).expect("the executor listens");
    }

    /// Waits until so many runs have begun.
    async fn begun(&self, count: u32) {
        self.fake.begun.subscribe().wait_for(|begun| *begun >= count).await.expect("the executor lives");
    }

    async fn ended(&self, operation: &Operation) -> Operation {
        self.operations.wait(&context(), &operation.id, MAX_WAIT).await.expect("the operation is there")
    }

    /// What the next recoveries find out.
    fn find(&self, outcome: Result<OperationResult, Failure>) {
        self.fake.found.lock().unwrap_or_else(PoisonError::into_inner).push_back(outcome);
    }

    async fn stop(&self) {
        self.shutdown.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

fn new_operation(key: Option<&str>) -> NewOperation {
    NewOperation {
        connection: Some(backup().connection),
        spec: OperationSpec::VerifyBackup { backup: backup(), level: VerifyLevel::Content },
        exclusive_key: key.map(str::to_owned),
        progress: Progress::default(),
    }
}

fn backup() -> BackupName {
    let connection = ConnectionId::from_stored("shop".to_owned());
    BackupName { connection, backup: BackupId::from_stored("nightly".to_owned()) }
}

fn outcome(chunk_count: u64) -> OperationResult {
    OperationResult::VerifyBackup { backup: backup(), chunk_count, plain_size: 0 }
}

fn context() -> CallContext {
    CallContext {
        caller: Caller::new(
            AccountId::from_stored("default".to_owned()),
            "key/test",
            AuthenticationMethod::ApiKey,
            Grant::ALL,
        ),
        request_id: RequestId::generate(),
        deadline: None,
        cancellation: CancellationToken::new(),
    }
}

fn reason(operation: &Operation) -> Option<Reason> {
    operation.error.as_ref().map(|error| error.reason())
}

/// The rest of a watch. States are told by their name, progress by what is done.
async fn rest(watch: &mut OperationWatch) -> Vec<(u64, String)> {
    let mut told = Vec::new();
    while let Some((sequence, event)) = watch.next().await.expect("the watch goes on") {
        told.push((sequence, text(&event)));
    }
    told
}

fn text(event: &OperationEvent) -> String {
    match event {
        OperationEvent::State(operation) => operation.state.as_str().to_owned(),
        OperationEvent::Progress(progress) => format!("{} of {}", progress.done, progress.total),
        OperationEvent::Log { text, .. } => text.clone(),
    }
}

/// Reads events until one with this text, and returns its sequence.
async fn until(watch: &mut OperationWatch, wanted: &str) -> u64 {
    loop {
        let (sequence, event) = watch.next().await.expect("the watch goes on").expect("it has not ended");
        if text(&event) == wanted {
            return sequence;
        }
    }
}
