//! A backup on its way out, in clear, as the engine's own tool wrote it.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{Stream, stream::BoxStream};

use super::repository::{Manifest, Repository};
use crate::model::{AccountId, Result, backup::BackupFormat, name::BackupName};

/// Most bytes of one piece of a download. A caller who does not read holds as many of them as a stream buffers.
const PIECE: usize = 64 * 1024;

/// A download: what it is, then its bytes as a stream. It is whole only when the stream ended without an error.
pub struct Download {
    /// Suggested name of the file.
    pub file_name: String,
    /// Format of the dump.
    pub format: BackupFormat,
    /// Bytes that follow.
    pub size: u64,
    /// BLAKE3 of all bytes, in hex; true once the stream has ended.
    pub blake3: String,
    chunks: BoxStream<'static, Result<Bytes>>,
    rest: Bytes,
    _reading: Reading,
}

impl Download {
    pub(super) fn new(repository: &Arc<Repository>, manifest: Arc<Manifest>, reading: Reading) -> Self {
        let description = manifest.description();
        let BackupName { connection, backup } = &description.name;
        Self {
            file_name: format!("{connection}-{backup}.{}", description.format.file_suffix()),
            format: description.format,
            size: manifest.plain_length(),
            blake3: manifest.root().to_owned(),
            chunks: repository.read(manifest.clone()),
            rest: Bytes::new(),
            _reading: reading,
        }
    }
}

impl Stream for Download {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while self.rest.is_empty() {
            match self.chunks.as_mut().poll_next(context) {
                Poll::Ready(Some(Ok(chunk))) => self.rest = chunk,
                other => return other,
            }
        }
        let size = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(self.rest.split_to(size))))
    }
}

type Readers = Arc<Mutex<HashMap<(AccountId, BackupName), usize>>>;

/// The downloads that are under way, so that nobody deletes what is being read.
#[derive(Default)]
pub(super) struct Downloads(Readers);

impl Downloads {
    pub(super) fn begin(&self, account: &AccountId, name: &BackupName) -> Reading {
        let key = (account.clone(), name.clone());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_insert(0) += 1;
        Reading { readers: self.0.clone(), key }
    }

    pub(super) fn is_read(&self, account: &AccountId, name: &BackupName) -> bool {
        let readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readers.contains_key(&(account.clone(), name.clone()))
    }
}

/// One download that is under way.
pub(super) struct Reading {
    readers: Readers,
    key: (AccountId, BackupName),
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = readers.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                readers.remove(&self.key);
            }
        }
    }
}
