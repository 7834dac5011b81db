//! Reads a backup in the order of its dump, a few chunks ahead, and checks every byte before it is handed out.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::io::StreamReader;

use super::{Repository, manifest::Manifest, pack};
use crate::{
    engine::dump::DumpReader,
    model::{Error, Reason, Result, name::BackupName},
};

/// Chunks that a reader reads at a time: one, and this many more while there are turns for them.
const READ_AHEAD: u32 = 3;
/// Chunks that all readers of a repository together read ahead. A reader may stall for as long as its deadline allows, so
/// what it holds must not grow with the number of readers beyond the one chunk that each needs.
pub(super) const READ_AHEAD_TURNS: usize = 4 * READ_AHEAD as usize;

/// Chunks that all readers together fetch and open at a time, for one takes its length twice over while it is opened.
pub(super) const OPENING_TURNS: usize = 16;

/// The dump of a backup as a reader for the tools, which know errors of input only as such: the true one is kept here.
pub struct BackupReader {
    failure: Arc<Mutex<Option<Error>>>,
}

impl BackupReader {
    /// Takes what was wrong with the backup, where something was.
    pub fn take_failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

struct Reading {
    _ahead: Option<OwnedSemaphorePermit>,
    chunks: BoxStream<'static, Result<Bytes>>,
    hasher: blake3::Hasher,
    manifest: Arc<Manifest>,
}

impl Repository {
    /// The dump of a backup, chunk by chunk. It ends with an error where it is not, to the last byte, the dump that was stored.
    pub fn read(self: &Arc<Self>, manifest: Arc<Manifest>) -> BoxStream<'static, Result<Bytes>> {
        let repository = self.clone();
        let all = manifest.clone();
        let ahead = self.read_ahead.clone().try_acquire_many_owned(READ_AHEAD).ok();
        let width = if ahead.is_some() { 1 + READ_AHEAD as usize } else { 1 };
        let chunks = stream::iter(0..manifest.chunks.len())
            .map(move |index| repository.clone().read_chunk(all.clone(), index))
            .buffered(width)
            .boxed();
        let reading = Reading { _ahead: ahead, chunks, hasher: blake3::Hasher::new(), manifest };
        stream::try_unfold(reading, |mut reading| async move {
            if let Some(chunk) = reading.chunks.try_next().await? {
                reading.hasher.update(&chunk);
                return Ok(Some((chunk, reading)));
            }
            let Manifest { head, .. } = &*reading.manifest;
            if hex::encode(reading.hasher.finalize().as_bytes()) == head.root {
                return Ok(None);
            }
            Err(damaged(&head.description.name, "the whole does not have the hash that was stored"))
        })
        .boxed()
    }

    /// The dump of a backup as a reader, and the place where the reason lies when it fails. `progress` hears how many bytes
    /// were handed out.
    pub fn open_reader(
        self: &Arc<Self>,
        manifest: Arc<Manifest>,
        progress: impl Fn(u64) + Send + Sync + 'static,
    ) -> (DumpReader, BackupReader) {
        let failure = Arc::new(Mutex::new(None));
        let slot = failure.clone();
        let mut done = 0;
        let chunks = self
            .read(manifest)
            .inspect_ok(move |chunk| {
                done += chunk.len() as u64;
                progress(done);
            })
            .map_err(move |error| {
                let text = error.to_string();
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                std::io::Error::other(text)
            });
        (Box::new(StreamReader::new(chunks)), BackupReader { failure })
    }

    async fn read_chunk(self: Arc<Self>, manifest: Arc<Manifest>, index: usize) -> Result<Bytes> {
        let name = &manifest.head.description.name;
        let reference = &manifest.chunks[index];
        let Some(pack) = manifest.pack_of(reference) else {
            return Err(damaged(name, format!("chunk {index} is in no pack")));
        };
        let chunk = reference.chunk;
        let (start, length) = (u64::from(chunk.offset), u64::from(chunk.stored_length));
        let place = |what: &str| {
            damaged(name, format!("{what} at chunk {index} in pack {}", pack.id))
                .with_metadata("pack", pack.id.to_string())
                .with_metadata("chunk", index.to_string())
        };
        let _turn = self.openings.acquire().await.map_err(Error::internal)?;
        let sealed = self.storage.get_range(&pack::path(pack.id), start, length).await?;
        let sealed = sealed.ok_or_else(|| place("the storage ends or the pack is missing"))?;
        let keys = self.keys.clone();
        let plain_length = chunk.plain_length as usize;
        let opened = tokio::task::spawn_blocking(move || keys.open_chunk(chunk.id, plain_length, sealed.into()))
            .await
            .map_err(Error::internal)?;
        opened.map(Bytes::from).ok_or_else(|| place("the bytes are not those that were stored"))
    }

    /// Checks that every pack of a backup is there with its size.
    pub async fn check_sizes(&self, manifest: &Manifest) -> Result<()> {
        let name = &manifest.head.description.name;
        stream::iter(manifest.head.packs.clone())
            .map(|pack| async move {
                let what = match self.storage.size(&pack::path(pack.id)).await? {
                    Some(size) if size == pack.size => return Ok(()),
                    Some(size) => format!("pack {} has {size} bytes instead of {}", pack.id, pack.size),
                    None => format!("pack {} is missing", pack.id),
                };
                Err(damaged(name, what).with_metadata("pack", pack.id.to_string()))
            })
            .buffered(8)
            .try_collect()
            .await
    }

    /// Checks that the table of every pack lists the chunks of the backup where the manifest says they are.
    pub async fn check_tables(&self, manifest: &Manifest) -> Result<()> {
        let name = &manifest.head.description.name;
        let mut wanted = vec![Vec::new(); manifest.head.packs.len()];
        for reference in &manifest.chunks {
            wanted[reference.pack as usize].push(reference.chunk);
        }
        for (pack, wanted) in manifest.head.packs.iter().zip(wanted) {
            let table = pack::read_table(&self.storage, &self.keys, pack.id, pack.size).await?;
            let listed = table.is_some_and(|table| {
                let listed: std::collections::HashSet<_> = table.chunks.into_iter().collect();
                wanted.iter().all(|chunk| listed.contains(chunk))
            });
            if !listed {
                let what = format!("the table of pack {} is not the one that was stored", pack.id);
                return Err(damaged(name, what).with_metadata("pack", pack.id.to_string()));
            }
        }
        Ok(())
    }
}

/// The error of a backup that is not as it was stored.
pub(super) fn damaged(name: &BackupName, what: impl std::fmt::Display) -> Error {
    Error::new(
        Reason::BackupCorrupt,
        format!("{name} is damaged: {what}; restore from another backup and take a new one"),
    )
    .with_metadata("backup", name.to_string())
}
