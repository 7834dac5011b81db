//! What a caller says of a database, before defaults and rules.

use std::{collections::BTreeMap, time::Duration};

use secrecy::SecretString;

use crate::model::{
    ConnectionId,
    connection::{ConnectionSettings, EngineKind, TlsMode},
};

/// Settings as they were given. Absent or zero: the default.
#[derive(Debug, Default)]
pub struct ConnectionInput {
    /// What people call it.
    pub display_name: String,
    /// The engine.
    pub engine: Option<EngineKind>,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u32,
    /// Database or path.
    pub database: String,
    /// User.
    pub username: String,
    /// Password.
    pub password: Option<SecretString>,
    /// TLS.
    pub tls: TlsInput,
    /// Limits of the pool.
    pub pool: PoolInput,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Never changed by dbkeeper.
    pub read_only: bool,
    /// Replicas that reads may go to.
    pub replicas: ReplicaInput,
}

/// Replicas as they were given.
#[derive(Debug, Default, Clone)]
pub struct ReplicaInput {
    /// Other connections.
    pub connections: Vec<ConnectionId>,
    /// How far behind one may be.
    pub max_lag: Option<Duration>,
}

/// TLS as it was given.
#[derive(Debug, Default)]
pub struct TlsInput {
    /// How the traffic is protected.
    pub mode: Option<TlsMode>,
    /// CA certificates in PEM.
    pub ca_pem: String,
    /// Client certificate chain in PEM.
    pub client_cert_pem: String,
    /// Its private key in PEM.
    pub client_key_pem: Option<SecretString>,
}

/// Limits of a pool as they were given.
#[derive(Debug, Default, Clone)]
pub struct PoolInput {
    /// Most connections; 0: the default.
    pub max_connections: u32,
    /// Connections kept open.
    pub min_idle: u32,
    /// Longest wait for a lease.
    pub acquire_timeout: Option<Duration>,
    /// A connection idle for longer is closed.
    pub idle_timeout: Option<Duration>,
    /// A connection older than this is closed.
    pub max_lifetime: Option<Duration>,
    /// Longest a statement of our own may run.
    pub statement_timeout: Option<Duration>,
}

impl ConnectionInput {
    /// Stored settings as if they were given again, without secrets.
    pub fn from_settings(settings: &ConnectionSettings) -> Self {
        let pool = &settings.pool;
        Self {
            display_name: settings.display_name.clone(),
            engine: Some(settings.engine),
            host: settings.host.clone(),
            port: u32::from(settings.port),
            database: settings.database.clone(),
            username: settings.username.clone(),
            password: None,
            tls: TlsInput {
                mode: Some(settings.tls.mode),
                ca_pem: settings.tls.ca_pem.clone(),
                client_cert_pem: settings.tls.client_cert_pem.clone(),
                client_key_pem: None,
            },
            pool: PoolInput {
                max_connections: pool.max_connections,
                min_idle: pool.min_idle,
                acquire_timeout: Some(pool.acquire_timeout),
                idle_timeout: Some(pool.idle_timeout),
                max_lifetime: Some(pool.max_lifetime),
                statement_timeout: Some(pool.statement_timeout),
            },
            labels: settings.labels.clone(),
            read_only: settings.read_only,
            replicas: ReplicaInput {
                connections: settings.replicas.connections.clone(),
                max_lag: Some(settings.replicas.max_lag),
            },
        }
    }
}

/// One change to settings.
#[derive(Debug)]
pub enum Change {
    /// `display_name`.
    DisplayName(String),
    /// `engine`; only the one that it has passes.
    Engine(Option<EngineKind>),
    /// `host`.
    Host(String),
    /// `port`.
    Port(u32),
    /// `database`.
    Database(String),
    /// `username`.
    Username(String),
    /// `password`.
    Password(SecretString),
    /// `tls.mode`.
    TlsMode(Option<TlsMode>),
    /// `tls.ca_pem`.
    TlsCa(String),
    /// `tls.client_cert_pem`.
    TlsClientCert(String),
    /// `tls.client_key_pem`.
    TlsClientKey(SecretString),
    /// `pool.max_connections`.
    PoolMaxConnections(u32),
    /// `pool.min_idle`.
    PoolMinIdle(u32),
    /// `pool.acquire_timeout`.
    PoolAcquireTimeout(Option<Duration>),
    /// `pool.idle_timeout`.
    PoolIdleTimeout(Option<Duration>),
    /// `pool.max_lifetime`.
    PoolMaxLifetime(Option<Duration>),
    /// `pool.statement_timeout`.
    PoolStatementTimeout(Option<Duration>),
    /// `labels`, as a whole.
    Labels(BTreeMap<String, String>),
    /// `read_only`.
    ReadOnly(bool),
    /// `replicas.connections`, as a whole.
    Replicas(Vec<ConnectionId>),
    /// `replicas.max_lag`.
    ReplicaMaxLag(Option<Duration>),
}

/// The changes of an update, as its mask selects them.
#[derive(Debug, Default)]
pub struct ConnectionPatch(pub Vec<Change>);

impl ConnectionPatch {
    /// Makes the changes.
    pub fn apply(self, input: &mut ConnectionInput) {
        for change in self.0 {
            match change {
                Change::DisplayName(value) => input.display_name = value,
                Change::Engine(value) => input.engine = value,
                Change::Host(value) => input.host = value,
                Change::Port(value) => input.port = value,
                Change::Database(value) => input.database = value,
                Change::Username(value) => input.username = value,
                Change::Password(value) => input.password = Some(value),
                Change::TlsMode(value) => input.tls.mode = value,
                Change::TlsCa(value) => input.tls.ca_pem = value,
                Change::TlsClientCert(value) => input.tls.client_cert_pem = value,
                Change::TlsClientKey(value) => input.tls.client_key_pem = Some(value),
                Change::PoolMaxConnections(value) => input.pool.max_connections = value,
                Change::PoolMinIdle(value) => input.pool.min_idle = value,
                Change::PoolAcquireTimeout(value) => input.pool.acquire_timeout = value,
                Change::PoolIdleTimeout(value) => input.pool.idle_timeout = value,
                Change::PoolMaxLifetime(value) => input.pool.max_lifetime = value,
                Change::PoolStatementTimeout(value) => input.pool.statement_timeout = value,
                Change::Labels(value) => input.labels = value,
                Change::ReadOnly(value) => input.read_only = value,
                Change::Replicas(value) => input.replicas.connections = value,
                Change::ReplicaMaxLag(value) => input.replicas.max_lag = value,
            }
        }
    }

    /// A password is among the changes.
    pub fn sets_password(&self) -> bool {
        self.0.iter().any(|change| matches!(change, Change::Password(_)))
    }
}
