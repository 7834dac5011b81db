//! Tells callers by what they show, and slows down whoever guesses.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;

use super::{
    layers::Authenticator,
    rate::{RateLimit, counted, limited},
};
use crate::{
    model::{Caller, ClientCertificate, Error, ErrorKind, Reason, Result},
    service::access::AccessService,
};

/// Asks the access service. Without one the vault is sealed and nobody is let in.
///
/// An address that has failed too often is not listened to for a while, but for keys and tokens that it has used
/// well: a dashboard with an old key does not shut out its neighbours behind the same address.
pub struct KeyAuthenticator {
    access: Option<Arc<AccessService>>,
    failures: RateLimit,
}

impl KeyAuthenticator {
    /// `failures` are forgiven a minute; 0: any number.
    pub fn new(access: Option<Arc<AccessService>>, failures: u32) -> Self {
        Self { access, failures: RateLimit::new(failures, Duration::from_secs(60), failures) }
    }

    fn access(&self) -> Result<&Arc<AccessService>> {
        self.access
            .as_ref()
            .ok_or_else(|| Error::new(Reason::VaultSealed, "the vault is sealed; give the server its master key"))
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
        let access = self.access()?;
        if let Err(wait) = self.failures.check(&counted(peer.ip()), Instant::now())
            && !access.knows_well(bearer, peer.ip())
        {
            return Err(limited("failed authentications", "too many bad credentials came from this address", wait));
        }
        let outcome = access.authenticate(bearer, peer.ip()).await;
        self.count_failure(peer, &outcome);
        outcome
    }

    async fn authenticate_certificate(&self, certificate: &ClientCertificate, _: SocketAddr) -> Result<Caller> {
        self.access()?.authenticate_certificate(certificate).await
    }
}
