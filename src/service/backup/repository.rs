//! The storage of backups: encrypted, deduplicated, and never half published.
//!
//! A dump is cut into chunks ([`cut`]), a chunk that the repository lacks is compressed, encrypted ([`key`]) and
//! appended to a pack ([`pack`]); then come an index object, a look at every pack, and the manifest ([`manifest`])
//! with one conditional put ([`writer`]). A backup exists when its manifest does, so a crash at any point leaves
//! either a whole backup or packs that the next opening sweeps ([`open`]).
//!
//! ```text
//! repository.json                         format, repository, check of the key
//! packs/ab/abcd…                          chunks, and a table of them
//! indexes/…                               which chunks lie in which packs; can be rebuilt from the packs
//! manifests/{connection}/{backup}         the backups
//! ```

mod cut;
mod id;
mod index;
mod key;
mod manifest;
mod open;
mod pack;
mod reader;
mod storage;
mod writer;

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

pub use manifest::{BackupDescription, Manifest};
pub use open::OpeningReport;
pub use reader::BackupReader;
pub use storage::Storage;
pub use writer::BackupWriter;

use self::{
    index::{Index, Unused},
    key::Keys,
};
use crate::model::{Reason, Result, name::BackupName};

/// How a repository works.
#[derive(Debug, Clone, Copy)]
pub struct RepositorySettings {
    /// Level of zstd, 1 to 19.
    pub compression_level: i32,
    /// Chunks that one backup compresses at a time.
    pub parallelism: usize,
    /// A pack is closed when it has so many bytes; at most 1 GiB.
    pub pack_size: u64,
}

impl Default for RepositorySettings {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(2, NonZeroUsize::get);
        Self { compression_level: 1, parallelism: cores.clamp(2, 8), pack_size: 32 * 1024 * 1024 }
    }
}

/// The backups of one account.
pub struct Repository {
    storage: Storage,
    keys: Arc<Keys>,
    settings: RepositorySettings,
    index: Mutex<Index>,
    /// What writers that were given up left, to be deleted by whoever comes next.
    abandoned: Mutex<Unused>,
    deleting: tokio::sync::Mutex<()>,
    /// Turns to read a chunk before it is asked for.
    read_ahead: Arc<tokio::sync::Semaphore>,
    /// Turns to fetch a chunk and open it.
    openings: tokio::sync::Semaphore,
    report: OpeningReport,
}

impl Repository {
    /// Begins a backup.
    pub async fn begin(self: &Arc<Self>) -> Result<BackupWriter> {
        self.remove_abandoned().await?;
        Ok(BackupWriter::new(self.clone()))
    }

    /// The manifest of a backup. `None`: there is none. BACKUP_CORRUPT: it is not as it was written.
    pub async fn manifest(&self, name: &BackupName) -> Result<Option<Manifest>> {
        let Some(sealed) = self.storage.get(&manifest::path(name)).await? else { return Ok(None) };
        match Manifest::open(&self.keys, name, &sealed) {
            Some(manifest) => Ok(Some(manifest)),
            None => Err(reader::damaged(name, "its manifest is not the one that was stored")),
        }
    }

    /// Every backup that has a manifest.
    pub async fn list(&self) -> Result<Vec<BackupName>> {
        let objects = self.storage.list("manifests").await?;
        Ok(objects.iter().filter_map(|object| manifest::name_of(&object.path)).collect())
    }

    /// Deletes a backup, then the packs that no other backup needs. A backup that is being taken keeps those that it
    /// builds on.
    pub async fn delete(&self, name: &BackupName) -> Result<()> {
        let _one_at_a_time = self.deleting.lock().await;
        let manifest = match self.manifest(name).await {
            Ok(None) => return self.remove_abandoned().await,
            Ok(Some(manifest)) => Some(manifest),
            Err(error) if error.reason() == Reason::BackupCorrupt => None,
            Err(error) => return Err(error),
        };
        self.storage.delete(&manifest::path(name)).await?;
        // What an unreadable manifest needed is not known: the next opening finds and sweeps it.
        if let Some(manifest) = manifest {
            let unused = self.lock_index().release(manifest.head.packs.iter().map(|pack| pack.id));
            self.abandon(unused);
        }
        self.remove_abandoned().await
    }

    fn lock_index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn abandon(&self, mut unused: Unused) {
        let mut abandoned = self.abandoned.lock().unwrap_or_else(PoisonError::into_inner);
        abandoned.packs.append(&mut unused.packs);
        abandoned.index_objects.append(&mut unused.index_objects);
    }

    async fn remove_abandoned(&self) -> Result<()> {
        let Unused { packs, index_objects } =
            std::mem::take(&mut *self.abandoned.lock().unwrap_or_else(PoisonError::into_inner));
        // The index first: one that lists packs which are gone is harmless, but costs a look at each opening.
        let indexes = index_objects.iter().map(|name| open::index_path(name));
        let packs = packs.into_iter().map(pack::path);
        self.storage.delete_all(indexes.chain(packs).collect()).await
    }
}
