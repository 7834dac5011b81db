//! The key of the backup storage, kept a second time in the storage itself, sealed by the master key as it is in the store. A
//! data directory that lost its store, and has the storage and the master key, reads its backups again.

use async_trait::async_trait;

use super::repository::Storage;
use crate::{
    model::{Error, Result},
    service::vault::SealedCopy,
    store::Store,
    vault::Vault,
};

/// Name of the key among the server's own.
pub const REPOSITORY_KEY: &str = "backup-repository";

/// The copy in the storage.
pub struct KeyCopy {
    store: Store,
    storage: Storage,
}

impl KeyCopy {
    /// The copy in a storage of the key in a store.
    pub fn new(store: Store, storage: Storage) -> Self {
        Self { store, storage }
    }

    /// Takes the key out of the storage where the store has none. True: it did, so that the list of the backups has to be made
    /// again. A copy that this master key does not open is left as it is, and the storage with it.
    pub async fn recover(&self, vault: &Vault) -> Result<bool> {
        if self.store.server_key(REPOSITORY_KEY).await?.is_some() {
            return Ok(false);
        }
        let Some(copy) = self.storage.sealed_key().await? else { return Ok(false) };
        if let Err(error) = vault.open_server_key(REPOSITORY_KEY, &copy) {
            tracing::error!(
                error = %error,
                "the backup storage is of another master key; its backups stay closed until that key is back"
            );
            return Ok(false);
        }
        self.store.add_server_key(REPOSITORY_KEY, &copy).await?;
        tracing::warn!("key of the backup storage taken from the storage, because the store had none");
        Ok(true)
    }

    /// Puts the copy into the storage where there is none. That it cannot be put must not stop a start, so it is logged.
    pub async fn keep(&self) {
        let kept = async {
            if self.storage.sealed_key().await?.is_none() {
                self.storage.put_sealed_key(self.stored().await?).await?;
            }
            Ok(())
        };
        let kept: Result<()> = kept.await;
        if let Err(error) = kept {
            tracing::warn!(error = %error, "key of the backup storage not kept in the storage");
        }
    }

    async fn stored(&self) -> Result<Vec<u8>> {
        let stored = self.store.server_key(REPOSITORY_KEY).await?;
        stored.ok_or_else(|| Error::internal("the key of the backup storage is not in the store"))
    }
}

#[async_trait]
impl SealedCopy for KeyCopy {
    async fn renew(&self, vault: &Vault) -> Result<()> {
        let stored = self.stored().await?;
        match self.storage.sealed_key().await? {
            // A copy of another key belongs to backups of another store.
            Some(copy) if !vault.holds_same_key(REPOSITORY_KEY, &copy, &stored) => Ok(()),
            Some(copy) if copy == stored => Ok(()),
            _ => self.storage.put_sealed_key(stored).await,
        }
    }
}
