//! The objects of a repository, over `object_store`: a directory now, S3 by configuration later.
//!
//! Small objects are put whole and only where there is none of that name. Packs are sent in parts, so that memory
//! holds a part and not a pack; an object store shows them only when the last part is in.

use std::{error::Error as StdError, fs, io, path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::{
    ObjectStore, ObjectStoreExt, PutMode, WriteMultipart, local::LocalFileSystem, path::Path, prefix::PrefixStore,
};

use crate::model::{Error, Reason, Result};

/// Bytes of a part of a pack. Object stores want at least 5 MiB.
const PART_SIZE: usize = 6 * 1024 * 1024;

/// The key of the storage, sealed by the master key. No account has a dot in its id.
const SEALED_KEY: &str = "key.sealed";

/// Where the objects of a repository lie.
#[derive(Debug, Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    /// The directory behind the store, where it is one.
    directory: Option<PathBuf>,
}

/// An object that was put, or found by a listing.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) path: Path,
    pub(super) size: u64,
}

impl Storage {
    /// A storage in a directory, which is made where it does not exist. Every object is on the disk when its put returns.
    pub fn directory(directory: PathBuf) -> Result<Self> {
        let store = fs::create_dir_all(&directory)
            .map_err(|cause| from_io("the directory of the backups cannot be made", cause))
            .and_then(|()| {
                LocalFileSystem::new_with_prefix(&directory)
                    .map_err(|cause| failure("the directory of the backups cannot be opened", cause))
            })?;
        Ok(Self { store: Arc::new(store.with_fsync(true)), directory: Some(directory) })
    }

    /// A storage over any object store that knows conditional puts.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, directory: None }
    }

    /// The part of the storage under a prefix.
    #[must_use]
    pub fn under(&self, prefix: &str) -> Self {
        Self {
            store: Arc::new(PrefixStore::new(self.store.clone(), prefix)),
            directory: self.directory.as_ref().map(|directory| directory.join(prefix)),
        }
    }

    /// Puts an object where there is none of that name. False: there is one.
    pub(super) async fn put_new(&self, path: &Path, content: Bytes) -> Result<bool> {
        match self.store.put_opts(path, content.into(), PutMode::Create.into()).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(cause) => Err(failure("an object cannot be written", cause)),
        }
    }

    /// The key of the storage, sealed, where it is kept here.
    pub(crate) async fn sealed_key(&self) -> Result<Option<Vec<u8>>> {
        Ok(self.get(&Path::from(SEALED_KEY)).await?.map(Into::into))
    }

    /// Keeps the sealed key of the storage, in the place of one that is here.
    pub(crate) async fn put_sealed_key(&self, sealed: Vec<u8>) -> Result<()> {
        let put = self.store.put(&Path::from(SEALED_KEY), sealed.into()).await;
        put.map(|_| ()).map_err(|cause| failure("the sealed key cannot be written", cause))
    }

    /// Names of the folders at the top.
    pub(crate) async fn folders(&self) -> Result<Vec<String>> {
        let listed = self.store.list_with_delimiter(None).await;
        let listed = listed.map_err(|cause| failure("the accounts cannot be listed", cause))?;
        Ok(listed.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect())
    }

    /// Begins an object that is sent in parts.
    pub(super) async fn upload(&self, path: &Path) -> Result<Upload> {
        let parts = self.store.put_multipart(path).await.map_err(|cause| failure("a pack cannot be written", cause))?;
        Ok(Upload(WriteMultipart::new_with_chunk_size(parts, PART_SIZE)))
    }

    /// Reads an object whole. `None`: there is none.
    pub(super) async fn get(&self, path: &Path) -> Result<Option<Bytes>> {
        let content = async { self.store.get(path).await?.bytes().await };
        match content.await {
            Ok(content) => Ok(Some(content)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(cause) => Err(failure("an object cannot be read", cause)),
        }
    }

    /// Reads a part of an object. `None`: the object does not exist or ends before it.
    pub(super) async fn get_range(&self, path: &Path, start: u64, length: u64) -> Result<Option<Bytes>> {
        match self.store.get_range(path, start..start + length).await {
            Ok(content) if content.len() as u64 == length => Ok(Some(content)),
            Ok(_) => Ok(None),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            // A range behind the end is an error of no own kind: the size tells.
            Err(cause) => match self.size(path).await? {
                Some(size) if size >= start + length => Err(failure("a pack cannot be read", cause)),
                _ => Ok(None),
            },
        }
    }

    /// Size of an object. `None`: there is none.
    pub(super) async fn size(&self, path: &Path) -> Result<Option<u64>> {
        match self.store.head(path).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(cause) => Err(failure("an object cannot be looked up", cause)),
        }
    }

    /// Every object under a prefix.
    pub(super) async fn list(&self, prefix: &str) -> Result<Vec<Object>> {
        self.store
            .list(Some(&Path::from(prefix)))
            .map_ok(|found| Object { path: found.location, size: found.size })
            .try_collect()
            .await
            .map_err(|cause| failure("the objects cannot be listed", cause))
    }

    /// Deletes an object. False: there was none, as far as the store tells.
    pub(super) async fn delete(&self, path: &Path) -> Result<bool> {
        match self.store.delete(path).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(cause) => Err(failure("an object cannot be deleted", cause)),
        }
    }

    /// Deletes objects, of which some may be gone already.
    pub(super) async fn delete_all(&self, paths: Vec<Path>) -> Result<()> {
        futures::stream::iter(paths)
            .map(|path| async move { self.delete(&path).await.map(|_| ()) })
            .buffer_unordered(8)
            .try_collect()
            .await
    }

    /// Removes what a killed write left beside its object in a directory. `object_store` writes to `name#1`, then
    /// renames, and shows such files to nobody, so they have to be found by looking at the directory itself.
    pub(super) async fn remove_unfinished(&self) -> Result<()> {
        let Some(directory) = self.directory.clone() else { return Ok(()) };
        tokio::task::spawn_blocking(move || remove_unfinished_files(&directory))
            .await
            .map_err(Error::internal)?
            .map_err(|cause| from_io("unfinished files cannot be removed", cause))
    }
}

/// An object that is being sent in parts.
pub(super) struct Upload(WriteMultipart);

impl Upload {
    /// Adds bytes; waits while the part before is still on its way.
    pub(super) async fn append(&mut self, content: Bytes) -> Result<()> {
        self.0.wait_for_capacity(1).await.map_err(|cause| failure("a pack cannot be written", cause))?;
        self.0.put(content);
        Ok(())
    }

    /// Sends the rest and lets the object appear.
    pub(super) async fn finish(self) -> Result<()> {
        self.0.finish().await.map(|_| ()).map_err(|cause| failure("a pack cannot be written", cause))
    }

    /// Takes back what was sent.
    pub(super) async fn abort(self) -> Result<()> {
        self.0.abort().await.map_err(|cause| failure("a pack cannot be taken back", cause))
    }
}

fn remove_unfinished_files(directory: &std::path::Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(cause),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_unfinished_files(&entry.path())?;
        } else if is_unfinished(&entry.file_name().to_string_lossy()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn is_unfinished(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(_, tail)| !tail.is_empty() && tail.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The public error of a storage that does not do what it should.
fn failure(action: &str, cause: object_store::Error) -> Error {
    let full = is_full(&cause);
    report(action, full, cause)
}

fn from_io(action: &str, cause: io::Error) -> Error {
    let full = is_full(&cause);
    report(action, full, cause)
}

fn report(action: &str, full: bool, cause: impl StdError + Send + Sync + 'static) -> Error {
    if full {
        return Error::new(
            Reason::StorageFull,
            "the backup storage is full; free space on it, for example by deleting old backups, and try again",
        )
        .caused_by(cause);
    }
    Error::new(
        Reason::StoreUnavailable,
        format!("backup storage: {action}; see that it is there and that dbkeeper may write to it, then try again"),
    )
    .caused_by(cause)
}

fn is_full(cause: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(cause);
    while let Some(error) = next {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)) {
            return true;
        }
        next = error.source();
    }
    false
}
