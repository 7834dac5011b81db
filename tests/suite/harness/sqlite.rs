//! A folder of SQLite databases of a test.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use dbkeeper::{
    engine::{Credentials, Engine, EngineOptions, Target, sqlite::SqliteEngine},
    model::{
        AccountId,
        connection::{ConnectionSettings, EngineKind, PoolSettings, TlsMode, TlsSettings},
    },
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

/// The folders that an engine works in.
pub(crate) struct SqliteFolder {
    root: TempDir,
    scratch: TempDir,
    databases: AtomicU32,
}

impl SqliteFolder {
    /// New empty folders.
    pub(crate) fn new() -> Self {
        let root = TempDir::new().expect("a folder can be made");
        let scratch = TempDir::new().expect("a folder can be made");
        std::fs::create_dir(root.path().join("default")).expect("a folder can be made");
        Self { root, scratch, databases: AtomicU32::new(0) }
    }

    /// An engine over the folders.
    pub(crate) fn engine(&self) -> Arc<dyn Engine> {
        Arc::new(SqliteEngine::new(self.options()))
    }

    /// What an engine over the folders is built with.
    pub(crate) fn options(&self) -> EngineOptions {
        EngineOptions {
            sqlite_root: self.root.path().to_owned(),
            scratch_directory: self.scratch.path().to_owned(),
            reach: dbkeeper::engine::Reach::default(),
            dial_timeout: Duration::from_secs(60),
            tool_directories: Vec::new(),
            sessions: Default::default(),
        }
    }

    /// The folder of all accounts.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// Place of a database.
    pub(crate) fn path(&self, database: &str) -> PathBuf {
        self.root.path().join("default").join(database)
    }

    /// Names of the files beside the databases and in the scratch folder.
    pub(crate) fn files(&self) -> Vec<String> {
        let names = |folder: PathBuf| {
            let entries = std::fs::read_dir(folder).expect("the folder can be read");
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        let mut files = names(self.root.path().join("default"));
        files.extend(names(self.scratch.path().to_owned()));
        files.sort();
        files
    }

    /// A name that no other database has.
    pub(crate) fn fresh_name(&self) -> String {
        format!("test_{}.db", self.databases.fetch_add(1, Ordering::Relaxed))
    }

    /// A new empty database.
    pub(crate) fn create_database(&self) -> String {
        let name = self.fresh_name();
        std::fs::File::create_new(self.path(&name)).expect("the file is new");
        name
    }

    /// Settings of a database.
    pub(crate) fn settings(&self, database: &str) -> ConnectionSettings {
        ConnectionSettings {
            display_name: database.to_owned(),
            engine: EngineKind::Sqlite,
            host: String::new(),
            port: 0,
            database: database.to_owned(),
            username: String::new(),
            tls: TlsSettings { mode: TlsMode::Disabled, ca_pem: String::new(), client_cert_pem: String::new() },
            pool: PoolSettings::default(),
            labels: Default::default(),
            read_only: false,
            replicas: Default::default(),
        }
    }

    /// What opens a database.
    pub(crate) fn target(&self, database: &str) -> Target {
        Target {
            account: AccountId::from_stored("default".to_owned()),
            connection: None,
            settings: self.settings(database),
            credentials: Credentials { password: "".into(), client_key_pem: None },
        }
    }

    /// A connection that is not dbkeeper's.
    pub(crate) async fn connect(&self, database: &str) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.path(database)).foreign_keys(false);
        options.connect().await.expect("the database opens")
    }

    /// Runs a script.
    pub(crate) async fn run(&self, database: &str, sql: &str) {
        let mut connection = self.connect(database).await;
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await.expect("the script runs");
        connection.close().await.expect("the connection closes");
    }

    /// Makes a database in a folder that is there, and runs a script in it.
    pub(crate) async fn run_new(&self, database: &str, sql: &str) {
        std::fs::File::create_new(self.path(database)).expect("the file is new");
        self.run(database, sql).await;
    }

    /// The first column of every row, as text.
    pub(crate) async fn column(&self, database: &str, sql: &str) -> Vec<String> {
        let mut connection = self.connect(database).await;
        let rows: Vec<Option<String>> =
            sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.expect("the query runs");
        connection.close().await.expect("the connection closes");
        rows.into_iter().map(Option::unwrap_or_default).collect()
    }
}
