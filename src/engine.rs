//! The databases that we manage.
//!
//! An [`Engine`] opens a database; a [`Database`] is a live one with a pool; its
//! abilities are objects of their own, so that an engine without one says so by
//! leaving it out. Each engine is one folder, one feature and one line in
//! [`Engines::new`]. Only these folders write SQL for a managed database.

pub mod advise;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod certificate;
pub mod dialect;
pub mod dump;
pub mod facts;
pub mod inspect;
pub mod migrate;
pub mod monitor;
#[cfg(feature = "mysql")]
pub mod mysql;
pub mod password;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg_attr(not(any(feature = "postgres", feature = "mysql")), expect(dead_code, reason = "SQLite is not dialled"))]
pub mod reach;
pub mod session_pool;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod tool;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use secrecy::SecretString;

pub use advise::Advise;
pub use dialect::Dialect;
pub use dump::{Dump, DumpReport, RunningDump};
pub use facts::Describe;
pub use inspect::{Inspect, InspectObjects, ReadDdl, SampleRows};
pub use migrate::{Migrate, MigrationSession};
pub use monitor::{Metrics, Sessions};
pub use password::PasswordRecipe;
pub use reach::Reach;
pub use session_pool::SessionLimits;

use crate::model::{
    AccountId, ConnectionId, Error, Result,
    connection::{Capability, ConnectionSettings, EngineKind, PoolFigures, ServerInfo},
    on_record::OnRecord,
};

/// The secrets that log in to a database, held only while it is opened.
pub struct Credentials {
    /// Password; empty where the database asks for none.
    pub password: SecretString,
    /// Private key of the client certificate in PEM.
    pub client_key_pem: Option<SecretString>,
}

/// Which database to open, and as whom.
pub struct Target {
    /// Whose it is; SQLite files live under a folder of the account.
    pub account: AccountId,
    /// Which it is; absent for settings that are not registered. For log fields only.
    pub connection: Option<ConnectionId>,
    /// Its settings, checked by [`Engine::check_settings`].
    pub settings: ConnectionSettings,
    /// Its secrets.
    pub credentials: Credentials,
}

/// What one look with fresh credentials found.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Who answered.
    pub server: ServerInfo,
    /// Time of dialling, authenticating and one round trip.
    pub latency: Duration,
}

/// What every engine is built with.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// SQLite databases of account `a` live under `<sqlite_root>/a`.
    pub sqlite_root: PathBuf,
    /// Files that a dump or a restore needs for a moment; same file system as the storage.
    pub scratch_directory: PathBuf,
    /// How databases on the network are dialled, and which of them may be.
    pub reach: Reach,
    /// One deadline over name look-up, dial, TLS and authentication. 10 s.
    pub dial_timeout: Duration,
    /// Folders that are looked through for tools before the PATH, the newest version first.
    pub tool_directories: Vec<PathBuf>,
    /// What the pools of all databases share.
    pub sessions: SessionLimits,
}

/// A kind of database.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Which kind.
    fn kind(&self) -> EngineKind;

    /// Port when the caller gives none; absent where the engine has none.
    fn default_port(&self) -> Option<u16>;

    /// Refuses settings that this engine cannot use, with all the fields at fault.
    /// Field paths are relative to the connection, such as `host` or `tls.mode`.
    fn check_settings(&self, account: &AccountId, settings: &ConnectionSettings) -> Result<()>;

    /// Dials, authenticates and makes one round trip on a connection of its own, which is closed again.
    /// Errors tell why in the reasons of [`crate::model::Reason`], with metadata `sql_state`, `vendor_code` and `hint`.
    async fn probe(&self, target: &Target) -> Result<Probe> {
        self.probe_on_record(target, &OnRecord::already()).await
    }

    /// The same for a call whose record is being written meanwhile. Until that is there the database is dialled at most, and not
    /// a byte is sent to it.
    async fn probe_on_record(&self, target: &Target, on_record: &OnRecord) -> Result<Probe>;

    /// How passwords are made for this engine; absent where its databases have none.
    fn password_recipe(&self) -> Option<PasswordRecipe> {
        None
    }

    /// Gives the user of a target another password on the server, on a connection of its own. The statement takes effect
    /// or does not; an error of the kind `Unavailable` leaves open which. ENGINE_UNSUPPORTED where there are no passwords.
    async fn change_password(&self, _target: &Target, _password: &SecretString) -> Result<()> {
        Err(Error::unsupported(self.kind().as_str(), "passwords"))
    }

    /// Opens a pool. Dials once, through no queue but that of the dials to one host, so that a wrong password shows here and
    /// not at the first use.
    async fn open(&self, target: Target) -> Result<Arc<dyn Database>>;
}

/// A live database with its pool. Work that owns a transaction must finish or roll back
/// even when the caller's future is dropped, so it runs in a task of its own or on a
/// connection that is closed instead of returned.
#[async_trait]
pub trait Database: Send + Sync {
    /// Which kind.
    fn kind(&self) -> EngineKind;

    /// Who answers; read when the pool was opened.
    fn server(&self) -> &ServerInfo;

    /// Figures of the pool.
    fn pool_figures(&self) -> PoolFigures;

    /// Closes the pool: new leases fail at once, leases that are out end with their work.
    async fn close(&self);

    /// Closes sessions that are too old or idle for too long, and opens those that `min_idle` lacks. Called every second
    /// or so, one call at a time.
    async fn tend(&self) {}

    /// Each ability with what is missing, by asking the database for its grants and settings.
    async fn capabilities(&self) -> Result<Vec<Capability>>;

    /// Reading the schema.
    fn inspect(&self) -> Option<&dyn Inspect> {
        None
    }

    /// Listing what is no table.
    fn inspect_objects(&self) -> Option<&dyn InspectObjects> {
        None
    }

    /// Writing the statements that make it again.
    fn read_ddl(&self) -> Option<&dyn ReadDdl> {
        None
    }

    /// Looking at rows.
    fn sample_rows(&self) -> Option<&dyn SampleRows> {
        None
    }

    /// Saying which indexes it lacks.
    fn advise(&self) -> Option<&dyn Advise> {
        None
    }

    /// Its SQL.
    fn dialect(&self) -> Option<&'static dyn Dialect> {
        None
    }

    /// Running migrations.
    fn migrate(&self) -> Option<&dyn Migrate> {
        None
    }

    /// Taking and restoring dumps.
    fn dump(&self) -> Option<&dyn Dump> {
        None
    }

    /// Reading metrics, on a lease that a busy pool cannot block.
    fn metrics(&self) -> Option<&dyn Metrics> {
        None
    }

    /// Listing sessions, on the same lease as the metrics.
    fn sessions(&self) -> Option<&dyn Sessions> {
        None
    }

    /// Telling of itself.
    fn describe(&self) -> Option<&dyn Describe> {
        None
    }
}

impl dyn Database + '_ {
    /// Reading the schema, or ENGINE_UNSUPPORTED.
    pub fn require_inspect(&self) -> Result<&dyn Inspect> {
        self.inspect().ok_or_else(|| Error::unsupported(self.kind().as_str(), "schema inspection"))
    }

    /// Listing what is no table, or ENGINE_UNSUPPORTED.
    pub fn require_inspect_objects(&self) -> Result<&dyn InspectObjects> {
        self.inspect_objects().ok_or_else(|| Error::unsupported(self.kind().as_str(), "lists of schema objects"))
    }

    /// Writing the statements that make it again, or ENGINE_UNSUPPORTED.
    pub fn require_read_ddl(&self) -> Result<&dyn ReadDdl> {
        self.read_ddl().ok_or_else(|| Error::unsupported(self.kind().as_str(), "statements that make a schema again"))
    }

    /// Looking at rows, or ENGINE_UNSUPPORTED.
    pub fn require_sample_rows(&self) -> Result<&dyn SampleRows> {
        self.sample_rows().ok_or_else(|| Error::unsupported(self.kind().as_str(), "samples of rows"))
    }

    /// Saying which indexes it lacks, or ENGINE_UNSUPPORTED.
    pub fn require_advise(&self) -> Result<&dyn Advise> {
        self.advise().ok_or_else(|| Error::unsupported(self.kind().as_str(), "advice on indexes"))
    }

    /// Its SQL, or ENGINE_UNSUPPORTED.
    pub fn require_dialect(&self) -> Result<&'static dyn Dialect> {
        self.dialect().ok_or_else(|| Error::unsupported(self.kind().as_str(), "generated statements"))
    }

    /// Running migrations, or ENGINE_UNSUPPORTED.
    pub fn require_migrate(&self) -> Result<&dyn Migrate> {
        self.migrate().ok_or_else(|| Error::unsupported(self.kind().as_str(), "migrations"))
    }

    /// Taking and restoring dumps, or ENGINE_UNSUPPORTED.
    pub fn require_dump(&self) -> Result<&dyn Dump> {
        self.dump().ok_or_else(|| Error::unsupported(self.kind().as_str(), "backups"))
    }

    /// Reading metrics, or ENGINE_UNSUPPORTED.
    pub fn require_metrics(&self) -> Result<&dyn Metrics> {
        self.metrics().ok_or_else(|| Error::unsupported(self.kind().as_str(), "metrics"))
    }

    /// Telling of itself, or ENGINE_UNSUPPORTED.
    pub fn require_describe(&self) -> Result<&dyn Describe> {
        self.describe().ok_or_else(|| Error::unsupported(self.kind().as_str(), "facts"))
    }

    /// Listing sessions, or ENGINE_UNSUPPORTED.
    pub fn require_sessions(&self) -> Result<&dyn Sessions> {
        self.sessions().ok_or_else(|| Error::unsupported(self.kind().as_str(), "sessions"))
    }
}

/// The engines that this binary was built with.
#[derive(Clone)]
pub struct Engines(Arc<BTreeMap<EngineKind, Arc<dyn Engine>>>);

impl Engines {
    /// Builds every engine; each is one line here.
    pub fn new(options: &EngineOptions) -> Self {
        let engines: Vec<Arc<dyn Engine>> = vec![
            #[cfg(feature = "postgres")]
            Arc::new(postgres::PostgresEngine::new(options.clone())),
            #[cfg(feature = "mysql")]
            Arc::new(mysql::MysqlEngine::new(options.clone())),
            #[cfg(feature = "sqlite")]
            Arc::new(sqlite::SqliteEngine::new(options.clone())),
        ];
        Self::of(engines)
    }

    /// These engines and no others.
    pub(crate) fn of(engines: Vec<Arc<dyn Engine>>) -> Self {
        Self(Arc::new(engines.into_iter().map(|engine| (engine.kind(), engine)).collect()))
    }

    /// Removes what dumps and restores of a killed server left in the scratch directory. Before any operation runs.
    #[cfg_attr(not(feature = "sqlite"), expect(unused_variables, reason = "only SQLite restores use the directory"))]
    pub fn sweep_scratch(options: &EngineOptions) -> Result<()> {
        #[cfg(feature = "sqlite")]
        sqlite::sweep_scratch(&options.scratch_directory)
            .map_err(|cause| Error::internal(cause).context("the scratch directory cannot be swept"))?;
        Ok(())
    }

    /// The SQL of an engine, for which none has to be built, or ENGINE_UNSUPPORTED where this binary was built without it.
    pub fn dialect(kind: EngineKind) -> Result<&'static dyn Dialect> {
        match kind {
            #[cfg(feature = "postgres")]
            EngineKind::Postgresql => Ok(&postgres::dialect::PostgresDialect),
            #[cfg(feature = "mysql")]
            EngineKind::Mysql => Ok(&mysql::dialect::MysqlDialect),
            #[cfg(feature = "sqlite")]
            EngineKind::Sqlite => Ok(&sqlite::dialect::SqliteDialect),
            #[cfg(not(all(feature = "postgres", feature = "mysql", feature = "sqlite")))]
            _ => Err(Error::unsupported("this build of dbkeeper", kind.as_str())),
        }
    }

    /// The engine of a kind, or ENGINE_UNSUPPORTED where this binary was built without it.
    pub fn get(&self, kind: EngineKind) -> Result<&Arc<dyn Engine>> {
        self.0.get(&kind).ok_or_else(|| Error::unsupported("this build of dbkeeper", kind.as_str()))
    }
}
