//! A registered database: its settings, what is known of it, what can be done with it.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    error::{Error, Reason},
    facts::FullTextIndex,
    id::{AccountId, ConnectionId},
    time::Timestamp,
};

/// A database engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// PostgreSQL.
    Postgresql,
    /// MySQL and MariaDB.
    Mysql,
    /// SQLite.
    Sqlite,
}

impl EngineKind {
    /// As it is stored and logged.
    pub const fn as_str(self) -> &'static str {
        match self {
            EngineKind::Postgresql => "postgresql",
            EngineKind::Mysql => "mysql",
            EngineKind::Sqlite => "sqlite",
        }
    }

    /// Reads what `as_str` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Postgresql, Self::Mysql, Self::Sqlite].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// How the traffic to a database is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsMode {
    /// In clear.
    Disabled,
    /// Encrypted, certificate not looked at.
    Required,
    /// Certificate from a known CA.
    VerifyCa,
    /// And for the host that is dialled.
    VerifyFull,
}

/// TLS towards a database, without the private key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsSettings {
    /// How the traffic is protected.
    pub mode: TlsMode,
    /// CA certificates in PEM; empty: the public CAs.
    pub ca_pem: String,
    /// Client certificate chain in PEM; empty: none.
    pub client_cert_pem: String,
}

/// Limits of a pool, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolSettings {
    /// Most connections at one time.
    pub max_connections: u32,
    /// Connections kept open.
    pub min_idle: u32,
    /// Longest wait for a lease.
    pub acquire_timeout: Duration,
    /// A connection idle for longer is closed.
    pub idle_timeout: Duration,
    /// A connection older than this is closed.
    pub max_lifetime: Duration,
    /// Longest a statement of our own may run.
    pub statement_timeout: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            max_connections: 10,
            min_idle: 0,
            acquire_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(300),
            max_lifetime: Duration::from_secs(1800),
            statement_timeout: Duration::from_secs(30),
        }
    }
}

/// Replicas of a database that reads may go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaSettings {
    /// Other connections of the account.
    pub connections: Vec<ConnectionId>,
    /// How far behind one may be.
    pub max_lag: Duration,
}

impl Default for ReplicaSettings {
    fn default() -> Self {
        Self { connections: Vec::new(), max_lag: Duration::from_secs(10) }
    }
}

/// What a caller sets on a registered database, secrets apart, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionSettings {
    /// What people call it, 1 to 100 characters.
    pub display_name: String,
    /// The engine.
    pub engine: EngineKind,
    /// Host name, address, or path of a Unix socket; empty for SQLite.
    pub host: String,
    /// Port; 0 for SQLite.
    pub port: u16,
    /// Database, or path under the SQLite root.
    pub database: String,
    /// User; empty for SQLite.
    pub username: String,
    /// TLS.
    pub tls: TlsSettings,
    /// Limits of the pool.
    pub pool: PoolSettings,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Never migrated, never restored into.
    pub read_only: bool,
    /// Replicas that reads may go to.
    #[serde(default)]
    pub replicas: ReplicaSettings,
}

impl ConnectionSettings {
    /// Key of a database on the server that these settings lead to, the same for every connection that names it so.
    /// Two names of one host give two keys: the locks on the database itself hold there.
    pub fn database_key(&self, account: &AccountId, database: &str) -> String {
        match self.engine {
            EngineKind::Sqlite => format!("sqlite|{account}|{database}"),
            engine => format!("{}|{}|{}|{database}", engine.as_str(), self.host.to_ascii_lowercase(), self.port),
        }
    }

    /// Whether these settings lead to the same database by the same way as others: what is known of reaching one of them
    /// holds for the other.
    pub fn reaches_the_same(&self, other: &Self) -> bool {
        let way = |settings: &Self| {
            let Self { engine, host, port, database, username, tls, .. } = settings.clone();
            (engine, host, port, database, username, tls)
        };
        way(self) == way(other)
    }

    /// Whether a pool that was made for these settings is right for others: they may differ in what people call the
    /// connection, in its labels and in its replicas.
    pub fn shares_pool_with(&self, other: &Self) -> bool {
        self.reaches_the_same(other) && self.pool == other.pool && self.read_only == other.read_only
    }
}

/// Whether a host is the path of a Unix socket. No name and no address begins so.
pub fn is_socket(host: &str) -> bool {
    host.starts_with('/')
}

/// What is known of reaching a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionState {
    /// Never dialled since it was registered or changed.
    Untested,
    /// Answered and authenticated.
    Online,
    /// Not reached.
    Offline,
    /// Answered and refused.
    Refused,
}

impl ConnectionState {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Untested => "untested",
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Refused => "refused",
        }
    }

    /// Reads what `as_str` wrote; anything else is untested.
    pub fn parse(text: &str) -> Self {
        [Self::Online, Self::Offline, Self::Refused]
            .into_iter()
            .find(|state| state.as_str() == text)
            .unwrap_or(Self::Untested)
    }
}

/// Why a database could not be used, as an answer and not as an error of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionFailure {
    /// Text of the reason.
    pub reason: String,
    /// What went wrong.
    pub message: String,
    /// SQLSTATE; empty: none.
    pub sql_state: String,
    /// Number of the vendor; 0: none.
    pub vendor_code: i32,
    /// What to do.
    pub hint: String,
}

impl ConnectionFailure {
    /// From the error that an engine gave. Metadata `sql_state`, `vendor_code` and `hint` are taken over.
    pub fn from_error(error: &Error) -> Self {
        let fact = |key| error.metadata(key).unwrap_or_default().to_owned();
        Self {
            reason: error.reason().as_str().to_owned(),
            message: error.message().to_owned(),
            sql_state: fact("sql_state"),
            vendor_code: fact("vendor_code").parse().unwrap_or(0),
            hint: fact("hint"),
        }
    }
}

/// The last look at a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionHealth {
    /// When.
    pub checked: Timestamp,
    /// How long dial, authentication and one round trip took.
    pub response_time: Duration,
    /// What went wrong.
    pub failure: Option<ConnectionFailure>,
}

/// A change of what is known of reaching a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateTransition {
    /// Place in the changes of the account, from 1.
    pub sequence: u64,
    /// Which database.
    pub connection: ConnectionId,
    /// The state before; absent: it was not registered.
    pub previous: Option<ConnectionState>,
    /// The state now; absent: it was deleted.
    pub state: Option<ConnectionState>,
    /// What went wrong, where it is down.
    pub failure: Option<ConnectionFailure>,
    /// When it changed.
    pub time: Timestamp,
}

/// A registered database as the service hands it out: no secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// Its settings.
    pub settings: ConnectionSettings,
    /// A password is stored.
    pub password_set: bool,
    /// A client key is stored.
    pub client_key_set: bool,
    /// What is known of reaching it.
    pub state: ConnectionState,
    /// The last look at it.
    pub health: Option<ConnectionHealth>,
    /// Version that its server last reported; empty: never.
    pub server_version: String,
    /// When it was registered.
    pub created: Timestamp,
    /// When its settings last changed.
    pub updated: Timestamp,
    /// When it was last tested.
    pub last_tested: Option<Timestamp>,
    /// Version of the settings, from 1; the etag.
    pub revision: u64,
    /// Version of the credentials, from 1.
    pub credential_revision: u64,
}

impl Connection {
    /// About how many bytes it takes in an answer.
    pub fn approximate_bytes(&self) -> usize {
        const FIXED: usize = 512;
        let settings = &self.settings;
        let failure = self.health.as_ref().and_then(|health| health.failure.as_ref());
        let texts = [
            settings.display_name.len(),
            settings.host.len(),
            settings.database.len(),
            settings.username.len(),
            settings.tls.ca_pem.len(),
            settings.tls.client_cert_pem.len(),
            settings.labels.iter().map(|(key, value)| key.len() + value.len() + 8).sum(),
            settings.replicas.connections.len() * 80,
            failure.map_or(0, |failure| failure.message.len() + failure.hint.len()),
            self.server_version.len(),
        ];
        FIXED + texts.iter().sum::<usize>()
    }

    /// The database did not take the password when it was last looked at. Asking again and again would lock the user out.
    pub fn refused_password(&self) -> bool {
        let failure = self.health.as_ref().and_then(|health| health.failure.as_ref());
        self.state == ConnectionState::Refused
            && failure.is_some_and(|failure| failure.reason == Reason::CredentialsRejected.as_str())
    }
}

/// Something that can be done with a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ability {
    /// Read the schema.
    Inspect,
    /// Apply migrations.
    Migrate,
    /// One transaction a migration.
    TransactionalDdl,
    /// Back up.
    Backup,
    /// Restore into it.
    Restore,
    /// Read metrics.
    Metrics,
    /// List the sessions of others.
    Sessions,
    /// Search texts by their words.
    FullTextSearch,
}

/// One ability of one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capability {
    /// Which.
    pub ability: Ability,
    /// It can be used as things are.
    pub supported: bool,
    /// What is missing; empty when supported.
    pub missing: String,
    /// The exact statement or command that mends it; empty where nothing does.
    pub remedy: String,
}

impl Capability {
    /// An ability that can be used.
    pub fn supported(ability: Ability) -> Self {
        Self { ability, supported: true, missing: String::new(), remedy: String::new() }
    }

    /// An ability that cannot be used, and what mends it.
    pub fn missing(ability: Ability, missing: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { ability, supported: false, missing: missing.into(), remedy: remedy.into() }
    }
}

/// What can be done with a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// Who answers.
    pub server: ServerInfo,
    /// One entry an ability.
    pub capabilities: Vec<Capability>,
    /// The first of the indexes for searching texts.
    pub full_text_indexes: Vec<FullTextIndex>,
}

/// Who answers at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// `PostgreSQL`, `MariaDB`, `MySQL`, `SQLite`.
    pub product: &'static str,
    /// Version as the server words it.
    pub version: String,
    /// Major and minor version, for comparisons.
    pub version_number: (u32, u32),
    /// The traffic is encrypted.
    pub tls_active: bool,
    /// What stands in front of the server; absent where nothing was noticed.
    pub pooler: Option<PoolerMode>,
}

/// How a pooler between us and the server lends out the server's sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolerMode {
    /// To one client until it goes. Nothing is lost.
    Session,
    /// To another client after each transaction: what belongs to a session is lost or meets another's.
    Transaction,
}

impl PoolerMode {
    /// What cannot be done through it; empty where nothing is lost.
    pub const fn lost(self) -> &'static str {
        match self {
            Self::Session => "",
            Self::Transaction => {
                "sessions are lent out by transaction, so that migrations, backups and restores cannot be run: their locks \
                 and settings would be lost or meet those of others"
            }
        }
    }

    /// What to do; empty where nothing is lost.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Session => "",
            Self::Transaction => {
                "give the connection the port of the database server itself, or set pool_mode = session for this database \
                 in the pooler"
            }
        }
    }
}

/// Figures of a pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolFigures {
    /// Connections open.
    pub size: u32,
    /// Of those, idle.
    pub idle: u32,
    /// Callers that wait.
    pub waiting: u32,
    /// The cap.
    pub max_connections: u32,
    /// Connections that are kept open.
    pub min_idle: u32,
    /// Connections opened.
    pub created: u64,
    /// Leases given.
    pub acquired: u64,
    /// Waits that ended without one.
    pub timed_out: u64,
    /// Sum of the waits.
    pub wait_time: Duration,
}
