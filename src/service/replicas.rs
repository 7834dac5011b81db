//! Reads that may be a little old go to a replica, where the connection names some.
//!
//! A replica serves where it copies from the connection's own server and is not further behind than the connection allows.
//! Each is asked at most once a second, however many reads there are, and only for reads. A read goes to the first that may
//! serve, and waits for nobody who is known to be down or said nothing when it was last asked: such a one is asked in the
//! background until it answers. Where none serves, the primary does.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared, join_all, select_ok},
};

use super::databases::{Databases, Reader};
use crate::{
    model::{
        AccountId, ConnectionId, Error, Reason, Result,
        connection::{ConnectionState, ReplicaSettings},
        facts::Replication,
        name,
    },
    pool::{Lease, Pools},
    store::Store,
};

/// How long what a server said of its replication is believed.
const BELIEVED: Duration = Duration::from_secs(1);
/// Nobody waits longer than this for what a server says.
const PATIENCE: Duration = Duration::from_secs(2);
/// One that is asked and says nothing for so long is silent.
const ASK_LIMIT: Duration = Duration::from_secs(15);
/// A replica that is down is asked by reads this long after the last time. Health checks find out sooner that it is back.
const DOWN_PAUSE: Duration = Duration::from_secs(60);

/// What a replica is worth at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// Which.
    pub connection: ConnectionId,
    /// It may serve reads.
    pub serves: bool,
    /// How far it is behind, where it knows.
    pub lag: Option<Duration>,
    /// Why it does not serve; empty where it does.
    pub fault: String,
}

type Key = (AccountId, ConnectionId);
type Answer = Arc<Result<Replication>>;

/// Finds databases to read from.
pub struct Readers {
    pools: Pools,
    store: Store,
    book: Book,
    turn: AtomicUsize,
}

/// What servers said of their replication. Cheap to clone.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<HashMap<Key, Entry>>>);

/// What is known of one server.
#[derive(Default)]
struct Entry {
    /// What it said last, and when.
    answer: Option<(Instant, Answer)>,
    /// It is being asked since then.
    asking: Option<Asking>,
    /// Its id, with the revision of the settings that lead to it; that stays true while it cannot be asked.
    id: Option<(u64, String)>,
}

/// A question that is under way, for all who want to know.
#[derive(Clone)]
struct Asking {
    began: Instant,
    answer: Shared<BoxFuture<'static, Answer>>,
}

/// How long a caller waits for a server that said nothing, or nothing good, when it was last asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// As for any other: somebody wants to know.
    Always,
    /// Not at all: there are others to read from.
    ForTheGood,
}

impl Book {
    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a server said last, and when.
    fn last(&self, key: &Key) -> Option<(Instant, Answer)> {
        self.entries().get(key).and_then(|entry| entry.answer.clone())
    }

    /// Notes an answer. A connection that is gone is forgotten instead.
    fn note(&self, key: &Key, answer: &Answer) {
        let mut entries = self.entries();
        if answer.as_ref().as_ref().is_err_and(|error| error.reason() == Reason::ConnectionNotFound) {
            entries.remove(key);
        }
        if let Some(entry) = entries.get_mut(key) {
            entry.answer = Some((Instant::now(), answer.clone()));
            entry.asking = None;
        }
    }

    /// The id of a server, as long as the settings that lead to it are these.
    fn id(&self, key: &Key, revision: u64) -> Option<String> {
        let entries = self.entries();
        let (of, id) = entries.get(key)?.id.as_ref()?;
        (*of == revision).then(|| id.clone())
    }
}

impl Readers {
    /// Reads through the pools.
    pub fn new(pools: Pools, store: Store) -> Self {
        Self { pools, store, book: Book::default(), turn: AtomicUsize::new(0) }
    }

    /// What each replica of a connection is worth at the moment, in the order in which they are named.
    pub async fn replicas(&self, account: &AccountId, connection: &ConnectionId) -> Result<Vec<ReplicaStatus>> {
        let record = self.store.connection(account, connection).await?;
        let settings = &record.connection.settings.replicas;
        let status = |replica| self.status(account, connection, replica, settings.max_lag, Waiting::Always);
        Ok(join_all(settings.connections.iter().map(status)).await)
    }

    /// Forgets a connection that was deleted.
    pub fn forget(&self, account: &AccountId, connection: &ConnectionId) {
        self.book.entries().remove(&(account.clone(), connection.clone()));
    }

    /// The first replica that may serve, in turn, so that each gets its share; all are asked at one time.
    async fn serving(&self, account: &AccountId, primary: &ConnectionId, settings: &ReplicaSettings) -> Option<Reader> {
        let count = settings.connections.len();
        if count == 0 {
            return None;
        }
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % count;
        let in_turn = settings.connections.iter().cycle().skip(first).take(count);
        let candidates = in_turn.map(|replica| self.candidate(account, primary, replica, settings.max_lag).boxed());
        select_ok(candidates).await.ok().map(|(reader, _)| reader)
    }

    /// A replica, if it may serve.
    async fn candidate(
        &self,
        account: &AccountId,
        primary: &ConnectionId,
        replica: &ConnectionId,
        max_lag: Duration,
    ) -> Result<Reader> {
        self.pass_over_if_down(account, replica).await?;
        let status = self.status(account, primary, replica, max_lag, Waiting::ForTheGood).await;
        if !status.serves {
            tracing::debug!(connection = %primary, replica = %replica, fault = status.fault, "replica passed over");
            return Err(unusable(replica, &status.fault));
        }
        let lease = self.pools.database(account, replica).await?;
        Ok(Reader { lease, served_by: Some(replica.clone()) })
    }

    /// An error where a replica is known to be down. It is asked once in a while all the same, for nobody else may do so.
    async fn pass_over_if_down(&self, account: &AccountId, replica: &ConnectionId) -> Result<()> {
        let record = self.store.connection(account, replica).await?;
        if !matches!(record.connection.state, ConnectionState::Offline | ConnectionState::Refused) {
            return Ok(());
        }
        let key = (account.clone(), replica.clone());
        match self.book.last(&key) {
            Some((when, answer)) if when.elapsed() < BELIEVED && answer.is_ok() => return Ok(()),
            Some((when, _)) if when.elapsed() < DOWN_PAUSE => {}
            _ => drop(self.ask(&key)),
        }
        Err(unusable(replica, "is down"))
    }

    async fn status(
        &self,
        account: &AccountId,
        primary: &ConnectionId,
        replica: &ConnectionId,
        max_lag: Duration,
        waiting: Waiting,
    ) -> ReplicaStatus {
        let judged = self.judge(account, primary, replica, waiting).await;
        let connection = replica.clone();
        let (lag, fault) = match judged {
            Ok(lag) if lag <= max_lag => {
                return ReplicaStatus { connection, serves: true, lag: Some(lag), fault: String::new() };
            }
            Ok(lag) => {
                let (lag_text, bound) = (humantime::format_duration(lag), humantime::format_duration(max_lag));
                (Some(lag), format!("it is {lag_text} behind, {bound} are allowed"))
            }
            Err(error) => (None, error.message().to_owned()),
        };
        ReplicaStatus { connection, serves: false, lag, fault }
    }

    /// How far a replica is behind; an error where it is none of this primary, or does not know.
    async fn judge(
        &self,
        account: &AccountId,
        primary: &ConnectionId,
        replica: &ConnectionId,
        waiting: Waiting,
    ) -> Result<Duration> {
        let seen = self.replication(&(account.clone(), replica.clone()), waiting).await?;
        if !seen.replica {
            return Err(unusable(replica, "is no replica: it takes writes of its own"));
        }
        if !self.is_source(account, primary, &seen.source, waiting).await? {
            let why = format!("does not copy from {}", name::connection(primary));
            return Err(unusable(replica, &why));
        }
        seen.lag.ok_or_else(|| unusable(replica, &format!("does not know how far it is behind: {}", seen.fault)))
    }

    /// Whether the server of a primary has this id. It is asked where it had another one before: since then another server
    /// may have taken its place.
    async fn is_source(
        &self,
        account: &AccountId,
        primary: &ConnectionId,
        source: &str,
        waiting: Waiting,
    ) -> Result<bool> {
        let revision = self.store.connection(account, primary).await?.connection.revision;
        let key = (account.clone(), primary.clone());
        if self.book.id(&key, revision).as_deref() == Some(source) {
            return Ok(true);
        }
        let id = self.replication(&key, waiting).await?.id;
        if let Some(entry) = self.book.entries().get_mut(&key) {
            entry.id = Some((revision, id.clone()));
        }
        Ok(id == source)
    }

    /// What a server said of its replication a moment ago, or what it says now.
    async fn replication(&self, key: &Key, waiting: Waiting) -> Result<Replication> {
        let last = self.book.last(key);
        if let Some((_, answer)) = last.as_ref().filter(|(when, _)| when.elapsed() < BELIEVED) {
            return repeated(answer);
        }
        let Asking { began, answer } = self.ask(key);
        let bad = last.filter(|(_, answer)| answer.is_err() && waiting == Waiting::ForTheGood);
        let until = if bad.is_some() { began } else { began + PATIENCE };
        match (tokio::time::timeout_at(until.into(), answer).await, bad) {
            (Ok(answer), _) => repeated(&answer),
            (Err(_), Some((_, last))) => repeated(&last),
            (Err(_), None) => Err(unusable(&key.1, "did not answer in time")),
        }
    }

    /// Has a server asked, in a task that does not end with the caller. Who comes while it is asked shares the answer.
    fn ask(&self, key: &Key) -> Asking {
        let mut entries = self.book.entries();
        let entry = entries.entry(key.clone()).or_default();
        if let Some(asking) = &entry.asking {
            return asking.clone();
        }
        let (pools, book, asked) = (self.pools.clone(), self.book.clone(), key.clone());
        let answer = async move {
            let answer = Arc::new(ask(&pools, &asked).await);
            book.note(&asked, &answer);
            answer
        };
        let asking = Asking { began: Instant::now(), answer: answer.boxed().shared() };
        entry.asking = Some(asking.clone());
        self.pools.tracker().spawn(asking.answer.clone());
        asking
    }
}

/// What a server says of its replication.
async fn ask(pools: &Pools, (account, connection): &Key) -> Result<Replication> {
    let asked = async {
        let lease = pools.database(account, connection).await?;
        lease.run(lease.require_describe()?.replication()).await
    };
    match tokio::time::timeout(ASK_LIMIT, asked).await {
        Ok(said) => said,
        Err(_) => Err(unusable(connection, "did not answer in time")),
    }
}

#[async_trait]
impl Databases for Readers {
    async fn database(&self, account: &AccountId, connection: &ConnectionId) -> Result<Lease> {
        self.pools.database(account, connection).await
    }

    async fn reader(&self, account: &AccountId, connection: &ConnectionId) -> Result<Reader> {
        let record = self.store.connection(account, connection).await?;
        match self.serving(account, connection, &record.connection.settings.replicas).await {
            Some(reader) => Ok(reader),
            None => Ok(Reader { lease: self.database(account, connection).await?, served_by: None }),
        }
    }

    async fn replicas(&self, account: &AccountId, connection: &ConnectionId) -> Result<Vec<ConnectionId>> {
        Ok(self.store.connection(account, connection).await?.connection.settings.replicas.connections.clone())
    }
}

/// What was said once, for another who asks.
fn repeated(said: &Result<Replication>) -> Result<Replication> {
    match said {
        Ok(said) => Ok(said.clone()),
        Err(error) => Err(error.repeat()),
    }
}

fn unusable(connection: &ConnectionId, why: &str) -> Error {
    Error::new(Reason::DatabaseUnreachable, format!("{} {why}", name::connection(connection)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio_util::{sync::CancellationToken, task::TaskTracker};

    use super::*;
    use crate::{
        engine::{Engines, SessionLimits},
        model::{AuthenticationMethod, CallContext, Caller, Grant, RequestId, removal::Removed},
        pool::{
            PoolLimits,
            tests::{account, record},
        },
        service::connection::{ConnectionService, delete::DeleteConnection},
        vault::{MasterKeys, Vault},
    };

    #[tokio::test]
    async fn a_connection_that_was_deleted_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).await.unwrap();
        store.ensure_account(&account(), "Default").await.unwrap();
        store.insert_connection(&record("shop"), None).await.unwrap();
        let vault = Arc::new(Vault::new(&MasterKeys::generate().unwrap()).unwrap());
        let limits = PoolLimits { sessions: SessionLimits::default(), idle_timeout: Duration::from_secs(60) };
        // What cannot even be dialled has said that.
        let pools =
            Pools::new(store.clone(), vault.clone(), Engines::of(Vec::new()), limits, TaskTracker::new()).unwrap();
        let connections = ConnectionService::new(store, vault, pools);
        let readers = connections.readers();
        let key = (account(), ConnectionId::from_stored("shop".to_owned()));
        assert!(readers.replication(&key, Waiting::Always).await.is_err());
        assert!(readers.book.last(&key).is_some());

        let context = CallContext {
            caller: Caller::new(account(), "test", AuthenticationMethod::ApiKey, Grant::ALL),
            request_id: RequestId::generate(),
            deadline: None,
            cancellation: CancellationToken::new(),
        };
        connections.delete(&context, &key.1, DeleteConnection::default(), &Removed::default()).await.unwrap();
        assert!(readers.book.entries().is_empty());
        // One who asks with what was read before leaves nothing behind either.
        assert!(readers.replication(&key, Waiting::Always).await.is_err());
        assert!(readers.book.entries().is_empty());
    }
}
