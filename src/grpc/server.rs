//! Serves HTTP/2 on every connection, and stops in good order.
//!
//! tonic's own server is not used: it answers `grpc-timeout` itself, with CANCELLED and for the headers only, and it
//! waits for ever on a connection whose client is stuck. hyper beneath it is driven directly, and tonic
//! keeps what it is good at: the messages, the routes, the generated services.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulConnection},
    service::TowerToHyperService,
};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::service;
use tonic_health::server::HealthReporter;
use tonic_web::GrpcWebLayer;
use tower::Layer;

use super::{
    health::Health,
    layers::{AuditSink, Authenticator, Edge, EdgeService, Unsealed},
    listener::{Accepted, Listener, Opening, Shown},
    options::MethodPolicies,
    proto::FILE_DESCRIPTOR_SET,
    rate::RateLimit,
    routes::Routes,
    settings::ServerSettings,
    tls::Tls,
};
use crate::model::{Error, Result};

/// Windows of HTTP/2. The default of 64 KiB makes a stream of any size wait on the round trip.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// What the server is made of, beside its settings.
pub struct Parts {
    /// The services.
    pub routes: Routes,
    /// Tells who calls.
    pub authenticator: Arc<dyn Authenticator>,
    /// Keeps the record of audited calls; absent: none is kept.
    pub audit: Option<Arc<dyn AuditSink>>,
}

/// A server that listens.
pub struct GrpcServer {
    listener: Listener,
    tls: Option<Tls>,
    connections: Connections,
}

impl GrpcServer {
    /// Listens and is sealed. Fails where a method of the contract declares no permission, where the
    /// address cannot be had, or where the certificate cannot be used.
    pub async fn bind(address: SocketAddr, settings: ServerSettings, parts: Parts) -> Result<Self> {
        let policies = MethodPolicies::of_contract()?;
        let tls = match settings.tls.clone() {
            Some(files) => Some(Tls::load(files, settings.web).await?),
            None => None,
        };
        let listener = Listener::bind(address, &settings).await?;
        let health = Health::new(HealthReporter::new(), &parts.routes.services).await;
        let routes = complete(parts.routes, &health)?;
        let opening = Opening {
            tls: tls.as_ref().map(Tls::terms),
            handshakes: Arc::new(Semaphore::new(settings.max_handshakes)),
            timeout: settings.handshake_timeout,
        };
        let http = Arc::new(http_builder(&settings));
        let edge = Arc::new(Edge {
            policies,
            authenticator: parts.authenticator,
            audit: parts.audit,
            health,
            unary_slots: Arc::new(Semaphore::new(settings.max_unary_calls)),
            stream_slots: Arc::new(Semaphore::new(settings.max_streams)),
            addresses: per_second(settings.rate_per_address),
            callers: per_second(settings.rate_per_caller),
            stopping: CancellationToken::new(),
            aborting: CancellationToken::new(),
            streams: TaskTracker::new(),
            unsealed: OnceLock::new(),
            settings,
        });
        let connections = Connections { edge, routes, opening, http, tasks: TaskTracker::new() };
        Ok(Self { listener, tls, connections })
    }

    /// Where it listens.
    pub fn local_address(&self) -> Result<SocketAddr> {
        self.listener.local_address()
    }

    /// The switch between sealed and open, which the health service follows.
    pub fn health(&self) -> Health {
        self.connections.edge.health.clone()
    }

    /// What lets a server that was started sealed answer with open services.
    pub fn opener(&self) -> Opener {
        Opener(self.connections.edge.clone())
    }

    /// Serves until `stop` is cancelled. Then: health says NOT_SERVING, streams end with SHUTTING_DOWN, no connection
    /// is accepted, calls that are under way are finished; what is left after the drain time-out is cut off.
    pub async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = accept(&self.listener, &self.connections) => {}
            () = watch(&mut self.tls) => {}
        }
        self.connections.edge.health.stop().await;
        drop(self.listener);
        self.connections.drain().await;
    }
}

/// As many calls a second, and twice as many at once.
fn per_second(count: u32) -> RateLimit {
    RateLimit::new(count, Duration::from_secs(1), count.saturating_mul(2))
}

async fn accept(listener: &Listener, connections: &Connections) {
    loop {
        connections.spawn(listener.accept().await);
    }
}

async fn look_after(shown: Option<Shown>) -> Infallible {
    match shown {
        Some(shown) => shown.look_after().await,
        None => std::future::pending().await,
    }
}

async fn watch(tls: &mut Option<Tls>) {
    match tls {
        Some(tls) => tls.watch().await,
        None => std::future::pending().await,
    }
}

/// Puts open services in the place of those of a sealed server, which goes on listening.
#[derive(Clone)]
pub struct Opener(Arc<Edge>);

impl Opener {
    /// From now on these answer, on connections that are open as well, and health says SERVING. A second time changes nothing.
    pub async fn open(&self, parts: Parts) -> Result<()> {
        let routes = complete(parts.routes, &self.0.health)?;
        let unsealed = Unsealed { routes, authenticator: parts.authenticator, audit: parts.audit };
        // Whoever was first stays: its services are at work.
        let _ = self.0.unsealed.set(unsealed);
        self.0.health.open().await;
        Ok(())
    }
}

/// Adds health and reflection, in both versions: some tools know only v1alpha.
fn complete(mut routes: Routes, health: &Health) -> Result<service::Routes> {
    let describe = || {
        // With the descriptors of the error details, a tool can show them in clear.
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    routes.builder.add_service(health.service());
    routes.builder.add_service(describe().build_v1().map_err(Error::internal)?);
    routes.builder.add_service(describe().build_v1alpha().map_err(Error::internal)?);
    Ok(routes.builder.routes().prepare())
}

fn http_builder(settings: &ServerSettings) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(settings.keepalive_interval)
        .keep_alive_timeout(settings.keepalive_timeout)
        .max_concurrent_streams(settings.max_streams_per_connection)
        .max_header_list_size(settings.max_header_bytes)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(settings.handshake_timeout);
    if settings.web { builder } else { builder.http2_only() }
}

/// All open connections.
#[derive(Clone)]
struct Connections {
    edge: Arc<Edge>,
    routes: service::Routes,
    opening: Opening,
    http: Arc<auto::Builder<TokioExecutor>>,
    tasks: TaskTracker,
}

impl Connections {
    fn spawn(&self, accepted: Accepted) {
        let aborting = self.edge.aborting.clone();
        let served = self.clone().serve(accepted);
        self.tasks.spawn(async move { aborting.run_until_cancelled(served).await });
    }

    async fn serve(self, accepted: Accepted) {
        let peer = accepted.peer;
        let opened = tokio::select! {
            opened = accepted.open(&self.opening) => opened,
            () = self.edge.stopping.cancelled() => return,
        };
        let connection = match opened {
            Ok(connection) => connection,
            Err(cause) => return tracing::debug!(%peer, %cause, "connection not opened"),
        };
        let certificate = connection.shown.as_ref().map(|shown| Arc::clone(&shown.certificate));
        let service = EdgeService::new(Arc::clone(&self.edge), self.routes.clone(), peer, certificate);
        let io = TokioIo::new(connection.stream);
        let served = async {
            if self.edge.settings.web {
                let service = TowerToHyperService::new(GrpcWebLayer::new().layer(service));
                self.until_stopped(self.http.serve_connection(io, service)).await
            } else {
                self.until_stopped(self.http.serve_connection(io, TowerToHyperService::new(service))).await
            }
        };
        let ended = tokio::select! {
            // Authorities that were taken out are heard of before the next call is.
            biased;
            never = look_after(connection.shown) => match never {},
            ended = served => ended,
        };
        if let Err(cause) = ended {
            tracing::debug!(%peer, %cause, "connection ended");
        }
    }

    /// Serves a connection; when the server stops, its client is told to open no more calls on it.
    async fn until_stopped<C: GracefulConnection>(&self, connection: C) -> Result<(), C::Error> {
        let mut connection = pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = self.edge.stopping.cancelled() => {}
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    }

    /// Ends streams, waits for calls, cuts off what is left.
    async fn drain(&self) {
        self.edge.stopping.cancel();
        self.tasks.close();
        self.edge.streams.close();
        let drained = async {
            self.tasks.wait().await;
            self.edge.streams.wait().await;
        };
        if tokio::time::timeout(self.edge.settings.drain_timeout, drained).await.is_err() {
            tracing::warn!(connections = self.tasks.len(), streams = self.edge.streams.len(), "open calls cut off");
        }
        self.edge.aborting.cancel();
        self.tasks.wait().await;
        self.edge.streams.wait().await;
    }
}
