//! The composition root: builds every part from the configuration; the only place that knows all of them.
//!
//! `start` takes the data directory, opens store and vault, builds the services and listens; `run` serves until it is
//! told to stop and then drains: health says NOT_SERVING, streams end, operations are stored as they stand. Without the
//! master key the server listens sealed, and the services are built once Unseal brings the key or its source has it again.

pub mod commands;
mod data_directory;
mod metrics;
mod record;
mod secrets;
mod services;
mod settings;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    grpc::{
        authenticator::{KeyAuthenticator, SealedAuthenticator},
        routes::Routes,
        server::{GrpcServer, Opener, Parts},
        vault_service::VaultAdapter,
    },
    http_server::HttpServer,
    model::{Result, audit::AuditedCall},
    operation::Operations,
    service::{
        access::AccessService,
        audit::{AuditService, operators_account},
        backup::{KeyCopy, repository::Storage},
        vault::{self, SealedVault, Unsealed, VaultService},
    },
    store::Store,
    tasks::{
        self, BackgroundTask, audit_upkeep::AuditUpkeep, http_listener::HttpListener, sealed_source::SealedSource,
    },
    vault::{Pepper, RepositoryKey, TokenKey, Vault},
};
use data_directory::DataDirectory;
use record::recorded;
use services::{Process, Services};

/// A server that listens and is ready to run.
pub struct App {
    server: GrpcServer,
    http: Option<HttpServer>,
    state: State,
    builder: Builder,
    _directory: DataDirectory,
}

/// Whether there are services.
enum State {
    Open(Opened),
    Sealed { unsealed: mpsc::Receiver<Unsealed>, source: SealedSource },
}

/// What an open vault gives before there are services.
struct Unlocked {
    vault: Vault,
    audit: Arc<AuditService>,
    pepper: Pepper,
    token: TokenKey,
    repository: RepositoryKey,
    store_was_lost: bool,
}

/// What there is only with an open vault.
struct Opened {
    operations: Operations,
    vault: VaultService,
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
        let source = settings::key_source(&config);
        let opening = vault::open(&store, &source).await?;
        let builder = Builder { config, store, process: Process::default() };
        let (parts, state) = match opening {
            Ok(vault) => {
                let (parts, opened) = builder.open(builder.unlock(vault).await?).await?;
                (parts, State::Open(opened))
            }
            Err(trouble) => {
                let reason = trouble.reason.describe();
                tracing::error!(cause = %trouble, reason, "vault sealed, only VaultService answers");
                let (sealed, unsealed) = SealedVault::new(builder.store.clone(), source, trouble);
                let sealed = Arc::new(sealed);
                let parts = builder.sealed(sealed.clone());
                let source = SealedSource { vault: sealed, pause: builder.config.vault.retry_interval };
                (parts, State::Sealed { unsealed, source })
            }
        };
        let config = &builder.config;
        let server = GrpcServer::bind(config.server.listen, settings::server(config), parts).await?;
        builder.process.own.add(server.local_address()?);
        let http = match config.metrics.listen {
            Some(address) => Some(HttpServer::bind(address, server.health().readiness().clone()).await?),
            None => None,
        };
        if let Some(http) = &http {
            builder.process.own.add(http.local_address()?);
        }
        Ok(Self { server, http, state, builder, _directory: directory })
    }

    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr> {
        self.server.local_address()
    }

    /// Where it answers over plain HTTP, if it does.
    pub fn metrics_address(&self) -> Result<Option<SocketAddr>> {
        self.http.as_ref().map(HttpServer::local_address).transpose()
    }

    /// Where the admin key of the first start lies.
    pub fn admin_key_file(&self) -> PathBuf {
        self.builder.config.admin_key_file()
    }

    /// Serves until `stop`, then drains within the grace of the configuration.
    pub async fn run(self, stop: CancellationToken) -> Result<()> {
        let Self { server, http, state, builder, _directory } = self;
        builder.listen_for_http(http);
        let unsealed = match state {
            State::Open(opened) => {
                builder.begin(opened).await?;
                server.health().open().await;
                None
            }
            State::Sealed { unsealed, source } => {
                server.health().seal().await;
                tasks::start(vec![Arc::new(source)], &builder.process.tracker, &builder.process.shutdown);
                Some(unsealed)
            }
        };
        let stopping = builder.process.shutdown.clone();
        let opener = server.opener();
        let serving = async {
            tokio::select! {
                () = server.run(stop.clone()) => {}
                () = Box::pin(builder.wait_for_key(unsealed, opener)) => {}
            }
        };
        let interrupting = async {
            stop.cancelled().await;
            // Operations are told at once, so that they stop while the open calls drain.
            stopping.cancel();
        };
        let drained = async {
            tokio::join!(serving, interrupting);
            builder.process.operations.close();
            builder.process.operations.wait().await;
            builder.process.unused.cancel();
            builder.process.tracker.close();
            builder.process.tracker.wait().await;
        };
        let cut_off = async {
            stop.cancelled().await;
            tokio::time::sleep(builder.config.shutdown.grace).await;
        };
        tokio::select! {
            () = drained => tracing::info!("drained"),
            () = cut_off => tracing::warn!("grace ended, work cut off; the next start finds out what became of it"),
        }
        builder.store.close().await;
        Ok(())
    }
}

/// What the services are built from.
struct Builder {
    config: Config,
    store: Store,
    process: Process,
}

impl Builder {
    /// What a server answers with while its vault is sealed.
    fn sealed(&self, vault: Arc<SealedVault>) -> Parts {
        let authenticator = Arc::new(SealedAuthenticator(vault.clone()));
        let routes = Routes::sealed(&settings::server(&self.config)).vault(VaultAdapter::sealed(vault));
        Parts { routes, authenticator, audit: None }
    }

    /// Opens what only the vault opens, the audit log before all.
    async fn unlock(&self, vault: Vault) -> Result<Unlocked> {
        let Self { config, store, process } = self;
        let copy = KeyCopy::new(store.clone(), Storage::directory(config.backup.directory.clone())?);
        let store_was_lost = copy.recover(&vault).await?;
        let keys = secrets::server_keys(store, &vault).await?;
        copy.keep().await;
        let audit = Arc::new(AuditService::new(store.clone(), keys.audit, process.tracker.clone()));
        let (pepper, token, repository) = (keys.pepper, keys.token, keys.repository);
        Ok(Unlocked { vault, audit, pepper, token, repository, store_was_lost })
    }

    /// What a server answers with once its vault is open.
    async fn open(&self, unlocked: Unlocked) -> Result<(Parts, Opened)> {
        let Self { config, store, process } = self;
        let Unlocked { vault, audit, pepper, token, repository, store_was_lost } = unlocked;
        let other_ways = settings::other_ways(config, &process.tracker)?;
        let access = Arc::new(AccessService::new(store.clone(), pepper).with_other_ways(other_ways));
        access.ensure_admin_key(&config.data_dir).await?;
        let vault = Arc::new(vault);
        let services =
            Services::build(config, store, vault, access.clone(), audit.clone(), repository, process).await?;
        if store_was_lost {
            let found = services.backups.rebuild_all().await?;
            tracing::info!(found, "backups listed anew from the storage");
        }
        let routes = services.routes(&settings::server(config), token, audit.clone());
        let (mut tasks, vault) = (services.tasks(), services.vault.clone());
        tasks.push(Arc::new(AuditUpkeep { audit: audit.clone(), retention: config.audit.retention }));
        let authenticator = Arc::new(KeyAuthenticator::new(access, config.access.failures_per_address));
        let parts = Parts { routes, authenticator, audit: Some(audit) };
        Ok((parts, Opened { operations: services.operations, vault, tasks }))
    }

    /// Answers over plain HTTP from now to the end, whether there are services or not.
    fn listen_for_http(&self, http: Option<HttpServer>) {
        let Process { tracker, shutdown, unused, .. } = &self.process;
        let listener = |server| Arc::new(HttpListener { server, unused: unused.clone() }) as Arc<dyn BackgroundTask>;
        tasks::start(http.map(listener).into_iter().collect(), tracker, shutdown);
    }

    /// Takes up the operations of an earlier run and starts the background tasks.
    async fn begin(&self, opened: Opened) -> Result<()> {
        let unfinished = opened.operations.recover().await?;
        if unfinished > 0 {
            tracing::info!(unfinished, "operations of an earlier run taken up");
        }
        tasks::start(opened.tasks, &self.process.tracker, &self.process.shutdown);
        Ok(())
    }

    /// Opens the server when there is a key; never returns.
    async fn wait_for_key(&self, unsealed: Option<mpsc::Receiver<Unsealed>>, opener: Opener) {
        if let Some(mut unsealed) = unsealed {
            while let Some(Unsealed { vault, call, wrong_keys, waiting }) = unsealed.recv().await {
                let outcome = self.serve_with(vault, call, wrong_keys, &opener).await;
                match &outcome {
                    Ok(_) => tracing::info!("vault unsealed, serving"),
                    Err(error) => tracing::error!(error = %error, "services of the unsealed vault not started"),
                }
                waiting.answer(outcome);
            }
        }
        std::future::pending().await
    }

    /// Opens the audit log and then, between intent and outcome where a call brought the key, everything else.
    ///
    /// The intent comes after the look at the key and not before it, for the key of the log is sealed by the master key. So
    /// wrong keys cannot be recorded when they are sent: how many there were is told first.
    async fn serve_with(
        &self,
        vault: Vault,
        call: Option<AuditedCall>,
        wrong_keys: u64,
        opener: &Opener,
    ) -> Result<VaultService> {
        let unlocked = self.unlock(vault).await?;
        let audit = unlocked.audit.clone();
        if wrong_keys > 0 {
            audit.note_left_out(&operators_account(), wrong_keys).await;
        }
        let serving = self.open_and_begin(unlocked, opener);
        match call {
            Some(call) => recorded(&audit, call, serving).await,
            None => serving.await,
        }
    }

    async fn open_and_begin(&self, unlocked: Unlocked, opener: &Opener) -> Result<VaultService> {
        let (parts, opened) = self.open(unlocked).await?;
        let vault = opened.vault.clone();
        self.begin(opened).await?;
        opener.open(parts).await?;
        Ok(vault)
    }
}
