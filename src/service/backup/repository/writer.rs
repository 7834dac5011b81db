//! Writes one backup: chunks into packs, then an index object, then a look at every pack, the manifest last.
//!
//! Nothing of it exists for anybody until the manifest does. A writer that is given up takes its packs with it.

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::Arc,
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::wrappers::ReceiverStream;

use super::{
    Repository,
    cut::{self, Chunk, StreamSummary},
    id::{ChunkId, PackId},
    manifest::{self, BackupDescription, ChunkReference, FORMAT_VERSION, Head, Manifest, PackReference},
    pack::{self, Pack, PackWriter, PackedChunk},
};
use crate::{
    engine::dump::{Chunking, DumpReader},
    model::{Error, Reason, Result, Timestamp},
};

/// Blocks that wait to be cut.
const WAITING_BLOCKS: usize = 4;
/// Chunks that wait to be compressed.
const WAITING_CHUNKS: usize = 1;
/// Packs that are closed while the next one is being filled.
const CLOSING_PACKS: usize = 2;

/// A backup that is being written. [`BackupWriter::discard`] or [`BackupWriter::publish`] ends it.
pub struct BackupWriter {
    repository: Arc<Repository>,
    /// Packs of other backups that this one builds on.
    held: HashSet<PackId>,
    /// Packs that were begun here, finished or not.
    begun: Vec<PackId>,
    current: Option<PackWriter>,
    closing: JoinSet<Result<Pack>>,
    finished: Vec<Pack>,
    /// Index object that was put for the finished packs.
    index_object: Option<String>,
    references: References,
    summary: Option<StreamSummary>,
    stored_length: u64,
    new_chunk_count: u64,
    published: bool,
}

/// The chunks of the dump in its order, and their packs.
#[derive(Default)]
struct References {
    chunks: Vec<ChunkReference>,
    packs: Vec<PackReference>,
    places: HashMap<PackId, u32>,
}

impl References {
    fn push(&mut self, pack: PackId, size: u64, chunk: PackedChunk) {
        let next = u32::try_from(self.packs.len()).unwrap_or(u32::MAX);
        let place = *self.places.entry(pack).or_insert(next);
        if place == next {
            self.packs.push(PackReference { id: pack, size });
        }
        self.chunks.push(ChunkReference { pack: place, chunk });
    }

    fn set_size(&mut self, pack: PackId, size: u64) {
        if let Some(place) = self.places.get(&pack) {
            self.packs[*place as usize].size = size;
        }
    }
}

/// A chunk on its way into the backup.
enum Placed {
    /// The repository has it.
    Known { pack: PackId, size: u64, chunk: PackedChunk },
    /// The dump had it before, at this place.
    Repeated(usize),
    /// It has to be stored.
    New { id: ChunkId, plain_length: u32, sealed: Vec<u8> },
}

impl BackupWriter {
    pub(super) fn new(repository: Arc<Repository>) -> Self {
        Self {
            repository,
            held: HashSet::new(),
            begun: Vec::new(),
            current: None,
            closing: JoinSet::new(),
            finished: Vec::new(),
            index_object: None,
            references: References::default(),
            summary: None,
            stored_length: 0,
            new_chunk_count: 0,
            published: false,
        }
    }

    /// Stores the chunks of a dump until it ends. `progress` hears how many bytes of the dump are stored so far.
    pub async fn store(
        &mut self,
        source: DumpReader,
        chunking: Chunking,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<()> {
        let (block_sender, blocks) = mpsc::channel(WAITING_BLOCKS);
        let (chunk_sender, chunks) = mpsc::channel(WAITING_CHUNKS);
        let keys = self.repository.keys.clone();
        let cutter = tokio::task::spawn_blocking(move || cut::cut(&keys, chunking, blocks, &chunk_sender));
        let reading = async {
            cut::read_blocks(source, block_sender)
                .await
                .map_err(|cause| Error::new(Reason::ToolFailed, "the dump cannot be read").caused_by(cause))
        };
        let cutting = async { cutter.await.map_err(Error::internal) };
        let ((), summary, ()) = tokio::try_join!(reading, cutting, self.place_all(chunks, progress))?;
        self.summary = Some(summary);
        Ok(())
    }

    async fn place_all(&mut self, chunks: mpsc::Receiver<Chunk>, progress: &(dyn Fn(u64) + Send + Sync)) -> Result<()> {
        let repository = self.repository.clone();
        let mut held = mem::take(&mut self.held);
        let mut seen = HashMap::new();
        let mut done = 0;
        let mut placed = ReceiverStream::new(chunks)
            .enumerate()
            .map(|(position, chunk)| {
                let known = repository.lock_index().find_and_hold(chunk.id, &mut held);
                let first = *seen.entry(chunk.id).or_insert(position);
                place(repository.clone(), chunk, known, (first < position).then_some(first))
            })
            .buffered(repository.settings.parallelism);
        let outcome = loop {
            match placed.try_next().await {
                Ok(Some(chunk)) => match self.add(chunk).await {
                    Ok(length) => done += length,
                    Err(error) => break Err(error),
                },
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
            progress(done);
        };
        drop(placed);
        self.held = held;
        outcome?;
        self.close_current();
        self.wait_closed(0).await
    }

    /// Adds the next chunk of the dump and tells its plain length.
    async fn add(&mut self, placed: Placed) -> Result<u64> {
        let (pack, size, chunk) = match placed {
            Placed::Known { pack, size, chunk } => (pack, size, chunk),
            Placed::Repeated(position) => {
                let ChunkReference { pack, chunk } = self.references.chunks[position];
                let PackReference { id, size } = self.references.packs[pack as usize];
                (id, size, chunk)
            }
            Placed::New { id, plain_length, sealed } => {
                let (pack, chunk) = self.append(id, plain_length, sealed).await?;
                (pack, 0, chunk)
            }
        };
        self.references.push(pack, size, chunk);
        Ok(u64::from(chunk.plain_length))
    }

    async fn append(&mut self, id: ChunkId, plain_length: u32, sealed: Vec<u8>) -> Result<(PackId, PackedChunk)> {
        if self.current.as_ref().is_some_and(|writer| writer.size() >= self.repository.settings.pack_size) {
            self.close_current();
            self.wait_closed(CLOSING_PACKS - 1).await?;
        }
        let writer = match &mut self.current {
            Some(writer) => writer,
            None => {
                let id = self.repository.keys.new_pack_id()?;
                self.begun.push(id);
                self.current.insert(PackWriter::create(&self.repository.storage, id).await?)
            }
        };
        self.new_chunk_count += 1;
        Ok((writer.id(), writer.append(id, plain_length, sealed).await?))
    }

    fn close_current(&mut self) {
        if let Some(writer) = self.current.take() {
            let keys = self.repository.keys.clone();
            self.closing.spawn(async move { writer.finish(&keys).await });
        }
    }

    /// Waits until no more packs than this are being closed.
    async fn wait_closed(&mut self, most: usize) -> Result<()> {
        while self.closing.len() > most {
            let Some(closed) = self.closing.join_next().await else { break };
            let pack = closed.map_err(Error::internal)??;
            self.stored_length += pack.size;
            self.references.set_size(pack.id, pack.size);
            self.finished.push(pack);
        }
        Ok(())
    }

    /// Publishes what was stored. Only to be called when the dump's tool has ended well.
    pub async fn publish(&mut self, description: BackupDescription) -> Result<Manifest> {
        let summary = self.summary.filter(|summary| summary.length > 0);
        let Some(summary) = summary else {
            return Err(Error::new(Reason::ToolFailed, "the tool ended well and wrote no dump; nothing is published"));
        };
        self.index_object = self.repository.put_index(&self.finished).await?;
        check_packs(&self.repository, &self.references.packs).await?;

        let references = mem::take(&mut self.references);
        let manifest = Manifest {
            head: Head {
                format_version: FORMAT_VERSION,
                description,
                published: Timestamp::now(),
                plain_length: summary.length,
                root: hex::encode(summary.root),
                stored_length: self.stored_length,
                new_chunk_count: self.new_chunk_count,
                packs: references.packs,
            },
            chunks: references.chunks,
        };
        self.put_manifest(&manifest).await?;
        self.published = true;
        if let Some(name) = self.index_object.take() {
            self.repository.lock_index().add_object(name, &self.finished, |_| 1);
        }
        Ok(manifest)
    }

    async fn put_manifest(&mut self, manifest: &Manifest) -> Result<()> {
        let name = &manifest.head.description.name;
        let path = manifest::path(name);
        let sealed = Bytes::from(manifest.seal(&self.repository.keys)?);
        let storage = &self.repository.storage;
        match storage.put_new(&path, sealed.clone()).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::new(
                Reason::BackupExists,
                format!("{name} is in the storage already; choose another id for the backup"),
            )),
            // The answer may be lost and the manifest stored all the same: then the backup is published.
            Err(error) => match storage.get(&path).await {
                Ok(Some(found)) if found == sealed => Ok(()),
                Ok(_) => Err(error),
                Err(_) => {
                    // Nobody knows. The packs stay; the next opening sees whether a manifest needs them.
                    self.begun.clear();
                    self.index_object = None;
                    Err(error)
                }
            },
        }
    }

    /// Takes back everything that was stored for this backup.
    pub async fn discard(mut self) -> Result<()> {
        if let Some(writer) = self.current.take() {
            // It is given up in any case, and what it left is swept at the next opening.
            let _ = writer.abort().await;
        }
        // A pack that is being closed cannot be stopped half way: it would appear after it was deleted.
        while self.closing.join_next().await.is_some() {}
        let repository = self.repository.clone();
        drop(self);
        repository.remove_abandoned().await
    }
}

impl Drop for BackupWriter {
    fn drop(&mut self) {
        if self.published {
            return;
        }
        let mut unused = self.repository.lock_index().release(self.held.drain());
        unused.packs.append(&mut self.begun);
        unused.index_objects.extend(self.index_object.take());
        self.repository.abandon(unused);
    }
}

/// Every pack is there with its size, those of other backups too.
async fn check_packs(repository: &Repository, packs: &[PackReference]) -> Result<()> {
    stream::iter(packs.to_vec())
        .map(|reference| async move {
            let size = repository.storage.size(&pack::path(reference.id)).await?;
            if size == Some(reference.size) {
                return Ok(());
            }
            // No later backup shall build on it; the next one stores its chunks again.
            repository.lock_index().forget(vec![reference.id]);
            Err(Error::new(
                Reason::StoreUnavailable,
                format!(
                    "pack {} is missing from the backup storage or has another size, nothing is published; \
                     take the backup again and verify the older ones",
                    reference.id
                ),
            ))
        })
        .buffer_unordered(8)
        .try_collect()
        .await
}

async fn place(
    repository: Arc<Repository>,
    chunk: Chunk,
    known: Option<(PackId, u64, PackedChunk)>,
    first: Option<usize>,
) -> Result<Placed> {
    if let Some((pack, size, chunk)) = known {
        return Ok(Placed::Known { pack, size, chunk });
    }
    if let Some(position) = first {
        return Ok(Placed::Repeated(position));
    }
    tokio::task::spawn_blocking(move || {
        let sealed = repository.keys.seal_chunk(chunk.id, &chunk.plain, repository.settings.compression_level)?;
        let plain_length = u32::try_from(chunk.plain.len()).map_err(Error::internal)?;
        Ok(Placed::New { id: chunk.id, plain_length, sealed })
    })
    .await
    .map_err(Error::internal)?
}
