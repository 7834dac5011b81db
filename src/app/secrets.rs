//! The keys that the server made for itself.

use crate::{
    model::{Error, Result},
    service::backup::REPOSITORY_KEY,
    store::Store,
    vault::{AuditKey, ServerKey, ServerKeys, Vault},
};

const PEPPER: &str = "api-key-pepper";
const TOKEN: &str = "token";
const AUDIT: &str = "audit";

/// Opens the server's own keys, and makes those that are missing.
pub(super) async fn server_keys(store: &Store, vault: &Vault) -> Result<ServerKeys> {
    Ok(ServerKeys {
        pepper: server_key(store, vault, PEPPER).await?.into(),
        token: server_key(store, vault, TOKEN).await?.into(),
        repository: server_key(store, vault, REPOSITORY_KEY).await?.into(),
        audit: server_key(store, vault, AUDIT).await?.into(),
    })
}

/// Opens the key of the audit log alone, and makes it where it is missing: what a command needs that runs without a server. The
/// other keys are left to the server, which looks for lost ones in the storage of backups first.
pub(super) async fn audit_key(store: &Store, vault: &Vault) -> Result<AuditKey> {
    server_key(store, vault, AUDIT).await.map(AuditKey::from)
}

async fn server_key(store: &Store, vault: &Vault, name: &str) -> Result<ServerKey> {
    if store.server_key(name).await?.is_none() {
        store.add_server_key(name, &vault.generate_server_key(name)?).await?;
    }
    // Read back, so that what is used is what is stored.
    let sealed = store.server_key(name).await?.ok_or_else(|| Error::internal(format!("no server key {name}")))?;
    vault.open_server_key(name, &sealed)
}
