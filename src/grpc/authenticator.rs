//! Tells callers by their API keys.

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;

use super::layers::Authenticator;
use crate::{
    model::{Caller, Error, Reason, Result},
    service::access::AccessService,
};

/// Asks the access service. Without one the vault is sealed and nobody is let in.
pub struct KeyAuthenticator(pub Option<Arc<AccessService>>);

#[async_trait]
impl Authenticator for KeyAuthenticator {
    async fn authenticate(&self, bearer: &str, _peer: SocketAddr) -> Result<Caller> {
        match &self.0 {
            Some(access) => access.authenticate(bearer).await,
            None => Err(Error::new(Reason::VaultSealed, "the vault is sealed; give the server its master key")),
        }
    }
}
