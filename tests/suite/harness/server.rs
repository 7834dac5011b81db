//! A whole server in the test process: the real `App` on a free port, with its data in a folder of the test.

use std::{
    fs,
    future::Future,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use dbkeeper::{
    app::App,
    config::{self, Config, Flags},
    grpc::client::Client,
    model::{AccountId, Grant},
    service::{access::AccessService, vault},
    store::Store,
    vault::KeySource,
};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::sqlite::SqliteFolder;

/// Long enough for a loaded machine; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A server at work.
pub(crate) struct TestServer {
    folder: TempDir,
    config: Config,
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    stop: CancellationToken,
    task: JoinHandle<dbkeeper::model::Result<()>>,
}

/// What a server leaves behind: it can be started on it again.
pub(crate) struct StoppedServer {
    folder: TempDir,
    config: Config,
}

impl TestServer {
    /// A server on a new data directory.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A server that finds its SQLite databases in the folder of a test.
    pub(crate) async fn start_on(folder: &SqliteFolder) -> Self {
        Self::start_with(|config| config.sqlite.root = folder.root().to_owned()).await
    }

    /// A server on a new data directory with other settings.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let mut flags = Flags::default();
        flags.set("data_dir", folder.path().to_string_lossy(), "test");
        flags.set("server.listen", "127.0.0.1:0", "test");
        // Longer than a loaded machine may take to answer; tests of databases that never answer set it lower.
        flags.set("pools.connect_timeout", "60s", "test");
        // A test calls as fast as it can, and from one address; the limits have tests of their own.
        for limit in ["rate_per_address", "rate_per_caller", "failures_per_address"] {
            flags.set(format!("access.{limit}"), "0", "test");
        }
        // Background checks change what a test sees; those that are about them switch them on.
        flags.set("health.interval", "0s", "test");
        let mut config = config::load(&flags).expect("the configuration is good").config;
        change(&mut config);
        StoppedServer { folder, config }.start().await
    }

    /// `http://` and where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it answers over plain HTTP.
    pub(crate) fn metrics_address(&self) -> SocketAddr {
        self.metrics_address.expect("metrics.listen is set")
    }

    /// File of the store.
    pub(crate) fn store_file(&self) -> &Path {
        &self.config.store.file
    }

    /// Folder of the backups.
    pub(crate) fn backup_directory(&self) -> PathBuf {
        self.config.backup.directory.clone()
    }

    /// File of the authorities of clients, where there is one.
    pub(crate) fn client_ca_file(&self) -> PathBuf {
        self.config.server.tls_client_ca_file.clone().expect("a server that takes client certificates")
    }

    /// File of the master key.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.config.vault.key_file.clone()
    }

    /// File of the wrapped master key, where a service unwraps it.
    pub(crate) fn wrapped_key_file(&self) -> PathBuf {
        self.config.vault.transit.wrapped_key_file.clone()
    }

    /// The key that the first start made.
    pub(crate) fn admin_key(&self) -> SecretString {
        fs::read_to_string(self.config.admin_key_file()).expect("the admin key").trim().into()
    }

    /// A client with the admin key.
    pub(crate) fn client(&self) -> Client {
        self.client_with(&self.admin_key())
    }

    /// A client with any key.
    pub(crate) fn client_with(&self, key: &SecretString) -> Client {
        Client::new(&self.url(), None).expect("an address").with_key(key).expect("a printable key")
    }

    /// The admin key of a second account, which is made here through the store.
    pub(crate) async fn second_account(&self) -> SecretString {
        let store = Store::open(&self.config.store.file).await.expect("the store opens beside the server");
        let source = KeySource::File(self.config.vault.key_file.clone());
        let opened = vault::open(&store, &source).await.expect("the store of the server");
        let vault = opened.expect("the key of the server");
        let sealed = store.server_key("api-key-pepper").await.expect("the store").expect("the server made it");
        let pepper = vault.open_server_key("api-key-pepper", &sealed).expect("the key opens").into();
        let account = AccountId::parse("stranger", "account").expect("an id");
        let access = AccessService::new(store.clone(), pepper);
        let key = access.create_key(account, "of the test", Grant::ALL).await.expect("a key");
        store.close().await;
        key
    }

    /// Tells the server to stop and waits for its end.
    pub(crate) async fn stop(self) -> StoppedServer {
        self.stop.cancel();
        in_time(self.task).await.expect("the server does not panic").expect("the server ends well");
        StoppedServer { folder: self.folder, config: self.config }
    }
}

impl StoppedServer {
    /// Where everything lies.
    pub(crate) fn data_directory(&self) -> PathBuf {
        self.config.data_dir.clone()
    }

    /// Its settings, to be changed before the next start.
    pub(crate) fn config(&mut self) -> &mut Config {
        &mut self.config
    }

    /// Starts a server on what there is.
    pub(crate) async fn start(self) -> TestServer {
        let Self { folder, config } = self;
        let give_up = Instant::now() + PATIENCE;
        let app = loop {
            // Boxed, because every test awaits a start, and would be as large as it.
            match Box::pin(App::start(config.clone())).await {
                Ok(app) => break app,
                // A child that another test has just forked holds the lock of the server before, until it runs its program.
                Err(error) if error.message().contains("holds the data directory") && Instant::now() < give_up => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("the server does not start: {error:?}"),
            }
        };
        let address = app.address().expect("it listens");
        let metrics_address = app.metrics_address().expect("it listens");
        let stop = CancellationToken::new();
        let task = tokio::spawn(app.run(stop.clone()));
        TestServer { folder, config, address, metrics_address, stop, task }
    }
}

/// Waits for something that must happen.
pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it did not happen in time")
}
