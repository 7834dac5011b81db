//! The keys that are derived from the secret of a repository, and what is sealed with them.
//!
//! Everything in the storage is AES-256-GCM with a random nonce and, as additional data, the format, the repository
//! and the name of what is sealed: an object that is moved, renamed or taken from another repository does not open.

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom, SystemRandom},
};
use zeroize::Zeroizing;

use super::id::{ChunkId, PackId, RepositoryId};
use crate::model::{Error, Result};

/// First byte of a chunk before it is encrypted: stored as it was.
const STORED: u8 = 0;
/// First byte of a chunk before it is encrypted: compressed with zstd.
const COMPRESSED: u8 = 1;

/// What a sealed object is; part of what it is authenticated with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ObjectKind {
    /// The table at the end of a pack.
    PackTable,
    /// An index object.
    Index,
    /// A manifest.
    Manifest,
}

impl ObjectKind {
    /// First bytes of a sealed object.
    const fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::PackTable => b"DBKTABL1",
            Self::Index => b"DBKINDX1",
            Self::Manifest => b"DBKMANI1",
        }
    }
}

/// The working keys of one repository.
pub(super) struct Keys {
    repository: RepositoryId,
    chunk_id: Zeroizing<[u8; 32]>,
    cut_seed: u64,
    chunk: LessSafeKey,
    object: LessSafeKey,
    random: SystemRandom,
}

impl Keys {
    /// Derives the keys of a repository. Each use has its own, so that no two uses share a nonce or an oracle.
    pub(super) fn derive(key: &Zeroizing<[u8; 32]>, repository: RepositoryId) -> Result<Self> {
        let derive = |context: &'static str| {
            let mut hasher = blake3::Hasher::new_derive_key(context);
            hasher.update(key.as_ref()).update(repository.as_bytes());
            Zeroizing::new(*hasher.finalize().as_bytes())
        };
        let cipher = |secret: Zeroizing<[u8; 32]>| {
            UnboundKey::new(&AES_256_GCM, secret.as_ref())
                .map(LessSafeKey::new)
                .map_err(|_| Error::internal("the cipher refuses a key of 32 bytes"))
        };
        let seed = derive("dbkeeper repository 1: where chunks are cut");
        let [a, b, c, d, e, f, g, h, ..] = *seed;
        Ok(Self {
            repository,
            chunk_id: derive("dbkeeper repository 1: names of chunks"),
            cut_seed: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            chunk: cipher(derive("dbkeeper repository 1: encryption of chunks"))?,
            object: cipher(derive("dbkeeper repository 1: encryption of tables and manifests"))?,
            random: SystemRandom::new(),
        })
    }

    /// Proves to a later start that it has the same key, without telling anything of it.
    pub(super) fn check_value(key: &Zeroizing<[u8; 32]>, repository: RepositoryId) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("dbkeeper repository 1: check of the key");
        hasher.update(key.as_ref()).update(repository.as_bytes());
        *hasher.finalize().as_bytes()
    }

    /// Where chunks are cut depends on the key, so that their lengths do not tell which known file they are.
    pub(super) fn cut_seed(&self) -> u64 {
        self.cut_seed
    }

    /// The name of a chunk: a keyed hash of its plain bytes.
    pub(super) fn chunk_id(&self, plain: &[u8]) -> ChunkId {
        ChunkId(*blake3::keyed_hash(&self.chunk_id, plain).as_bytes())
    }

    /// A new random name of a pack.
    pub(super) fn new_pack_id(&self) -> Result<PackId> {
        random_bytes(&self.random).map(PackId)
    }

    /// Compresses and encrypts a chunk: nonce, ciphertext, tag.
    pub(super) fn seal_chunk(&self, id: ChunkId, plain: &[u8], level: i32) -> Result<Vec<u8>> {
        let compressed = zstd::bulk::compress(plain, level).map_err(Error::internal)?;
        let (form, body) = if compressed.len() < plain.len() { (COMPRESSED, &compressed[..]) } else { (STORED, plain) };
        let nonce: [u8; NONCE_LEN] = random_bytes(&self.random)?;
        let mut sealed = Vec::with_capacity(NONCE_LEN + 1 + body.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&nonce);
        sealed.push(form);
        sealed.extend_from_slice(body);
        let tag = self
            .chunk
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(self.chunk_context(id)),
                &mut sealed[NONCE_LEN..],
            )
            .map_err(|_| Error::internal("a chunk is too large to be encrypted"))?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what `seal_chunk` made and compares it with its name. `None`: it is not what was stored.
    pub(super) fn open_chunk(&self, id: ChunkId, plain_length: usize, mut sealed: Vec<u8>) -> Option<Vec<u8>> {
        let nonce = Nonce::try_assume_unique_for_key(sealed.get(..NONCE_LEN)?).ok()?;
        let context = Aad::from(self.chunk_context(id));
        let opened = self.chunk.open_in_place(nonce, context, &mut sealed[NONCE_LEN..]).ok()?;
        let plain = match opened.split_first()? {
            (&STORED, body) => body.to_vec(),
            (&COMPRESSED, body) => zstd::bulk::decompress(body, plain_length).ok()?,
            _ => return None,
        };
        (plain.len() == plain_length && self.chunk_id(&plain) == id).then_some(plain)
    }

    /// Compresses and encrypts an object under its name.
    pub(super) fn seal_object(&self, kind: ObjectKind, name: &str, plain: &[u8]) -> Result<Vec<u8>> {
        let compressed = zstd::bulk::compress(plain, 3).map_err(Error::internal)?;
        let nonce: [u8; NONCE_LEN] = random_bytes(&self.random)?;
        let start = kind.magic().len() + NONCE_LEN;
        let mut sealed = Vec::with_capacity(start + compressed.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(kind.magic());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&compressed);
        let context = Aad::from(self.object_context(kind, name));
        let tag = self
            .object
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), context, &mut sealed[start..])
            .map_err(|_| Error::internal("an object is too large to be encrypted"))?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what `seal_object` made. `None`: it is not what was stored under this name.
    pub(super) fn open_object(&self, kind: ObjectKind, name: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let body = sealed.strip_prefix(kind.magic())?;
        let nonce = Nonce::try_assume_unique_for_key(body.get(..NONCE_LEN)?).ok()?;
        let mut body = body[NONCE_LEN..].to_vec();
        let context = Aad::from(self.object_context(kind, name));
        let opened = self.object.open_in_place(nonce, context, &mut body).ok()?;
        // It is authentic, so its length is one that we wrote ourselves.
        zstd::stream::decode_all(&*opened).ok()
    }

    fn chunk_context(&self, id: ChunkId) -> [u8; 56] {
        let mut context = [0; 56];
        context[..8].copy_from_slice(b"DBKCHNK1");
        context[8..24].copy_from_slice(self.repository.as_bytes());
        context[24..].copy_from_slice(&id.0);
        context
    }

    fn object_context(&self, kind: ObjectKind, name: &str) -> Vec<u8> {
        [kind.magic().as_slice(), self.repository.as_bytes(), name.as_bytes()].concat()
    }
}

/// Random bytes of the system.
pub(super) fn random_bytes<const N: usize>(random: &SystemRandom) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    random.fill(&mut bytes).map_err(|_| Error::internal("the system gives no random bytes"))?;
    Ok(bytes)
}
