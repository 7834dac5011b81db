//! Tells callers by what they show, and slows down whoever guesses.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;

use super::{
    layers::Authenticator,
    rate::{RateLimit, limited},
};
use crate::{
    model::{Caller, ClientCertificate, ErrorKind, Result, address::counted},
    service::{access::AccessService, vault::SealedVault},
};

/// Asks the access service.
///
/// An address that has failed too often is not listened to for a while, but for keys and tokens that it has used
/// well: a dashboard with an old key does not shut out its neighbours behind the same address.
pub struct KeyAuthenticator {
    access: Arc<AccessService>,
    failures: RateLimit,
}

impl KeyAuthenticator {
    /// `failures` are forgiven a minute; 0: any number.
    pub fn new(access: Arc<AccessService>, failures: u32) -> Self {
        Self { access, failures: RateLimit::new(failures, Duration::from_secs(60), failures) }
    }

    fn count_failure(&self, peer: SocketAddr, outcome: &Result<Caller>) {
        if outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unauthenticated) {
            // Whether there was a token left to take makes no difference: the next call finds none.
            let _ = self.failures.take(&counted(peer.ip()), Instant::now());
        }
    }
}

#[async_trait]
impl Authenticator for KeyAuthenticator {
    async fn authenticate(&self, bearer: &str, peer: SocketAddr) -> Result<Caller> {
        if let Err(wait) = self.failures.check(&counted(peer.ip()), Instant::now())
            && !self.access.knows_well(bearer, peer.ip())
        {
            return Err(limited("failed authentications", "too many bad credentials came from this address", wait));
        }
        let outcome = self.access.authenticate(bearer, peer.ip()).await;
        self.count_failure(peer, &outcome);
        outcome
    }

    async fn authenticate_certificate(&self, certificate: &ClientCertificate, _: SocketAddr) -> Result<Caller> {
        self.access.authenticate_certificate(certificate).await
    }
}

/// The authenticator of a server whose vault is sealed: it knows nobody.
pub struct SealedAuthenticator(pub Arc<SealedVault>);

#[async_trait]
impl Authenticator for SealedAuthenticator {
    async fn authenticate(&self, _bearer: &str, _peer: SocketAddr) -> Result<Caller> {
        Err(self.0.refusal())
    }

    fn unknown_caller(&self) -> Option<Caller> {
        Some(Caller::unknown())
    }
}
