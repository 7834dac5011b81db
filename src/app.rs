//! The composition root: builds every part from the configuration; the only place that knows all of them.
//!
//! `start` takes the data directory, opens store and vault, builds the services and listens; `run` serves until it is
//! told to stop and then drains: health says NOT_SERVING, streams end, operations are stored as they stand.

mod data_directory;
mod metrics;
mod secrets;
mod services;
mod settings;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::Config,
    grpc::{
        authenticator::KeyAuthenticator,
        routes::Routes,
        server::{GrpcServer, Parts},
    },
    model::{Error, Reason, Result},
    operation::Operations,
    service::{access::AccessService, audit::AuditService},
    store::Store,
    tasks::{self, BackgroundTask, audit_upkeep::AuditUpkeep},
    vault::{SealReason, Vault},
};
use data_directory::DataDirectory;
use services::{Process, Services};

/// A server that listens and is ready to run.
pub struct App {
    server: GrpcServer,
    store: Store,
    opened: Result<Opened, SealReason>,
    tracker: TaskTracker,
    shutdown: CancellationToken,
    config: Config,
    _directory: DataDirectory,
}

/// What there is only with an open vault.
struct Opened {
    operations: Operations,
    tasks: Vec<Arc<dyn BackgroundTask>>,
}

impl App {
    /// Builds everything and listens. Calls are answered once [`App::run`] runs.
    pub async fn start(config: Config) -> Result<Self> {
        let directory = DataDirectory::take(&config.data_dir)?;
        for folder in [&config.sqlite.root, &config.backup.directory, &config.backup.scratch_directory] {
            data_directory::make(folder)?;
        }
        let store = Store::open(&config.store.file).await?;
        let vault = secrets::open_vault(&store, &settings::key_source(&config)).await?;
        let process = Process::default();
        let (parts, opened) = match vault.seal_reason() {
            Some(reason) => (sealed_parts(&config), Err(reason)),
            None => {
                let (parts, opened) = open_parts(&config, &store, vault, &process).await?;
                (parts, Ok(opened))
            }
        };
        let server = GrpcServer::bind(config.server.listen, settings::server(&config), parts).await?;
        process.own.add(server.local_address()?);
        let Process { tracker, shutdown, .. } = process;
        Ok(Self { server, store, opened, tracker, shutdown, config, _directory: directory })
    }

    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr> {
        self.server.local_address()
    }

    /// Where the admin key of the first start lies.
    pub fn admin_key_file(&self) -> PathBuf {
        self.config.admin_key_file()
    }

    /// Serves until `stop`, then drains within the grace of the configuration.
    pub async fn run(self, stop: CancellationToken) -> Result<()> {
        let readiness = self.server.readiness();
        match self.opened {
            Ok(opened) => {
                tasks::start(opened.tasks, &self.tracker, &self.shutdown);
                let unfinished = opened.operations.recover().await?;
                if unfinished > 0 {
                    tracing::info!(unfinished, "operations of an earlier run taken up");
                }
                readiness.open().await;
            }
            Err(reason) => tracing::error!(reason = reason.describe(), "vault sealed, no call is answered"),
        }
        let stopping = self.shutdown.clone();
        let serving = self.server.run(stop.clone());
        let interrupting = async {
            stop.cancelled().await;
            // Operations are told at once, so that they stop while the open calls drain.
            stopping.cancel();
        };
        let drained = async {
            tokio::join!(serving, interrupting);
            self.tracker.close();
            self.tracker.wait().await;
        };
        let cut_off = async {
            stop.cancelled().await;
            tokio::time::sleep(self.config.shutdown.grace).await;
        };
        tokio::select! {
            () = drained => tracing::info!("drained"),
            () = cut_off => tracing::warn!("grace ended, work cut off; the next start finds out what became of it"),
        }
        self.store.close().await;
        Ok(())
    }
}

/// Makes a key of an administrator in a data directory that no server holds, for who has lost theirs. Returns the file that
/// the key is in: `admin.key`, or another beside it where that is there.
pub async fn make_admin_key(config: &Config) -> Result<PathBuf> {
    if !config.store.file.exists() {
        return Err(Error::new(
            Reason::StoreUnavailable,
            format!("there is no store in {}; name the server's folder with --data-dir", config.data_dir.display()),
        ));
    }
    let _directory = DataDirectory::take(&config.data_dir)?;
    let store = Store::open(&config.store.file).await?;
    let vault = secrets::open_vault(&store, &settings::key_source(config)).await?;
    if let Some(reason) = vault.seal_reason() {
        return Err(Error::new(Reason::VaultSealed, format!("the master key is needed: {}", reason.describe())));
    }
    let keys = secrets::server_keys(&store, &vault).await?;
    let made = AccessService::new(store.clone(), keys.pepper).make_admin_key(&config.data_dir).await;
    store.close().await;
    made
}

fn sealed_parts(config: &Config) -> Parts {
    let routes = Routes::sealed(&settings::server(config));
    Parts { routes, authenticator: Arc::new(KeyAuthenticator::new(None, 0)), audit: None }
}

async fn open_parts(config: &Config, store: &Store, vault: Vault, process: &Process) -> Result<(Parts, Opened)> {
    let keys = secrets::server_keys(store, &vault).await?;
    let access =
        Arc::new(AccessService::new(store.clone(), keys.pepper).with_other_ways(settings::other_ways(config)?));
    access.ensure_admin_key(&config.data_dir).await?;
    let services = Services::build(config, store, Arc::new(vault), access.clone(), keys.repository, process).await?;
    let audit = Arc::new(AuditService::new(store.clone(), keys.audit, process.tracker.clone()));
    let routes = services.routes(&settings::server(config), keys.token, audit.clone());
    let mut tasks = services.tasks();
    tasks.push(Arc::new(AuditUpkeep { audit: audit.clone(), retention: config.audit.retention }));
    let authenticator = Arc::new(KeyAuthenticator::new(Some(access), config.access.failures_per_address));
    let parts = Parts { routes, authenticator, audit: Some(audit) };
    Ok((parts, Opened { tasks, operations: services.operations }))
}
