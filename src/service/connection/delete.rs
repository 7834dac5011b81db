//! Deleting a registered database, with what depends on it where that is asked for.

use std::{sync::Arc, time::Duration};

use super::ConnectionService;
use crate::{
    model::{
        CallContext, ConnectionId, Error, ErrorKind, OperationId, Reason, Result, Timestamp, name, removal::Removed,
    },
    operation::Operations,
    service::backup::BackupService,
    store::{
        connection::etag_mismatch,
        connection_dependents::{Dependents, replicas_of},
    },
};

/// Longest wait for an operation that was cancelled.
const CANCEL_LIMIT: Duration = Duration::from_secs(30);
/// How often is looked again for what came to depend on it meanwhile.
const ROUNDS: usize = 5;

/// What can take dependents away.
#[derive(Clone)]
pub(super) struct Removal {
    pub(super) operations: Operations,
    pub(super) backups: Arc<BackupService>,
}

/// How a connection is deleted.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeleteConnection {
    /// The revision that it must have.
    pub expected: Option<u64>,
    /// Everything is checked and nothing deleted.
    pub validate_only: bool,
    /// What depends on it goes too.
    pub force: bool,
}

impl ConnectionService {
    /// Forgets a registered database, its credentials and its pool, and ends what works on it. The dependents that are
    /// removed with it, or would be, are noted in `removed`.
    pub async fn delete(
        &self,
        context: &CallContext,
        id: &ConnectionId,
        how: DeleteConnection,
        removed: &Removed,
    ) -> Result<()> {
        let account = context.account();
        if how.validate_only && !how.force {
            return self.store.check_delete_connection(account, id, how.expected).await;
        }
        if how.force {
            let record = self.store.connection(account, id).await?;
            if how.expected.is_some_and(|expected| expected != record.connection.revision) {
                return Err(etag_mismatch(id));
            }
        }
        if how.validate_only {
            self.store.dependents(account, id).await?.names().into_iter().for_each(|name| removed.note(name));
            return Ok(());
        }
        let _turn = self.turns.take(account, id)?;
        if !how.force {
            self.store.delete_connection(account, id, how.expected).await?;
            self.gone(context, id);
            return Ok(());
        }
        for _ in 0..ROUNDS {
            let dependents = self.store.dependents(account, id).await?;
            self.remove(context, id, &dependents, removed).await?;
            match self.store.delete_connection(account, id, how.expected).await {
                Ok(()) => {
                    self.gone(context, id);
                    let removed = removed.names().len();
                    tracing::info!(connection = %id, removed, "connection deleted with its dependents");
                    return Ok(());
                }
                // Somebody began something meanwhile.
                Err(error) if error.reason() == Reason::ConnectionInUse => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(
            Reason::ConnectionInUse,
            format!("others keep beginning work on {}; stop them, then delete it", name::connection(id)),
        ))
    }

    fn gone(&self, context: &CallContext, id: &ConnectionId) {
        self.pools.close(context.account(), id);
        self.pools.statuses().forget(context.account(), id);
        self.readers.forget(context.account(), id);
    }

    async fn remove(
        &self,
        context: &CallContext,
        id: &ConnectionId,
        dependents: &Dependents,
        removed: &Removed,
    ) -> Result<()> {
        let removal = self.removal.as_ref().ok_or_else(|| Error::internal("nothing can remove dependents here"))?;
        for operation in &dependents.operations {
            removal.operations.stop(context, operation).await?;
            removed.note(name::operation(operation));
            ended(&removal.operations, context, operation).await?;
        }
        for backup in &dependents.backups {
            match removal.backups.delete(context, backup, false).await {
                // Somebody else was faster.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                outcome => {
                    outcome?;
                    removed.note(backup.to_string());
                }
            }
        }
        for primary in &dependents.primaries {
            self.forget_replica(context, primary, id).await?;
            removed.note(replicas_of(primary));
        }
        Ok(())
    }

    /// Takes a connection out of the replicas of another.
    async fn forget_replica(
        &self,
        context: &CallContext,
        primary: &ConnectionId,
        replica: &ConnectionId,
    ) -> Result<()> {
        let mut record = (*self.store.connection(context.account(), primary).await?).clone();
        let seen = record.connection.revision;
        record.connection.settings.replicas.connections.retain(|other| other != replica);
        record.connection.revision += 1;
        record.connection.updated = Timestamp::now();
        self.store.update_connection(&record, seen).await
    }
}

/// Waits until an operation that was asked to stop has ended.
async fn ended(operations: &Operations, context: &CallContext, id: &OperationId) -> Result<()> {
    if operations.wait(context, id, CANCEL_LIMIT).await?.ended.is_some() {
        return Ok(());
    }
    let operation = name::operation(id);
    let text = format!("{operation} was cancelled and has not ended yet; repeat the call later");
    Err(Error::new(Reason::ConnectionInUse, text))
}
