//! Opens the vault of a store, and the keys that the server made for itself.

use crate::{
    model::{Error, Result},
    store::{
        Store,
        setting::{KEY_CHECK, STORE_ID},
    },
    vault::{KeySource, Opened, ServerKey, ServerKeys, Vault},
};

const PEPPER: &str = "api-key-pepper";
const TOKEN: &str = "token";
const REPOSITORY: &str = "backup-repository";
const AUDIT: &str = "audit";

/// Opens the vault of a store. The vault stays sealed where its master key is missing or wrong.
pub(super) async fn open_vault(store: &Store, source: &KeySource) -> Result<Vault> {
    let store_id = store.set_setting_once(STORE_ID, ulid::Ulid::generate().to_string().as_bytes()).await?;
    let stored = store.setting(KEY_CHECK).await?;
    let fresh = !store.holds_sealed_records().await?;
    let Opened { vault, key_check } = Vault::open(source, &store_id, stored.as_deref(), fresh)?;
    if let (None, Some(key_check)) = (stored, key_check) {
        store.set_setting_once(KEY_CHECK, &key_check).await?;
    }
    Ok(vault)
}

/// Opens the server's own keys, and makes those that are missing.
pub(super) async fn server_keys(store: &Store, vault: &Vault) -> Result<ServerKeys> {
    Ok(ServerKeys {
        pepper: server_key(store, vault, PEPPER).await?.into(),
        token: server_key(store, vault, TOKEN).await?.into(),
        repository: server_key(store, vault, REPOSITORY).await?.into(),
        audit: server_key(store, vault, AUDIT).await?.into(),
    })
}

async fn server_key(store: &Store, vault: &Vault, name: &str) -> Result<ServerKey> {
    if store.server_key(name).await?.is_none() {
        store.add_server_key(name, &vault.generate_server_key(name)?).await?;
    }
    // Read back, so that what is used is what is stored.
    let sealed = store.server_key(name).await?.ok_or_else(|| Error::internal(format!("no server key {name}")))?;
    vault.open_server_key(name, &sealed)
}
