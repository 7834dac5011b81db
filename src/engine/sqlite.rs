//! SQLite: files under a folder of the account, opened in this process.
//!
//! Nothing here opens a live database file but SQLite itself: closing any other descriptor of it would free the locks
//! that this process holds on it.

mod advise;
mod catalog;
mod confine;
mod connect;
mod ddl;
pub mod dialect;
mod dump;
mod error;
mod facts;
mod history;
mod inspect;
mod journal;
mod metrics;
mod migrate;
mod page_cache;
mod path;
mod position;
mod restore;
mod run_lock;
mod scratch;
mod session;
mod statement;
mod token;

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use secrecy::ExposeSecret;
use sqlx::{Connection as _, SqliteConnection};

pub use self::{connect::SqliteSource, scratch::sweep_scratch};

use self::{
    connect::FilePool,
    error::from_sqlx,
    path::{DatabaseFile, DatabasePath},
};
use super::{
    Advise, Database, Describe, Dialect, Dump, Engine, EngineOptions, Inspect, InspectObjects, Metrics, Migrate, Probe,
    ReadDdl, SampleRows, Target,
    session_pool::{PoolOwner, SessionSource},
};
use crate::model::{
    AccountId, Error, Reason, Result,
    connection::{Ability, Capability, ConnectionSettings, EngineKind, PoolFigures, ServerInfo, TlsMode},
    on_record::OnRecord,
};

/// Part of the name of every file that dbkeeper puts beside a database.
const SIDE_FILE_MARK: &str = "-dbkeeper-";
/// The one schema of a file. Attached databases do not exist here.
const SCHEMA: &str = "main";

/// SQLite databases.
pub struct SqliteEngine {
    options: Arc<EngineOptions>,
}

impl SqliteEngine {
    /// Builds it.
    pub fn new(options: EngineOptions) -> Self {
        Self { options: Arc::new(options) }
    }

    fn path(&self, target: &Target) -> Result<DatabasePath> {
        DatabasePath::parse_field(&self.options.sqlite_root, &target.account, &target.settings.database)
    }
}

#[async_trait]
impl Engine for SqliteEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Sqlite
    }

    fn default_port(&self) -> Option<u16> {
        None
    }

    fn check_settings(&self, account: &AccountId, settings: &ConnectionSettings) -> Result<()> {
        let mut violations = Vec::new();
        let mut refuse = |wrong: bool, field: &str, description: &str| {
            if wrong {
                violations.push((field.to_owned(), description.to_owned()));
            }
        };
        refuse(!settings.host.is_empty(), "host", "must be empty: SQLite is a file, not a server");
        refuse(settings.port != 0, "port", "must be 0: SQLite is a file, not a server");
        refuse(!settings.username.is_empty(), "username", "must be empty: SQLite has no users");
        refuse(settings.tls.mode != TlsMode::Disabled, "tls.mode", "must be disabled: SQLite has no network traffic");
        refuse(!settings.tls.ca_pem.is_empty(), "tls.ca_pem", "must be empty for SQLite");
        refuse(!settings.tls.client_cert_pem.is_empty(), "tls.client_cert_pem", "must be empty for SQLite");
        if let Err(description) = DatabasePath::parse(&self.options.sqlite_root, account, &settings.database) {
            violations.push(("database".to_owned(), description.to_owned()));
        }
        if violations.is_empty() { Ok(()) } else { Err(Error::invalid_fields(violations)) }
    }

    async fn probe_on_record(&self, target: &Target, on_record: &OnRecord) -> Result<Probe> {
        on_record.wait().await?;
        refuse_password(target)?;
        let (place, limit) = (self.path(target)?, self.options.dial_timeout);
        let began = Instant::now();
        let look = async {
            let mut connection = connect::open(&place, |path| connect::reading_options(path, limit)).await?;
            let server = server_info(&mut connection).await;
            // The answer is known; a file that does not close well changes nothing about it.
            let _ = connection.close().await;
            server.map_err(|error| from_sqlx(error, "cannot open the database"))
        };
        let server = tokio::time::timeout(limit, look).await.unwrap_or_else(|_| {
            Err(Error::new(Reason::ConnectTimeout, "the file did not answer in time; its file system may hang"))
        })?;
        Ok(Probe { server, latency: began.elapsed() })
    }

    async fn open(&self, target: Target) -> Result<Arc<dyn Database>> {
        refuse_password(&target)?;
        let file = self.path(&target)?.find()?;
        let owner = PoolOwner::new(&target.account, target.connection.as_ref());
        let source = SqliteSource::of(&target, &self.options)?;
        let pool = FilePool::new(
            SqliteSource::of(&target, &self.options)?,
            &owner,
            &target.settings.pool,
            &self.options.sessions,
        );
        let began = Instant::now();
        let mut first = source.open().await?;
        let took = began.elapsed();
        let server = server_info(&mut first).await.map_err(|error| from_sqlx(error, "cannot open the database"))?;
        pool.adopt(first, took).await;
        let Target { account, settings, .. } = target;
        Ok(Arc::new(SqliteDatabase { options: self.options.clone(), account, settings, file, pool, server }))
    }
}

/// Who answers: the SQLite inside this binary.
async fn server_info(connection: &mut SqliteConnection) -> Result<ServerInfo, sqlx::Error> {
    // Reading the first page too: SQLite opens files lazily, so that a file that is no database shows only then.
    let (version, _): (String, i64) =
        sqlx::query_as("SELECT sqlite_version(), count(*) FROM sqlite_schema").fetch_one(connection).await?;
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    let version_number = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    Ok(ServerInfo { product: "SQLite", version, version_number, tls_active: false, pooler: None })
}

fn refuse_password(target: &Target) -> Result<()> {
    if target.credentials.password.expose_secret().is_empty() && target.credentials.client_key_pem.is_none() {
        return Ok(());
    }
    Err(Error::invalid_field("password", "must be empty: SQLite has no users"))
}

/// A database file with its pool.
struct SqliteDatabase {
    options: Arc<EngineOptions>,
    account: AccountId,
    settings: ConnectionSettings,
    file: DatabaseFile,
    pool: FilePool,
    server: ServerInfo,
}

#[async_trait]
impl Database for SqliteDatabase {
    fn kind(&self) -> EngineKind {
        EngineKind::Sqlite
    }

    fn server(&self) -> &ServerInfo {
        &self.server
    }

    fn pool_figures(&self) -> PoolFigures {
        self.pool.figures()
    }

    async fn close(&self) {
        self.pool.close().await;
    }

    async fn tend(&self) {
        self.pool.tend().await;
    }

    async fn capabilities(&self) -> Result<Vec<Capability>> {
        let writable = path::writable(&self.file);
        let change = |ability| match &writable {
            Ok(()) => Capability::supported(ability),
            Err(missing) => Capability::missing(ability, *missing, "chmod u+w on the file and its folder"),
        };
        Ok(vec![
            Capability::supported(Ability::Inspect),
            change(Ability::Migrate),
            change(Ability::TransactionalDdl),
            Capability::supported(Ability::Backup),
            change(Ability::Restore),
            Capability::supported(Ability::Metrics),
            Capability::missing(Ability::Sessions, "SQLite has no server and so no sessions", ""),
            Capability::supported(Ability::FullTextSearch),
        ])
    }

    fn inspect(&self) -> Option<&dyn Inspect> {
        Some(self)
    }

    fn inspect_objects(&self) -> Option<&dyn InspectObjects> {
        Some(self)
    }

    fn read_ddl(&self) -> Option<&dyn ReadDdl> {
        Some(self)
    }

    fn sample_rows(&self) -> Option<&dyn SampleRows> {
        Some(self)
    }

    fn advise(&self) -> Option<&dyn Advise> {
        Some(self)
    }

    fn dialect(&self) -> Option<&'static dyn Dialect> {
        Some(&dialect::SqliteDialect)
    }

    fn migrate(&self) -> Option<&dyn Migrate> {
        Some(self)
    }

    fn dump(&self) -> Option<&dyn Dump> {
        Some(self)
    }

    fn metrics(&self) -> Option<&dyn Metrics> {
        Some(self)
    }

    fn describe(&self) -> Option<&dyn Describe> {
        Some(self)
    }
}
