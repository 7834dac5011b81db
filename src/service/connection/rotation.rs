//! New passwords for registered databases, by the stored intent first.
//!
//! The new password is sealed and stored before the database is told. Whatever happens then, both passwords are at hand, and
//! one of them is that of the database: a login finds out which. An intent is carried out, never guessed at: where only
//! the old password logs in, the statement is sent again, for an earlier one may still be under way on the server. It is
//! given up only when the database refuses the statement and the old password still logs in.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use secrecy::SecretString;
use tracing::Instrument;

use super::{ConnectionService, Secrets};
use crate::{
    engine::{Credentials, Target, password},
    model::{
        AccountId, CallContext, ConnectionId, Error, ErrorKind, Reason, RequestId, RequestKey, Result,
        audit::{AuditedCall, SERVER_ACTOR},
        connection::Connection,
        name,
    },
    pool::{CLIENT_KEY_FIELD, PASSWORD_FIELD},
    store::{
        connection::{ConnectionRecord, etag_mismatch},
        pending_credential::{PendingCredential, busy},
    },
    vault::SecretScope,
};

/// Under which method the log tells that a rotation was brought to its end.
const SETTLE: &str = "dbkeeper.server/SettleCredentials";

/// The record of what the server does without having been called for it.
#[async_trait]
pub trait ServerRecord: Send + Sync {
    /// Does something between its intent and its outcome in the audit log. It is not begun where the intent cannot be written.
    async fn recorded(&self, call: AuditedCall, work: BoxFuture<'_, Result<()>>) -> Result<()>;
}

/// What is asked for.
#[derive(Default)]
pub struct Rotation {
    /// The new password; absent: one is made.
    pub password: Option<SecretString>,
    /// Version of the settings that the caller has seen.
    pub expected: Option<u64>,
    /// What makes a repeat safe.
    pub request: Option<RequestKey>,
    /// Only the checks are made, a login among them.
    pub validate_only: bool,
}

/// Connections whose credentials are being changed by this process.
#[derive(Clone, Default)]
pub(super) struct Turns(Arc<Mutex<HashSet<(AccountId, ConnectionId)>>>);

/// The turn of one of them, until the last copy of it is gone.
#[derive(Clone)]
pub(super) struct Turn(Arc<Taken>);

struct Taken {
    turns: Turns,
    place: (AccountId, ConnectionId),
}

impl Turns {
    /// Takes the turn of a connection, or DATABASE_BUSY.
    pub(super) fn take(&self, account: &AccountId, connection: &ConnectionId) -> Result<Turn> {
        let place = (account.clone(), connection.clone());
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !taken.insert(place.clone()) {
            return Err(busy(connection));
        }
        Ok(Turn(Arc::new(Taken { turns: self.clone(), place })))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.turns.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.place);
    }
}

impl ConnectionService {
    /// Gives the user of a connection a new password on the database and in the store.
    pub async fn rotate(&self, context: &CallContext, id: &ConnectionId, rotation: Rotation) -> Result<Connection> {
        let account = context.account();
        if self.store.earlier_request(account, rotation.request.as_ref()).await?.is_some() {
            return self.get(context, id).await;
        }
        let turn = self.turns.take(account, id)?;
        self.settle(&turn, &context.request_id).await?;
        // What was settled may have been this very call, cut short by a crash.
        if self.store.earlier_request(account, rotation.request.as_ref()).await?.is_some() {
            return self.get(context, id).await;
        }
        let record = self.store.connection(account, id).await?;
        if rotation.expected.is_some_and(|expected| expected != record.connection.revision) {
            return Err(etag_mismatch(id));
        }
        let settings = &record.connection.settings;
        let recipe = self.pools.engine(settings.engine)?.password_recipe();
        let recipe = recipe.ok_or_else(|| Error::unsupported(settings.engine.as_str(), "passwords"))?;
        let password = match rotation.password {
            Some(given) => password::check(&given).map(|()| given)?,
            None => recipe.make()?,
        };
        self.store.check_no_open_operation(account, id).await?;
        // What cannot log in now could not tell afterwards which password holds.
        self.pools.probe_registered(&record).await?;
        if rotation.validate_only {
            return Ok(record.connection.clone());
        }
        let pending = self.pending(&record, &password, rotation.request)?;
        let service = self.clone();
        // The caller may go away; what was begun is brought to its end all the same.
        let work = self.pools.tracker().spawn(async move {
            let _turn = turn;
            service.store.insert_pending_credential(&pending).await?;
            service.carry_out(&record, &pending).await
        });
        work.await.map_err(Error::internal)??;
        self.get(context, id).await
    }

    /// Settles what earlier rotations have left open, where their databases answer. Returns how many are still open.
    pub async fn settle_all(&self) -> Result<usize> {
        let mut open = 0;
        for (account, id) in self.store.connections_with_pending_credentials().await? {
            // One that is being changed is settled by the call that changes it.
            let Ok(turn) = self.turns.take(&account, &id) else { continue };
            match self.settle(&turn, &RequestId::generate()).await {
                Ok(()) => tracing::info!(connection = %id, "rotation of credentials settled"),
                Err(error) => {
                    open += 1;
                    tracing::warn!(connection = %id, error = %error, "rotation of credentials not settled");
                }
            }
        }
        Ok(open)
    }

    /// Settles what an earlier rotation of a connection has left open, so that the store tells the truth. Like the rotation
    /// itself it comes to its end although the caller goes away. `request` is the call that it is done for.
    pub(super) async fn settle(&self, turn: &Turn, request: &RequestId) -> Result<()> {
        let (account, id) = &turn.0.place;
        let Some(pending) = self.store.pending_credential(account, id).await? else { return Ok(()) };
        let (service, turn, request) = (self.clone(), turn.clone(), request.clone());
        let work = async move {
            let _turn = turn;
            service.settle_pending(&pending, &request).await
        };
        self.pools.tracker().spawn(work.in_current_span()).await.map_err(Error::internal)?
    }

    async fn settle_pending(&self, pending: &PendingCredential, request: &RequestId) -> Result<()> {
        let record = self.store.connection(&pending.account, &pending.connection).await?;
        if record.connection.credential_revision + 1 != pending.credential_revision {
            // The caller has given other credentials meanwhile; those hold.
            return self.store.abandon_pending_credential(pending).await;
        }
        let new = self.with_pending(&record, pending)?;
        match self.pools.probe(new).await {
            Ok(_) => self.recorded(pending, request, self.commit(pending)).await,
            Err(error) if refused(&error) => self.recorded(pending, request, self.carry_out(&record, pending)).await,
            Err(error) => Err(error),
        }
    }

    /// Changes the database or the store, and leaves that in the audit log of the account as an act of the server's own: the call
    /// that asked for it ended long ago, or is one that only looks.
    async fn recorded(
        &self,
        pending: &PendingCredential,
        request: &RequestId,
        work: impl Future<Output = Result<()>> + Send,
    ) -> Result<()> {
        let Some(record) = &self.record else { return work.await };
        let (account, actor) = (pending.account.clone(), SERVER_ACTOR.to_owned());
        let call = AuditedCall {
            resources: vec![name::connection(&pending.connection)],
            ..AuditedCall::new(account, actor, String::new(), SETTLE.to_owned(), request)
        };
        record.recorded(call, Box::pin(work)).await
    }

    /// Tells the database, finds out by a login whether it has heard, and brings the store to the same.
    async fn carry_out(&self, record: &ConnectionRecord, pending: &PendingCredential) -> Result<()> {
        let (old, new) = (self.with_stored(record)?, self.with_pending(record, pending)?);
        let engine = self.pools.engine(record.connection.settings.engine)?;
        let told = engine.change_password(&old, &new.credentials.password).await;
        let error = match (self.pools.probe(new).await, told) {
            (Ok(_), _) => return self.commit(pending).await,
            // It may have heard; the next look will tell.
            (Err(error), _) if !refused(&error) => return Err(unsettled(error)),
            (_, Err(error)) if error.kind() == ErrorKind::Unavailable => return Err(unsettled(error)),
            (Err(_), Err(told)) => told,
            (Err(error), Ok(())) => return Err(not_taken(error)),
        };
        match self.pools.probe(old).await {
            Ok(_) => {
                self.store.abandon_pending_credential(pending).await?;
                Err(error.context("the password was not changed"))
            }
            Err(error) if !refused(&error) => Err(unsettled(error)),
            Err(error) => Err(Error::new(
                Reason::CredentialsRejected,
                "the database accepts neither the password that is stored nor the one that was to be set; \
                 both are kept; give the right one with UpdateConnection",
            )
            .caused_by(error)),
        }
    }

    async fn commit(&self, pending: &PendingCredential) -> Result<()> {
        self.store.commit_pending_credential(pending).await?;
        self.pools.close(&pending.account, &pending.connection);
        Ok(())
    }

    /// Seals the new password, and the key that stays, for the version that they will have.
    fn pending(
        &self,
        record: &ConnectionRecord,
        password: &SecretString,
        request: Option<RequestKey>,
    ) -> Result<PendingCredential> {
        let given = Secrets { password: Some(password.clone()), client_key_pem: None };
        let secrets = self.kept(record, given)?;
        let mut connection = record.connection.clone();
        connection.credential_revision += 1;
        let sealed = self.sealed(&record.account, connection, &secrets)?;
        Ok(PendingCredential {
            account: record.account.clone(),
            connection: record.connection.id.clone(),
            credential_revision: sealed.connection.credential_revision,
            sealed_password: sealed.sealed_password.ok_or_else(|| Error::internal("a password was not sealed"))?,
            sealed_client_key: sealed.sealed_client_key,
            request,
        })
    }

    /// The database with the credentials that are stored.
    fn with_stored(&self, record: &ConnectionRecord) -> Result<Target> {
        let revision = record.connection.credential_revision;
        self.with(record, revision, record.sealed_password.as_deref(), record.sealed_client_key.as_deref())
    }

    /// The database with the credentials of an intent.
    fn with_pending(&self, record: &ConnectionRecord, pending: &PendingCredential) -> Result<Target> {
        let key = pending.sealed_client_key.as_deref();
        self.with(record, pending.credential_revision, Some(&pending.sealed_password), key)
    }

    fn with(
        &self,
        record: &ConnectionRecord,
        revision: u64,
        sealed_password: Option<&[u8]>,
        sealed_client_key: Option<&[u8]>,
    ) -> Result<Target> {
        let resource = name::connection(&record.connection.id);
        let open = |field, sealed: Option<&[u8]>| {
            let scope = SecretScope::new(&record.account, &resource, field, revision);
            sealed.map(|sealed| self.vault.open_secret(&scope, sealed)).transpose()
        };
        Ok(Target {
            account: record.account.clone(),
            connection: Some(record.connection.id.clone()),
            settings: record.connection.settings.clone(),
            credentials: Credentials {
                password: open(PASSWORD_FIELD, sealed_password)?.unwrap_or_else(|| SecretString::from("")),
                client_key_pem: open(CLIENT_KEY_FIELD, sealed_client_key)?,
            },
        })
    }
}

/// The database has looked at the password and does not take it. Any other failure says nothing about the password.
fn refused(error: &Error) -> bool {
    error.reason() == Reason::CredentialsRejected
}

/// The database has the new password, and a login with it is refused. Both passwords are kept: the one that is
/// forgotten may be the only one that opens the database tomorrow.
fn not_taken(error: Error) -> Error {
    Error::new(
        Reason::CredentialsRejected,
        "the database has taken the new password, but a login with it is refused, as happens where a pooler or a directory \
         checks passwords from a list of its own; both passwords are kept and the change is tried again; bring that list up \
         to date, or give the password that holds with UpdateConnection",
    )
    .caused_by(error)
}

/// The database does not answer in the middle of a change.
fn unsettled(error: Error) -> Error {
    error.context(
        "the new password is stored and it is not known yet whether the database has it; that is found out as soon as it \
         answers, and the change is brought to its end",
    )
}
