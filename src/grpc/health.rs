//! The health service of gRPC: tells how the server stands, of each service and of the server as a whole.

use std::sync::Arc;

use tokio::sync::Mutex;
use tonic_health::{
    ServingStatus,
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};

use crate::model::readiness::{Readiness, Standing};

/// Changes how the server stands, and tells watchers of it. NOT_SERVING at first: the server listens before its vault is open.
#[derive(Clone)]
pub struct Health {
    readiness: Readiness,
    reporter: HealthReporter,
    services: Arc<[&'static str]>,
    /// One report at a time, so that the last one is of how the server stands.
    reporting: Arc<Mutex<()>>,
}

impl Health {
    /// For these services and, under the empty name, for the server as a whole.
    pub(super) async fn new(reporter: HealthReporter, services: &[&'static str]) -> Self {
        let services = services.iter().copied().chain([""]).collect();
        let health = Self { readiness: Readiness::default(), reporter, services, reporting: Arc::default() };
        health.report().await;
        health
    }

    /// How the server stands.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// The vault is open and everything behind the services is ready.
    pub async fn open(&self) {
        self.readiness.open();
        self.report().await;
    }

    /// The vault has no key, or lost it: every call but those of health, reflection and VaultService is refused with VAULT_SEALED.
    pub async fn seal(&self) {
        self.readiness.seal();
        self.report().await;
    }

    /// The server stops: calls that are under way are still answered.
    pub(super) async fn stop(&self) {
        self.readiness.stop();
        self.report().await;
    }

    /// The health service that tells it.
    pub(super) fn service(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }

    async fn report(&self) {
        let _turn = self.reporting.lock().await;
        let status = match self.readiness.standing() {
            Standing::Serving => ServingStatus::Serving,
            Standing::Starting | Standing::Sealed | Standing::Stopping => ServingStatus::NotServing,
        };
        for service in self.services.iter() {
            self.reporter.set_service_status(service, status).await;
        }
    }
}
