//! Packs: some 32 MiB of sealed chunks in one object, with a sealed table of them at its end, so that every index
//! can be rebuilt from the packs alone.
//!
//! ```text
//! "DBKPACK1"  sealed chunk …  sealed table  length of the sealed table (4 bytes, little endian)
//! ```

use bytes::{Buf, BufMut, Bytes};
use object_store::path::Path;

use super::{
    id::{ChunkId, PackId},
    key::{Keys, ObjectKind},
    storage::{Storage, Upload},
};
use crate::model::Result;

const MAGIC: &[u8; 8] = b"DBKPACK1";
const LENGTH_SIZE: u64 = 4;
/// Bytes of an entry of a table.
const ENTRY_SIZE: usize = 32 + 3 * 4;

/// A chunk in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PackedChunk {
    pub(super) id: ChunkId,
    /// Where its sealed bytes begin in the pack.
    pub(super) offset: u32,
    /// How many they are.
    pub(super) stored_length: u32,
    /// How many plain bytes it holds.
    pub(super) plain_length: u32,
}

/// A pack with its chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pack {
    pub(super) id: PackId,
    pub(super) size: u64,
    pub(super) chunks: Vec<PackedChunk>,
}

/// Where a pack lies.
pub(super) fn path(id: PackId) -> Path {
    let name = id.to_string();
    Path::from(format!("packs/{}/{name}", &name[..2]))
}

/// The pack that lies at a path.
pub(super) fn id_of(path: &Path) -> Option<PackId> {
    PackId::parse(path.filename()?)
}

/// A pack that is being written.
pub(super) struct PackWriter {
    id: PackId,
    upload: Upload,
    size: u64,
    chunks: Vec<PackedChunk>,
}

impl PackWriter {
    /// Begins a pack.
    pub(super) async fn create(storage: &Storage, id: PackId) -> Result<Self> {
        let mut upload = storage.upload(&path(id)).await?;
        upload.append(Bytes::from_static(MAGIC)).await?;
        Ok(Self { id, upload, size: MAGIC.len() as u64, chunks: Vec::new() })
    }

    /// Which pack it is.
    pub(super) fn id(&self) -> PackId {
        self.id
    }

    /// Adds a sealed chunk.
    pub(super) async fn append(&mut self, id: ChunkId, plain_length: u32, sealed: Vec<u8>) -> Result<PackedChunk> {
        let sealed = Bytes::from(sealed);
        // A pack is closed long before 4 GiB, and a chunk is no larger than MAX_CHUNK, so that both fit.
        let chunk = PackedChunk {
            id,
            offset: u32::try_from(self.size).unwrap_or(u32::MAX),
            stored_length: u32::try_from(sealed.len()).unwrap_or(u32::MAX),
            plain_length,
        };
        self.size += sealed.len() as u64;
        self.upload.append(sealed).await?;
        self.chunks.push(chunk);
        Ok(chunk)
    }

    /// Bytes so far.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Writes the table and closes the pack.
    pub(super) async fn finish(mut self, keys: &Keys) -> Result<Pack> {
        let mut table = Vec::with_capacity(self.chunks.len() * ENTRY_SIZE);
        encode_chunks(&self.chunks, &mut table);
        let mut sealed = keys.seal_object(ObjectKind::PackTable, &self.id.to_string(), &table)?;
        let length = u32::try_from(sealed.len()).unwrap_or(u32::MAX);
        sealed.put_u32_le(length);
        self.size += sealed.len() as u64;
        self.upload.append(Bytes::from(sealed)).await?;
        self.upload.finish().await?;
        Ok(Pack { id: self.id, size: self.size, chunks: self.chunks })
    }

    /// Takes back what was written.
    pub(super) async fn abort(self) -> Result<()> {
        self.upload.abort().await
    }
}

/// Reads the table at the end of a pack. `None`: the pack is not as it was written.
pub(super) async fn read_table(storage: &Storage, keys: &Keys, id: PackId, size: u64) -> Result<Option<Pack>> {
    let path = path(id);
    let magic_size = MAGIC.len() as u64;
    let Some(length_start) = size.checked_sub(LENGTH_SIZE).filter(|start| *start >= magic_size) else {
        return Ok(None);
    };
    let magic = storage.get_range(&path, 0, magic_size).await?;
    if magic.is_none_or(|magic| magic != MAGIC.as_slice()) {
        return Ok(None);
    }
    let Some(mut length) = storage.get_range(&path, length_start, LENGTH_SIZE).await? else { return Ok(None) };
    let length = u64::from(length.get_u32_le());
    let Some(table_start) = length_start.checked_sub(length).filter(|start| *start >= magic_size) else {
        return Ok(None);
    };
    let Some(sealed) = storage.get_range(&path, table_start, length).await? else { return Ok(None) };
    let table = keys.open_object(ObjectKind::PackTable, &id.to_string(), &sealed);
    let chunks = table.and_then(|table| decode_chunks(&mut &table[..]));
    // The chunks fill the pack up to its table without a gap, so that no byte of a pack is left unchecked.
    let end = chunks
        .as_ref()
        .map_or(0, |chunks| chunks.iter().map(|chunk| u64::from(chunk.stored_length)).sum::<u64>() + magic_size);
    Ok(chunks.filter(|_| end == table_start).map(|chunks| Pack { id, size, chunks }))
}

/// Writes entries of a table, without their count.
pub(super) fn encode_chunks(chunks: &[PackedChunk], output: &mut Vec<u8>) {
    for chunk in chunks {
        output.put_slice(chunk.id.as_bytes());
        output.put_u32_le(chunk.offset);
        output.put_u32_le(chunk.stored_length);
        output.put_u32_le(chunk.plain_length);
    }
}

/// Reads entries to the end of the input. `None`: it is cut short.
pub(super) fn decode_chunks(input: &mut &[u8]) -> Option<Vec<PackedChunk>> {
    if !input.len().is_multiple_of(ENTRY_SIZE) {
        return None;
    }
    let mut chunks = Vec::with_capacity(input.len() / ENTRY_SIZE);
    while input.has_remaining() {
        let mut id = [0; 32];
        input.copy_to_slice(&mut id);
        let (offset, stored_length, plain_length) = (input.get_u32_le(), input.get_u32_le(), input.get_u32_le());
        chunks.push(PackedChunk { id: ChunkId(id), offset, stored_length, plain_length });
    }
    Some(chunks)
}

/// Writes the packs of an index object.
pub(super) fn encode_packs(packs: &[Pack]) -> Vec<u8> {
    let mut output = Vec::new();
    for pack in packs {
        output.put_slice(pack.id.as_bytes());
        output.put_u64_le(pack.size);
        output.put_u64_le((pack.chunks.len() * ENTRY_SIZE) as u64);
        encode_chunks(&pack.chunks, &mut output);
    }
    output
}

/// Reads what `encode_packs` wrote. `None`: it is cut short.
pub(super) fn decode_packs(mut input: &[u8]) -> Option<Vec<Pack>> {
    let mut packs = Vec::new();
    while input.has_remaining() {
        let mut id = [0; 16];
        input.try_copy_to_slice(&mut id).ok()?;
        let (size, length) = (input.try_get_u64_le().ok()?, input.try_get_u64_le().ok()?);
        let (mut entries, rest) = input.split_at_checked(usize::try_from(length).ok()?)?;
        packs.push(Pack { id: PackId(id), size, chunks: decode_chunks(&mut entries)? });
        input = rest;
    }
    Some(packs)
}
