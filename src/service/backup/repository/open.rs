//! Opens a repository: checks the key, learns what is stored, and sweeps away what killed backups left.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use object_store::path::Path;
use ring::rand::SystemRandom;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::{
    Repository, RepositorySettings,
    id::{PackId, RepositoryId},
    index::Index,
    key::{Keys, ObjectKind, random_bytes},
    manifest::FORMAT_VERSION,
    pack::{self, Pack},
    reader::{OPENING_TURNS, READ_AHEAD_TURNS},
    storage::Storage,
};
use crate::model::{Error, Reason, Result};

const HEADER: &str = "repository.json";

/// What lies beside the packs in clear.
#[derive(Serialize, Deserialize)]
struct Header {
    format_version: u32,
    repository: String,
    key_check: String,
}

/// What an opening found and mended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpeningReport {
    /// Backups.
    pub backups: usize,
    /// Backups whose manifest cannot be read. While there is one, no pack is ever deleted.
    pub unreadable_manifests: usize,
    /// Index objects that could not be read and were made again from the packs.
    pub rebuilt_indexes: usize,
    /// Packs that no backup needs and that were deleted.
    pub swept_packs: usize,
}

impl Repository {
    /// Opens the repository of a secret key in a storage, or makes one where there is none. One server at a time may have it open:
    /// an opening deletes what no published backup needs, so also what another server is just writing.
    pub async fn open(storage: Storage, key: &Zeroizing<[u8; 32]>, settings: RepositorySettings) -> Result<Arc<Self>> {
        let id = read_or_make_header(&storage, key).await?;
        let repository = Self {
            keys: Arc::new(Keys::derive(key, id)?),
            storage,
            settings,
            index: Mutex::new(Index::default()),
            abandoned: Mutex::default(),
            deleting: tokio::sync::Mutex::new(()),
            read_ahead: Arc::new(Semaphore::new(READ_AHEAD_TURNS)),
            openings: Semaphore::new(OPENING_TURNS),
            report: OpeningReport::default(),
        };
        repository.load().await.map(Arc::new)
    }

    async fn load(mut self) -> Result<Self> {
        self.storage.remove_unfinished().await?;
        let mut sizes = HashMap::new();
        for object in self.storage.list("packs").await? {
            if let Some(id) = pack::id_of(&object.path) {
                sizes.insert(id, object.size);
            }
        }
        let holders = self.count_holders().await?;
        self.sweep(&mut sizes, &holders).await?;
        self.load_indexes(&sizes, &holders).await?;
        self.rebuild_index(&sizes, &holders).await?;
        tracing::info!(
            backups = self.report.backups,
            packs = sizes.len(),
            swept_packs = self.report.swept_packs,
            rebuilt_indexes = self.report.rebuilt_indexes,
            unreadable_manifests = self.report.unreadable_manifests,
            "backup repository opened"
        );
        Ok(self)
    }

    /// How many backups need each pack.
    async fn count_holders(&mut self) -> Result<HashMap<PackId, usize>> {
        let mut holders = HashMap::new();
        for name in self.list().await? {
            self.report.backups += 1;
            match self.manifest(&name).await {
                Ok(Some(manifest)) => {
                    for pack in &manifest.head.packs {
                        *holders.entry(pack.id).or_insert(0) += 1;
                    }
                }
                Ok(None) => {}
                Err(error) if error.reason() == Reason::BackupCorrupt => {
                    self.report.unreadable_manifests += 1;
                    tracing::error!(backup = %name, "manifest cannot be read, no pack is deleted while it is there");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(holders)
    }

    /// Deletes the packs that no backup needs: what a killed backup, or a killed deletion, left.
    async fn sweep(&mut self, sizes: &mut HashMap<PackId, u64>, holders: &HashMap<PackId, usize>) -> Result<()> {
        if self.report.unreadable_manifests > 0 {
            return Ok(());
        }
        let unused: Vec<PackId> = sizes.keys().filter(|pack| !holders.contains_key(pack)).copied().collect();
        self.storage.delete_all(unused.iter().map(|pack| pack::path(*pack)).collect()).await?;
        for pack in &unused {
            sizes.remove(pack);
        }
        self.report.swept_packs = unused.len();
        Ok(())
    }

    async fn load_indexes(&mut self, sizes: &HashMap<PackId, u64>, holders: &HashMap<PackId, usize>) -> Result<()> {
        for object in self.storage.list("indexes").await? {
            let Some(name) = object.path.filename().map(str::to_owned) else { continue };
            let Some(sealed) = self.storage.get(&object.path).await? else { continue };
            let plain = self.keys.open_object(ObjectKind::Index, &name, &sealed);
            let Some(mut packs) = plain.and_then(|plain| pack::decode_packs(&plain)) else {
                self.report.rebuilt_indexes += 1;
                tracing::warn!(index = name, "index object is damaged, made again from the packs");
                self.storage.delete(&object.path).await?;
                continue;
            };
            // No backup may build on a pack that is gone or cut short; one that needs it is found damaged by its check.
            packs.retain(|pack| sizes.get(&pack.id) == Some(&pack.size));
            if packs.is_empty() {
                self.storage.delete(&object.path).await?;
                continue;
            }
            self.add_to_index(&name, &packs, holders);
        }
        Ok(())
    }

    /// Reads the tables of the packs that no index object lists, and writes an index object of them.
    async fn rebuild_index(&mut self, sizes: &HashMap<PackId, u64>, holders: &HashMap<PackId, usize>) -> Result<()> {
        let unlisted: Vec<PackId> = sizes.keys().filter(|pack| !self.lock_index().has_pack(**pack)).copied().collect();
        let mut packs = Vec::new();
        for id in unlisted {
            let size = sizes.get(&id).copied().unwrap_or_default();
            packs.extend(pack::read_table(&self.storage, &self.keys, id, size).await?);
        }
        if let Some(name) = self.put_index(&packs).await? {
            self.add_to_index(&name, &packs, holders);
        }
        Ok(())
    }

    fn add_to_index(&self, name: &str, packs: &[Pack], holders: &HashMap<PackId, usize>) {
        // A manifest that cannot be read may need any pack, so it counts as a holder of each.
        let unknown = self.report.unreadable_manifests;
        let holders_of = |pack| holders.get(&pack).copied().unwrap_or_default() + unknown;
        self.lock_index().add_object(name.to_owned(), packs, holders_of);
    }

    /// Writes an index object of packs and tells its name. `None`: there are no packs.
    pub(super) async fn put_index(&self, packs: &[Pack]) -> Result<Option<String>> {
        if packs.is_empty() {
            return Ok(None);
        }
        let name = self.keys.new_pack_id()?.to_string();
        let sealed = self.keys.seal_object(ObjectKind::Index, &name, &pack::encode_packs(packs))?;
        self.storage.put_new(&index_path(&name), sealed.into()).await?;
        Ok(Some(name))
    }

    /// What the opening found.
    pub fn report(&self) -> OpeningReport {
        self.report
    }
}

/// Where an index object lies.
pub(super) fn index_path(name: &str) -> Path {
    Path::from(format!("indexes/{name}"))
}

async fn read_or_make_header(storage: &Storage, key: &Zeroizing<[u8; 32]>) -> Result<RepositoryId> {
    let path = Path::from(HEADER);
    if let Some(content) = storage.get(&path).await? {
        return check_header(&content, key);
    }
    if !storage.list("manifests").await?.is_empty() {
        return Err(Error::new(
            Reason::BackupCorrupt,
            format!("the backup storage has backups and its file {HEADER} is missing; put that file back from a copy"),
        ));
    }
    let id = RepositoryId(random_bytes(&SystemRandom::new())?);
    let header = Header {
        format_version: FORMAT_VERSION,
        repository: id.to_string(),
        key_check: hex::encode(Keys::check_value(key, id)),
    };
    let content = serde_json::to_vec_pretty(&header).map_err(Error::internal)?;
    if storage.put_new(&path, content.into()).await? {
        return Ok(id);
    }
    // Somebody else made it at the same moment.
    let content = storage.get(&path).await?.unwrap_or_default();
    check_header(&content, key)
}

fn check_header(content: &[u8], key: &Zeroizing<[u8; 32]>) -> Result<RepositoryId> {
    let damaged = || {
        Error::new(
            Reason::BackupCorrupt,
            format!("the file {HEADER} of the backup storage is damaged; put it back from a copy"),
        )
    };
    let header: Header = serde_json::from_slice(content).map_err(|cause| damaged().caused_by(cause))?;
    if header.format_version != FORMAT_VERSION {
        return Err(Error::new(
            Reason::BackupCorrupt,
            format!(
                "the backup storage has format {}, this dbkeeper reads format {FORMAT_VERSION}; use the dbkeeper that wrote it",
                header.format_version
            ),
        ));
    }
    let id = RepositoryId::parse(&header.repository).ok_or_else(damaged)?;
    if header.key_check == hex::encode(Keys::check_value(key, id)) {
        return Ok(id);
    }
    Err(Error::new(
        Reason::VaultSealed,
        "the master key is not the one that the backup storage was made with; start with that key or choose another storage",
    ))
}
