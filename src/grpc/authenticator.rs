//! Tells callers by their API keys.

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;

use super::layers::Authenticator;
use crate::{
    model::{Caller, Result, vault::SealReason},
    service::{access::AccessService, vault::refusal},
};

/// Asks the access service.
pub struct KeyAuthenticator(pub Arc<AccessService>);

#[async_trait]
impl Authenticator for KeyAuthenticator {
    async fn authenticate(&self, bearer: &str, _peer: SocketAddr) -> Result<Caller> {
        self.0.authenticate(bearer).await
    }
}

/// The authenticator of a server whose vault is sealed: it knows nobody.
pub struct SealedAuthenticator(pub SealReason);

#[async_trait]
impl Authenticator for SealedAuthenticator {
    async fn authenticate(&self, _bearer: &str, _peer: SocketAddr) -> Result<Caller> {
        Err(refusal(self.0))
    }

    fn unknown_caller(&self) -> Option<Caller> {
        Some(Caller::unknown())
    }
}
