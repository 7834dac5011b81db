//! VaultService: over an open vault, or over a sealed one that waits for its key.

use std::{net::IpAddr, sync::Arc};

use secrecy::SecretString;
use tonic::{Request, Response, Status, async_trait};

use super::{
    call::{self, unary},
    convert::{
        operation::{checked, operation},
        token::Tokens,
        vault,
    },
    proto::v1::{self, vault_service_server::SERVICE_NAME},
};
use crate::{
    model::{CallContext, Result, audit::AuditedCall},
    service::{
        audit::operators_account,
        vault::{SealedVault, VaultService},
    },
    vault::MasterKeys,
};

/// The adapter.
#[derive(Clone)]
pub struct VaultAdapter(Over);

#[derive(Clone)]
enum Over {
    Open { vault: VaultService, tokens: Tokens },
    Sealed(Arc<SealedVault>),
}

impl VaultAdapter {
    /// Over an open vault.
    pub fn open(vault: VaultService, tokens: Tokens) -> Self {
        Self(Over::Open { vault, tokens })
    }

    /// Over a sealed one.
    pub fn sealed(vault: Arc<SealedVault>) -> Self {
        Self(Over::Sealed(vault))
    }

    async fn status(&self, context: &CallContext) -> Result<v1::VaultStatus> {
        match &self.0 {
            Over::Open { vault, .. } => vault.status(context.account()).await.map(vault::open),
            Over::Sealed(vault) => Ok(vault::sealed(vault.reason())),
        }
    }

    async fn rotate(&self, context: CallContext, message: v1::RotateMasterKeyRequest) -> Result<v1::Operation> {
        match &self.0 {
            Over::Open { vault, tokens } => {
                let key = tokens.request_key("RotateMasterKey", &message.request_id, &message)?;
                let started = vault.rotate(&context, key.as_ref(), message.validate_only).await?;
                Ok(started.map_or_else(checked, operation))
            }
            Over::Sealed(vault) => Err(vault.refusal()),
        }
    }

    async fn unseal(
        &self,
        context: CallContext,
        message: v1::UnsealRequest,
        peer: Option<IpAddr>,
    ) -> Result<v1::VaultStatus> {
        let keys = MasterKeys::parse_secret(&SecretString::from(message.master_key));
        match &self.0 {
            Over::Open { vault, .. } => {
                vault.check(keys.as_ref()).await?;
                vault.status(context.account()).await.map(vault::open)
            }
            Over::Sealed(sealed) => {
                let opened = sealed.unseal(keys, peer, unsealing(&context, peer)).await?;
                opened.status(context.account()).await.map(vault::open)
            }
        }
    }
}

/// An Unseal of a sealed vault, as it stands in the audit log. The layers keep no record of it, for the log has no key yet.
fn unsealing(context: &CallContext, peer: Option<IpAddr>) -> AuditedCall {
    let address = peer.map(|peer| peer.to_canonical().to_string()).unwrap_or_default();
    let method = format!("{SERVICE_NAME}/Unseal");
    // Whoever calls is not known.
    AuditedCall::new(operators_account(), String::new(), address, method, &context.request_id)
}

#[async_trait]
impl v1::vault_service_server::VaultService for VaultAdapter {
    async fn get_vault_status(
        &self,
        request: Request<v1::GetVaultStatusRequest>,
    ) -> Result<Response<v1::VaultStatus>, Status> {
        unary(request, |context, _| async move { self.status(&context).await }).await
    }

    async fn rotate_master_key(
        &self,
        request: Request<v1::RotateMasterKeyRequest>,
    ) -> Result<Response<v1::Operation>, Status> {
        unary(request, |context, message| self.rotate(context, message)).await
    }

    async fn unseal(&self, request: Request<v1::UnsealRequest>) -> Result<Response<v1::VaultStatus>, Status> {
        let peer = call::peer(&request);
        unary(request, |context, message| self.unseal(context, message, peer)).await
    }
}
