//! Whether the server can be used, in one place for the gate of the calls and for the health service.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tonic_health::{
    ServingStatus,
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};

/// Sealed at first: the server listens before its vault is open, and says NOT_SERVING until it is.
#[derive(Clone)]
pub struct Readiness {
    sealed: Arc<AtomicBool>,
    reporter: HealthReporter,
    services: Arc<[&'static str]>,
}

impl Readiness {
    /// For these services and, under the empty name, for the server as a whole.
    pub(super) async fn new(reporter: HealthReporter, services: &[&'static str]) -> Self {
        let services = services.iter().copied().chain([""]).collect();
        let readiness = Self { sealed: Arc::new(AtomicBool::new(true)), reporter, services };
        readiness.report(ServingStatus::NotServing).await;
        readiness
    }

    /// Every call but health and reflection is refused with VAULT_SEALED.
    pub fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }

    /// The vault is open and everything behind the services is ready.
    pub async fn open(&self) {
        self.sealed.store(false, Ordering::Release);
        self.report(ServingStatus::Serving).await;
    }

    /// The vault has no key, or lost it.
    pub async fn seal(&self) {
        self.sealed.store(true, Ordering::Release);
        self.report(ServingStatus::NotServing).await;
    }

    /// The server stops: calls that are under way are still answered.
    pub(super) async fn stop(&self) {
        self.report(ServingStatus::NotServing).await;
    }

    /// The health service that tells it.
    pub(super) fn service(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }

    async fn report(&self, status: ServingStatus) {
        for service in self.services.iter() {
            self.reporter.set_service_status(service, status).await;
        }
    }
}
