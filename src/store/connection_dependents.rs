//! What depends on a registered database, and so stands in the way of its deletion.

use sqlx::{Sqlite, Transaction};

use super::{Store, failed, unreadable};
use crate::model::{
    AccountId, BackupId, ConnectionId, Detail, Error, OperationId, Reason, Result,
    connection::ConnectionSettings,
    name::{self, BackupName},
};

/// Most dependents of one sort that an error names.
const NAMED: usize = 20;

/// What depends on a registered database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependents {
    /// Operations on it that have not ended.
    pub operations: Vec<OperationId>,
    /// Backups of it.
    pub backups: Vec<BackupName>,
    /// Connections that name it as their replica.
    pub primaries: Vec<ConnectionId>,
}

impl Dependents {
    /// Nothing depends on it.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty() && self.backups.is_empty() && self.primaries.is_empty()
    }

    /// Their names. A connection that names it as a replica is not removed itself, and is named by the list it stands in.
    pub fn names(&self) -> Vec<String> {
        let operations = self.operations.iter().map(name::operation);
        let backups = self.backups.iter().map(BackupName::to_string);
        let primaries = self.primaries.iter().map(replicas_of);
        operations.chain(backups).chain(primaries).collect()
    }
}

/// The list of replicas that a connection has.
pub fn replicas_of(primary: &ConnectionId) -> String {
    format!("{}/replicas", name::connection(primary))
}

impl Store {
    /// What depends on a registered database.
    pub async fn dependents(&self, account: &AccountId, id: &ConnectionId) -> Result<Dependents> {
        let mut transaction = self.begin().await?;
        dependents(&mut transaction, account, id).await
    }
}

pub(super) async fn dependents(
    transaction: &mut Transaction<'static, Sqlite>,
    account: &AccountId,
    id: &ConnectionId,
) -> Result<Dependents> {
    let operations: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM operations WHERE account = $1 AND connection = $2 AND state IN ('queued', 'running') ORDER BY id",
    )
    .bind(account.as_str())
    .bind(id.as_str())
    .fetch_all(&mut **transaction)
    .await
    .map_err(failed)?;
    let backups: Vec<String> =
        sqlx::query_scalar("SELECT id FROM backups WHERE account = $1 AND connection = $2 ORDER BY id")
            .bind(account.as_str())
            .bind(id.as_str())
            .fetch_all(&mut **transaction)
            .await
            .map_err(failed)?;
    let others: Vec<(String, String)> =
        sqlx::query_as("SELECT id, settings FROM connections WHERE account = $1 AND id <> $2 ORDER BY id")
            .bind(account.as_str())
            .bind(id.as_str())
            .fetch_all(&mut **transaction)
            .await
            .map_err(failed)?;
    let mut primaries = Vec::new();
    for (other, settings) in others {
        let settings: ConnectionSettings =
            serde_json::from_str(&settings).map_err(|cause| unreadable("connection", cause))?;
        if settings.replicas.connections.contains(id) {
            primaries.push(ConnectionId::from_stored(other));
        }
    }
    let backup = |backup| BackupName { connection: id.clone(), backup: BackupId::from_stored(backup) };
    Ok(Dependents {
        operations: operations.into_iter().map(OperationId::from_stored).collect(),
        backups: backups.into_iter().map(backup).collect(),
        primaries,
    })
}

/// CONNECTION_IN_USE with each dependent.
pub(super) fn in_use(id: &ConnectionId, dependents: &Dependents) -> Error {
    let operation = |operation| {
        let description = "works on it; wait for it or cancel it, then delete".to_owned();
        (name::operation(operation), description)
    };
    let backup = |backup: &BackupName| {
        let description = "is of it; delete its backups first, so that none is left that nobody can restore".to_owned();
        (backup.to_string(), description)
    };
    let primary = |primary| {
        let description = "names it as a replica; take it out of its replicas first".to_owned();
        (name::connection(primary), description)
    };
    let operations = dependents.operations.iter().map(operation).take(NAMED);
    let backups = dependents.backups.iter().map(backup).take(NAMED);
    let primaries = dependents.primaries.iter().map(primary).take(NAMED);
    let named: Vec<(String, String)> = operations.chain(backups).chain(primaries).collect();
    let (subject, description) = named.first().cloned().unwrap_or_default();
    let all = dependents.operations.len() + dependents.backups.len() + dependents.primaries.len();
    let more = if all > 1 { format!(" (the first of {all} dependents)") } else { String::new() };
    let connection = name::connection(id);
    let text = format!("{connection} cannot be deleted: {subject} {description}{more}; or delete with force");
    named.into_iter().fold(Error::new(Reason::ConnectionInUse, text), |error, (subject, description)| {
        error.with(Detail::Precondition { kind: "DEPENDENT", subject, description })
    })
}
