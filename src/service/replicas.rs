//! Reads that may be a little old go to a replica, where the connection names some.
//!
//! A replica serves where it copies from the same primary and is not further behind than the connection allows. That is
//! asked at most once a second, and only for reads. Where none serves, the primary does.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;

use super::databases::{Databases, Reader};
use crate::{
    model::{AccountId, ConnectionId, Error, Reason, Result, facts::Replication, name},
    pool::{Lease, Pools},
    store::Store,
};

/// How long what a server said of its replication is believed.
const BELIEVED: Duration = Duration::from_secs(1);
/// A replica that does not answer within this does not serve.
const PATIENCE: Duration = Duration::from_secs(2);

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

/// Finds databases to read from.
pub struct Readers {
    pools: Pools,
    store: Store,
    seen: Mutex<HashMap<Key, (Instant, Result<Replication>)>>,
    /// Of which cluster a primary is; that stays true while the primary cannot be asked.
    clusters: Mutex<HashMap<(Key, u64), String>>,
    turn: AtomicUsize,
}

impl Readers {
    /// Reads through the pools.
    pub fn new(pools: Pools, store: Store) -> Self {
        Self { pools, store, seen: Mutex::default(), clusters: Mutex::default(), turn: AtomicUsize::new(0) }
    }

    /// What each replica of a connection is worth at the moment, in the order in which they are named.
    pub async fn replicas(&self, account: &AccountId, connection: &ConnectionId) -> Result<Vec<ReplicaStatus>> {
        let record = self.store.connection(account, connection).await?;
        let settings = &record.connection.settings.replicas;
        let mut statuses = Vec::with_capacity(settings.connections.len());
        for replica in &settings.connections {
            statuses.push(self.status(account, connection, replica, settings.max_lag).await);
        }
        Ok(statuses)
    }

    async fn status(
        &self,
        account: &AccountId,
        primary: &ConnectionId,
        replica: &ConnectionId,
        max_lag: Duration,
    ) -> ReplicaStatus {
        let judged = self.judge(account, primary, replica).await;
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
    async fn judge(&self, account: &AccountId, primary: &ConnectionId, replica: &ConnectionId) -> Result<Duration> {
        let seen = self.replication(account, replica).await?;
        if !seen.replica {
            return Err(unusable(replica, "is no replica: it takes writes of its own"));
        }
        if seen.cluster != self.cluster(account, primary).await? {
            let why = format!("does not copy from {}", name::connection(primary));
            return Err(unusable(replica, &why));
        }
        seen.lag.ok_or_else(|| unusable(replica, &format!("does not know how far it is behind: {}", seen.fault)))
    }

    async fn cluster(&self, account: &AccountId, primary: &ConnectionId) -> Result<String> {
        let record = self.store.connection(account, primary).await?;
        let key = ((account.clone(), primary.clone()), record.connection.revision);
        let known = self.clusters.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let cluster = self.replication(account, primary).await?.cluster;
        let mut clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        // Of older settings.
        clusters.retain(|(other, _), _| *other != key.0);
        clusters.insert(key, cluster.clone());
        Ok(cluster)
    }

    /// What a server says of its replication, asked anew where that is too long ago.
    async fn replication(&self, account: &AccountId, connection: &ConnectionId) -> Result<Replication> {
        let key = (account.clone(), connection.clone());
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.retain(|_, (when, _)| when.elapsed() < BELIEVED);
            if let Some((_, said)) = seen.get(&key) {
                return repeated(said);
            }
        }
        let ask = async {
            let lease = self.pools.database(account, connection).await?;
            lease.run(lease.require_describe()?.replication()).await
        };
        let said = match tokio::time::timeout(PATIENCE, ask).await {
            Ok(said) => said,
            Err(_) => Err(unusable(connection, "did not answer in time")),
        };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (Instant::now(), repeated(&said)));
        said
    }
}

#[async_trait]
impl Databases for Readers {
    async fn database(&self, account: &AccountId, connection: &ConnectionId) -> Result<Lease> {
        self.pools.database(account, connection).await
    }

    async fn reader(&self, account: &AccountId, connection: &ConnectionId) -> Result<Reader> {
        let record = self.store.connection(account, connection).await?;
        let settings = &record.connection.settings.replicas;
        let count = settings.connections.len();
        // One after the other, so that each gets its share.
        let first = if count > 1 { self.turn.fetch_add(1, Ordering::Relaxed) % count } else { 0 };
        for replica in settings.connections.iter().cycle().skip(first).take(count) {
            let status = self.status(account, connection, replica, settings.max_lag).await;
            if !status.serves {
                tracing::debug!(connection = %connection, replica = %replica, fault = status.fault, "replica passed over");
                continue;
            }
            if let Ok(lease) = self.pools.database(account, replica).await {
                return Ok(Reader { lease, served_by: Some(replica.clone()) });
            }
        }
        Ok(Reader { lease: self.database(account, connection).await?, served_by: None })
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
