//! Registered databases: settings and sealed credentials, and how the databases behind them are.

pub mod delete;
pub mod details;
pub mod filter;
pub mod health;
mod history;
pub mod input;
pub mod order;
mod pools;
pub mod rotation;
mod rules;

use std::sync::Arc;

use futures::{StreamExt, stream};
use secrecy::SecretString;

use delete::Removal;
use filter::ConnectionFilter;
use history::StatusHistory;
pub use history::{StatusEvent, StatusWatch};
use input::{ConnectionInput, ConnectionPatch};
use order::ConnectionOrder;
pub use pools::{OpenPool, PoolTotals};

use crate::{
    engine::{Credentials, Probe, Target},
    model::{
        AccountId, CallContext, ConnectionId, Error, ErrorKind, Permission, Reason, RequestKey, Result, Timestamp,
        connection::{Capabilities, Connection, ConnectionSettings, ConnectionState},
        name,
        on_record::OnRecord,
        page::{Page, PageRequest},
    },
    operation::Operations,
    pool::{CLIENT_KEY_FIELD, Lease, PASSWORD_FIELD, Pools, share_pool},
    service::{backup::BackupService, replicas::Readers},
    store::{
        Store,
        connection::{ConnectionRecord, etag_mismatch, exists},
        request::Inserted,
    },
    vault::{SecretScope, Vault},
};

/// Databases of a page of statuses that are tested at one time.
const PARALLEL_TESTS: usize = 5;

/// Which connections are listed, and how.
#[derive(Debug, Clone)]
pub struct ListConnections {
    /// Which.
    pub filter: ConnectionFilter,
    /// In what order.
    pub order: ConnectionOrder,
    /// Which page.
    pub page: PageRequest,
}

/// What is tested.
pub enum TestTarget {
    /// A registered database.
    Registered(ConnectionId),
    /// Settings that are not registered.
    Settings(Box<ConnectionInput>),
}

/// Registered databases. Cheap to clone.
#[derive(Clone)]
pub struct ConnectionService {
    store: Store,
    vault: Arc<Vault>,
    pools: Pools,
    history: Arc<StatusHistory>,
    readers: Arc<Readers>,
    removal: Option<Removal>,
    record: Option<Arc<dyn rotation::ServerRecord>>,
    turns: rotation::Turns,
}

impl ConnectionService {
    /// A service over the store, the vault and the pools.
    pub fn new(store: Store, vault: Arc<Vault>, pools: Pools) -> Self {
        let history = Arc::new(StatusHistory::new(store.clone()));
        let readers = Arc::new(Readers::new(pools.clone(), store.clone()));
        Self { store, vault, pools, history, readers, removal: None, record: None, turns: rotation::Turns::default() }
    }

    /// The same service, which can delete a connection with what depends on it.
    #[must_use]
    pub fn with_removal(self, operations: Operations, backups: Arc<BackupService>) -> Self {
        Self { removal: Some(Removal { operations, backups }), ..self }
    }

    /// The same service, which leaves a record of the rotations that it brings to their end.
    #[must_use]
    pub fn with_record(self, record: Arc<dyn rotation::ServerRecord>) -> Self {
        Self { record: Some(record), ..self }
    }

    /// Where reads find their database: a replica, where the connection names some.
    pub fn readers(&self) -> Arc<Readers> {
        self.readers.clone()
    }

    /// Registers a database without dialling it.
    pub async fn create(
        &self,
        context: &CallContext,
        id: Option<ConnectionId>,
        input: ConnectionInput,
        request: Option<&RequestKey>,
        validate_only: bool,
    ) -> Result<Connection> {
        if let Some(resource) = self.store.earlier_request(context.account(), request).await? {
            return self.get(context, &name::parse_connection(&resource, "name")?).await;
        }
        let (settings, secrets) = self.checked(context.account(), input)?;
        let id = id.unwrap_or_else(ConnectionId::generate);
        self.check_replicas(context.account(), &id, &settings).await?;
        let now = Timestamp::now();
        let connection = Connection {
            id,
            settings,
            password_set: false,
            client_key_set: false,
            state: ConnectionState::Untested,
            health: None,
            server_version: String::new(),
            created: now,
            updated: now,
            last_tested: None,
            revision: 1,
            credential_revision: 1,
        };
        let record = self.sealed(context.account(), connection, &secrets)?;
        if validate_only {
            return match self.get(context, &record.connection.id).await {
                Ok(taken) => Err(exists(&taken.id)),
                Err(error) if error.reason() == Reason::ConnectionNotFound => Ok(record.connection),
                Err(error) => Err(error),
            };
        }
        match self.store.insert_connection(&record, request).await? {
            Inserted::New => Ok(record.connection),
            Inserted::Earlier(resource) => self.get(context, &name::parse_connection(&resource, "name")?).await,
        }
    }

    /// One registered database.
    pub async fn get(&self, context: &CallContext, id: &ConnectionId) -> Result<Connection> {
        let mut connection = self.store.connection(context.account(), id).await?.connection.clone();
        self.pools.statuses().overlay(context.account(), &mut connection);
        Ok(connection)
    }

    /// A page of registered databases, with the count of all that match.
    pub async fn list(&self, context: &CallContext, list: &ListConnections) -> Result<Page<Connection>> {
        let records = self.store.connections(context.account()).await?;
        let connections = records.into_iter().map(|record| {
            let mut connection = record.connection;
            self.pools.statuses().overlay(context.account(), &mut connection);
            connection
        });
        list.order.page(connections, &list.filter, &list.page)
    }

    /// Changes a registered database. Its pool is closed where anything changed that the pool was made with.
    pub async fn update(
        &self,
        context: &CallContext,
        id: &ConnectionId,
        patch: ConnectionPatch,
        expected: Option<u64>,
        validate_only: bool,
    ) -> Result<Connection> {
        let turn = self.turns.take(context.account(), id)?;
        if !patch.sets_password() && !validate_only {
            self.settle(&turn, &context.request_id).await?;
        }
        let current = self.store.connection(context.account(), id).await?;
        let revision = current.connection.revision;
        if expected.is_some_and(|expected| expected != revision) {
            return Err(etag_mismatch(id));
        }
        rules::check_password_given_again(&current.connection, &patch)?;
        let mut input = ConnectionInput::from_settings(&current.connection.settings);
        patch.apply(&mut input);
        let (settings, secrets) = self.checked(context.account(), input)?;
        self.check_replicas(context.account(), id, &settings).await?;

        let mut connection = current.connection.clone();
        connection.settings = settings;
        connection.revision += 1;
        connection.updated = Timestamp::now();
        let record = if secrets.is_empty() {
            ConnectionRecord { connection, ..(*current).clone() }
        } else {
            let secrets = self.kept(&current, secrets)?;
            connection.credential_revision += 1;
            self.sealed(context.account(), connection, &secrets)?
        };
        if validate_only {
            return Ok(record.connection);
        }
        self.store.update_connection(&record, revision).await?;
        if !share_pool(&record, &current) {
            self.pools.close(context.account(), id);
        }
        self.get(context, id).await
    }

    /// Dials and authenticates on a connection of its own. A registered database is dialled at once, and is told nothing
    /// before the call is on record. The inner error is the answer of the database, the outer one that the call cannot be made.
    pub async fn test(&self, context: &CallContext, target: TestTarget, on_record: &OnRecord) -> Result<Result<Probe>> {
        let outcome = self.probe(context, target, on_record).await?;
        match outcome {
            // A fault on our side is no answer of the database.
            Err(error)
                if matches!(error.kind(), ErrorKind::Internal | ErrorKind::DataLoss | ErrorKind::Unimplemented) =>
            {
                Err(error)
            }
            outcome => Ok(outcome),
        }
    }

    async fn probe(&self, context: &CallContext, target: TestTarget, on_record: &OnRecord) -> Result<Result<Probe>> {
        match target {
            TestTarget::Registered(id) => {
                let account = context.account();
                let (pending, mut record) =
                    tokio::try_join!(self.store.pending_credential(account, &id), self.store.connection(account, &id))?;
                // A rotation that is under way or that cannot be settled leaves the stored password to be tested.
                if pending.is_some()
                    && let Ok(turn) = self.turns.take(account, &id)
                {
                    on_record.wait().await?;
                    if let Err(error) = self.settle(&turn, &context.request_id).await {
                        tracing::warn!(connection = %id, error = %error, "rotation of credentials not settled");
                    }
                    record = self.store.connection(account, &id).await?;
                }
                Ok(self.pools.test_registered(&record, on_record).await)
            }
            TestTarget::Settings(input) => {
                on_record.wait().await?;
                let (settings, secrets) = self.checked(context.account(), *input)?;
                let credentials = Credentials {
                    password: secrets.password.unwrap_or_else(|| SecretString::from("")),
                    client_key_pem: secrets.client_key_pem,
                };
                let target = Target { account: context.account().clone(), connection: None, settings, credentials };
                Ok(self.pools.probe(target).await)
            }
        }
    }

    /// How a page of registered databases was when last seen, or, with `refresh`, is now, and the sequence from which a
    /// watcher misses nothing. PERMISSION_MISSING where the caller may not test and asks for a refresh.
    pub async fn statuses(
        &self,
        context: &CallContext,
        list: &ListConnections,
        refresh: bool,
    ) -> Result<(Page<Connection>, u64)> {
        if refresh {
            context.caller.require(Permission::Operate)?;
        }
        // Read first: a change between the two is told again rather than lost.
        let sequence = self.store.transition_sequence(context.account()).await?;
        let mut page = self.list(context, list).await?;
        if refresh {
            page.items = stream::iter(page.items)
                .map(|connection| self.refreshed(context, connection))
                .buffered(PARALLEL_TESTS)
                .filter_map(|connection| async { connection })
                .collect()
                .await;
        }
        Ok((page, sequence))
    }

    /// Watches the changes of state of all registered databases or of one, from after a sequence; absent: from now on.
    pub async fn watch_statuses(
        &self,
        context: &CallContext,
        connection: Option<ConnectionId>,
        after: Option<u64>,
    ) -> Result<StatusWatch> {
        self.history.watch(context.account(), connection, after).await
    }

    /// Tests one database; absent where it was deleted meanwhile. One that refused the password is left alone: a list that is
    /// refreshed again and again would lock its user out.
    async fn refreshed(&self, context: &CallContext, connection: Connection) -> Option<Connection> {
        if connection.refused_password() {
            return Some(connection);
        }
        let record = self.store.connection(context.account(), &connection.id).await.ok()?;
        // What the test finds stands in the status that is read next.
        let _ = self.pools.probe_registered(&record).await;
        self.get(context, &connection.id).await.ok()
    }

    /// What can be done with a database.
    pub async fn capabilities(&self, context: &CallContext, id: &ConnectionId) -> Result<Capabilities> {
        let lease = self.pools.database(context.account(), id).await?;
        lease.run(Self::capabilities_of(&lease)).await
    }

    async fn capabilities_of(lease: &Lease) -> Result<Capabilities> {
        let capabilities = lease.capabilities().await?;
        let full_text_indexes = lease.require_describe()?.full_text_indexes().await?;
        Ok(Capabilities { server: lease.server().clone(), capabilities, full_text_indexes })
    }

    /// Fills in defaults and checks every rule, the engine's own included.
    fn checked(&self, account: &AccountId, input: ConnectionInput) -> Result<(ConnectionSettings, Secrets)> {
        let engine = input.engine.map(|kind| self.pools.engine(kind)).transpose()?;
        let (settings, secrets) = rules::check(input, engine.and_then(|engine| engine.default_port()))?;
        self.pools.engine(settings.engine)?.check_settings(account, &settings)?;
        Ok((settings, secrets))
    }

    /// Replicas must be other connections of the account, of the same engine, without replicas of their own.
    async fn check_replicas(
        &self,
        account: &AccountId,
        id: &ConnectionId,
        settings: &ConnectionSettings,
    ) -> Result<()> {
        let mut faults = Vec::new();
        for (index, replica) in settings.replicas.connections.iter().enumerate() {
            let fault = match self.store.connection(account, replica).await {
                _ if replica == id => "is the connection itself",
                Ok(record) if record.connection.settings.engine != settings.engine => "is of another engine",
                Ok(record) if !record.connection.settings.replicas.connections.is_empty() => "has replicas of its own",
                Ok(_) => continue,
                Err(error) if error.reason() == Reason::ConnectionNotFound => "does not exist; register it first",
                Err(error) => return Err(error),
            };
            faults.push((format!("replicas.connections[{index}]"), format!("{} {fault}", name::connection(replica))));
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::invalid_fields(faults)) }
    }

    /// The secrets of a record with those that were given again in place of the old: both are sealed for the new version.
    fn kept(&self, current: &ConnectionRecord, given: Secrets) -> Result<Secrets> {
        let resource = name::connection(&current.connection.id);
        let open = |field, sealed: &Option<Vec<u8>>| {
            let version = current.connection.credential_revision;
            let scope = SecretScope::new(&current.account, &resource, field, version);
            sealed.as_deref().map(|sealed| self.vault.open_secret(&scope, sealed)).transpose()
        };
        let password = match given.password {
            Some(password) => Some(password),
            None => open(PASSWORD_FIELD, &current.sealed_password)?,
        };
        let client_key_pem = match given.client_key_pem {
            Some(key) => Some(key),
            None => open(CLIENT_KEY_FIELD, &current.sealed_client_key)?,
        };
        Ok(Secrets { password, client_key_pem })
    }

    fn sealed(&self, account: &AccountId, mut connection: Connection, secrets: &Secrets) -> Result<ConnectionRecord> {
        let resource = name::connection(&connection.id);
        let version = connection.credential_revision;
        let seal = |field, secret: &Option<SecretString>| {
            let scope = SecretScope::new(account, &resource, field, version);
            secret.as_ref().map(|secret| self.vault.seal(&scope, secret)).transpose()
        };
        let sealed_password = seal(PASSWORD_FIELD, &secrets.password)?;
        let sealed_client_key = seal(CLIENT_KEY_FIELD, &secrets.client_key_pem)?;
        connection.password_set = sealed_password.is_some();
        connection.client_key_set = sealed_client_key.is_some();
        Ok(ConnectionRecord { account: account.clone(), connection, sealed_password, sealed_client_key })
    }
}

/// The secrets of a connection, in clear, on their way to the vault or to an engine.
#[derive(Default)]
struct Secrets {
    password: Option<SecretString>,
    client_key_pem: Option<SecretString>,
}

impl Secrets {
    fn is_empty(&self) -> bool {
        self.password.is_none() && self.client_key_pem.is_none()
    }
}
