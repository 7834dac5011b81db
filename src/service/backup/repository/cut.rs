//! Cuts a stream of bytes into chunks and names them, on a thread of its own.
//!
//! The cut points follow the content, so that a row that was added moves the chunks behind it and changes only one.

use std::num::NonZeroUsize;

use bytes::{Bytes, BytesMut};
use fastcdc::v2020::{FastCDC, Normalization};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::mpsc,
};

use super::{id::ChunkId, key::Keys};
use crate::engine::dump::Chunking;

/// Least bytes of a chunk, the last of a dump apart.
const MIN_CHUNK: usize = 256 * 1024;
/// Bytes of a chunk as they come out on average.
const AVERAGE_CHUNK: usize = 1024 * 1024;
/// Most bytes of a chunk.
pub(super) const MAX_CHUNK: usize = 4 * 1024 * 1024;
/// Bytes that are read before they are handed on.
const BLOCK: usize = 512 * 1024;

/// A chunk with its name.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) id: ChunkId,
    pub(super) plain: Bytes,
}

/// What a stream was, known at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StreamSummary {
    /// BLAKE3 of all bytes.
    pub(super) root: [u8; 32],
    /// Bytes.
    pub(super) length: u64,
}

/// Reads a stream to its end and hands it on in blocks.
pub(super) async fn read_blocks(
    mut source: impl AsyncRead + Unpin,
    blocks: mpsc::Sender<Bytes>,
) -> std::io::Result<()> {
    loop {
        let mut block = BytesMut::with_capacity(BLOCK);
        while block.len() < BLOCK {
            let room = BLOCK - block.len();
            if (&mut source).take(room as u64).read_buf(&mut block).await? == 0 {
                break;
            }
        }
        let ended = block.len() < BLOCK;
        // The other end is only gone when the whole backup is given up.
        if !block.is_empty() && blocks.send(block.freeze()).await.is_err() || ended {
            return Ok(());
        }
    }
}

/// Cuts blocks into chunks until the blocks end. Blocks the thread.
pub(super) fn cut(
    keys: &Keys,
    chunking: Chunking,
    mut blocks: mpsc::Receiver<Bytes>,
    chunks: &mpsc::Sender<Chunk>,
) -> StreamSummary {
    let mut hasher = blake3::Hasher::new();
    let mut length = 0;
    let mut buffer: Vec<u8> = Vec::with_capacity(MAX_CHUNK + BLOCK);
    let mut ended = false;
    while !ended {
        match blocks.blocking_recv() {
            Some(block) => {
                hasher.update(&block);
                length += block.len() as u64;
                buffer.extend_from_slice(&block);
            }
            None => ended = true,
        }
        let mut start = 0;
        while let Some(size) = next_chunk(keys, chunking, &buffer[start..], ended) {
            let plain = Bytes::copy_from_slice(&buffer[start..start + size]);
            start += size;
            let chunk = Chunk { id: keys.chunk_id(&plain), plain };
            // The other end is only gone when the whole backup is given up.
            if chunks.blocking_send(chunk).is_err() {
                return StreamSummary { root: [0; 32], length };
            }
        }
        buffer.drain(..start);
    }
    StreamSummary { root: *hasher.finalize().as_bytes(), length }
}

/// Length of the next chunk. `None`: more bytes have to come first.
fn next_chunk(keys: &Keys, chunking: Chunking, waiting: &[u8], ended: bool) -> Option<usize> {
    if waiting.is_empty() {
        return None;
    }
    let enough = match chunking {
        Chunking::ContentDefined => MAX_CHUNK,
        Chunking::Fixed(size) => fixed_size(size),
    };
    if waiting.len() < enough && !ended {
        return None;
    }
    match chunking {
        Chunking::Fixed(_) => Some(waiting.len().min(enough)),
        Chunking::ContentDefined => {
            let (level, seed) = (Normalization::Level1, keys.cut_seed());
            let cutter = FastCDC::with_level_and_seed(waiting, MIN_CHUNK, AVERAGE_CHUNK, MAX_CHUNK, level, seed);
            Some(cutter.cut(0, waiting.len()).1)
        }
    }
}

fn fixed_size(size: NonZeroUsize) -> usize {
    size.get().min(MAX_CHUNK)
}
