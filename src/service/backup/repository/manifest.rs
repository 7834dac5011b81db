//! Manifests: what a backup is and which chunks it is made of. A backup exists when its manifest does.

use bytes::{Buf, BufMut};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::{
    id::PackId,
    key::{Keys, ObjectKind},
    pack::{self, PackedChunk},
};
use crate::model::{
    Error, OperationId, Result, Timestamp,
    backup::{BackupFormat, BackupSchema, TableCount},
    connection::EngineKind,
    name::BackupName,
};

/// Version of the manifests that this binary writes.
pub(super) const FORMAT_VERSION: u32 = 1;

/// What is told of a backup when it is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupDescription {
    /// The backup.
    pub name: BackupName,
    /// Engine that it came from.
    pub engine: EngineKind,
    /// Format of the dump.
    pub format: BackupFormat,
    /// Tool that wrote the dump, with its version.
    pub tool: String,
    /// Version of the server.
    pub server_version: String,
    /// Database that was dumped.
    pub database: String,
    /// When it was asked for.
    pub created: Timestamp,
    /// The operation that took it.
    pub operation: OperationId,
    /// Rows of each table in the snapshot of the dump.
    pub table_counts: Vec<TableCount>,
    /// The schema when the backup began; absent where it could not be read, and in backups of before it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<BackupSchema>,
}

/// A backup that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub(super) head: Head,
    /// The chunks in the order of the dump, each with its place in `head.packs`.
    pub(super) chunks: Vec<ChunkReference>,
}

/// A chunk of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkReference {
    /// Place of its pack in the list of packs.
    pub(super) pack: u32,
    pub(super) chunk: PackedChunk,
}

/// A pack that a backup needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PackReference {
    pub(super) id: PackId,
    pub(super) size: u64,
}

/// Everything of a manifest but its chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) format_version: u32,
    pub(super) description: BackupDescription,
    pub(super) published: Timestamp,
    pub(super) plain_length: u64,
    /// BLAKE3 of the whole dump, in hex.
    pub(super) root: String,
    pub(super) stored_length: u64,
    pub(super) new_chunk_count: u64,
    #[serde(with = "pack_list")]
    pub(super) packs: Vec<PackReference>,
}

impl Manifest {
    /// What was told of the backup.
    pub fn description(&self) -> &BackupDescription {
        &self.head.description
    }

    /// When it was published.
    pub fn published(&self) -> Timestamp {
        self.head.published
    }

    /// Bytes of the dump.
    pub fn plain_length(&self) -> u64 {
        self.head.plain_length
    }

    /// BLAKE3 of the dump, in hex.
    pub fn root(&self) -> &str {
        &self.head.root
    }

    /// Bytes that the backup added to the storage.
    pub fn stored_length(&self) -> u64 {
        self.head.stored_length
    }

    /// Chunks of the dump.
    pub fn chunk_count(&self) -> u64 {
        self.chunks.len() as u64
    }

    /// Chunks that the storage did not have before.
    pub fn new_chunk_count(&self) -> u64 {
        self.head.new_chunk_count
    }

    /// The pack of a chunk. `None` only in a manifest that was not checked by `open`.
    pub(super) fn pack_of(&self, chunk: &ChunkReference) -> Option<PackReference> {
        self.head.packs.get(chunk.pack as usize).copied()
    }

    /// Compresses and encrypts the manifest under the name of its backup.
    pub(super) fn seal(&self, keys: &Keys) -> Result<Vec<u8>> {
        let head = serde_json::to_vec(&self.head).map_err(Error::internal)?;
        let mut plain = Vec::with_capacity(head.len() + 4 + self.chunks.len() * 48);
        plain.put_u32_le(u32::try_from(head.len()).map_err(Error::internal)?);
        plain.put_slice(&head);
        for reference in &self.chunks {
            plain.put_u32_le(reference.pack);
        }
        let chunks: Vec<PackedChunk> = self.chunks.iter().map(|reference| reference.chunk).collect();
        pack::encode_chunks(&chunks, &mut plain);
        keys.seal_object(ObjectKind::Manifest, &self.head.description.name.to_string(), &plain)
    }

    /// Opens what `seal` made. `None`: it is not the manifest of this backup as it was written.
    pub(super) fn open(keys: &Keys, name: &BackupName, sealed: &[u8]) -> Option<Self> {
        let plain = keys.open_object(ObjectKind::Manifest, &name.to_string(), sealed)?;
        let mut rest = &plain[..];
        let head_length = usize::try_from(rest.try_get_u32_le().ok()?).ok()?;
        let (head, mut rest) = rest.split_at_checked(head_length)?;
        let head: Head = serde_json::from_slice(head).ok()?;
        if head.format_version != FORMAT_VERSION || head.description.name != *name {
            return None;
        }
        let count = rest.len() / (4 + 44);
        let packs: Vec<u32> = (0..count).map(|_| rest.get_u32_le()).collect();
        let chunks = pack::decode_chunks(&mut rest)?;
        if chunks.len() != count || packs.iter().any(|pack| *pack as usize >= head.packs.len()) {
            return None;
        }
        let chunks = packs.into_iter().zip(chunks).map(|(pack, chunk)| ChunkReference { pack, chunk }).collect();
        Some(Self { head, chunks })
    }
}

/// Where the manifest of a backup lies.
pub(super) fn path(name: &BackupName) -> Path {
    Path::from(format!("manifests/{}/{}", name.connection, name.backup))
}

/// The backup whose manifest lies at a path.
pub(super) fn name_of(path: &Path) -> Option<BackupName> {
    let mut parts = path.parts().skip(1);
    let (connection, backup) = (parts.next()?, parts.next()?);
    BackupName::parse(&format!("connections/{}/backups/{}", connection.as_ref(), backup.as_ref()), "name").ok()
}

/// Packs as `[id, size]` in the head of a manifest.
mod pack_list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::{PackId, PackReference};

    pub(super) fn serialize<S: Serializer>(packs: &[PackReference], serializer: S) -> Result<S::Ok, S::Error> {
        let list: Vec<(String, u64)> = packs.iter().map(|pack| (pack.id.to_string(), pack.size)).collect();
        list.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PackReference>, D::Error> {
        Vec::<(String, u64)>::deserialize(deserializer)?
            .into_iter()
            .map(|(id, size)| {
                PackId::parse(&id).map(|id| PackReference { id, size }).ok_or_else(|| D::Error::custom("not a pack"))
            })
            .collect()
    }
}
