//! The repository of each account, opened at its first use.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use super::repository::{Repository, RepositorySettings, Storage};
use crate::{
    model::{AccountId, Result},
    vault::RepositoryKey,
};

/// The repositories of all accounts. Each has its own folder, its own keys, and shares no chunk with another, so that the
/// size of a backup tells nobody what another account has stored.
pub(super) struct Repositories {
    storage: Storage,
    key: Zeroizing<[u8; 32]>,
    settings: RepositorySettings,
    open: Mutex<HashMap<AccountId, Arc<OnceCell<Arc<Repository>>>>>,
}

impl Repositories {
    pub(super) fn new(storage: Storage, key: &RepositoryKey, settings: RepositorySettings) -> Self {
        Self { storage, key: key.derive("dbkeeper backups 1: keys of accounts"), settings, open: Mutex::default() }
    }

    /// The repository of an account. Callers that come while it is being opened wait for the same opening.
    pub(super) async fn get(&self, account: &AccountId) -> Result<Arc<Repository>> {
        let cell = self.cell(account);
        let opened = cell.get_or_try_init(|| async {
            let key = Zeroizing::new(*blake3::keyed_hash(&self.key, account.as_str().as_bytes()).as_bytes());
            Repository::open(self.storage.under(account.as_str()), &key, self.settings).await
        });
        opened.await.cloned()
    }

    /// The accounts that have a repository.
    pub(super) async fn accounts(&self) -> Result<Vec<AccountId>> {
        let folders = self.storage.folders().await?;
        Ok(folders.iter().filter_map(|folder| AccountId::parse(folder, "account").ok()).collect())
    }

    fn cell(&self, account: &AccountId) -> Arc<OnceCell<Arc<Repository>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).entry(account.clone()).or_default().clone()
    }
}
