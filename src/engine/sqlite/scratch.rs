//! Files that a dump, a check or a restore needs for a moment. They are named by the operation, so that what a killed
//! server left behind can be told apart and taken away.

use std::{
    fs::OpenOptions,
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::error::from_io;
use crate::{
    engine::dump::DumpReader,
    model::{Error, OperationId, Reason, Result},
};

/// First part of the names in the scratch directory.
const PREFIX: &str = "sqlite-scratch-";
/// First bytes of every SQLite database.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Bytes that are copied at one time.
const COPY_BUFFER: usize = 256 * 1024;

/// A file that is gone when this is dropped, with the journals that SQLite may have put beside it.
#[derive(Debug)]
pub(super) struct ScratchFile {
    path: PathBuf,
    kept: bool,
}

impl ScratchFile {
    /// Makes an empty file that only this server's user may read. What an earlier run of the operation left is replaced.
    pub(super) fn create(path: PathBuf) -> io::Result<Self> {
        remove(&path)?;
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { path, kept: false })
    }

    /// Its place.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// It was renamed, and is no longer ours to take away.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }

    /// Writes a whole dump into the file and makes it durable. BACKUP_CORRUPT where it is no SQLite database.
    pub(super) async fn fill(&self, mut input: DumpReader, cancellation: &CancellationToken) -> Result<()> {
        let writing = |cause| from_io(cause, "cannot write the database file");
        let mut file = tokio::fs::OpenOptions::new().write(true).open(&self.path).await.map_err(writing)?;
        let mut buffer = vec![0; COPY_BUFFER];
        let mut head = Vec::with_capacity(MAGIC.len());
        loop {
            // A reader's own error tells why the stored dump cannot be read; it goes up as the cause.
            let count = tokio::select! {
                () = cancellation.cancelled() => return Err(Error::cancelled()),
                read = input.read(&mut buffer) => read.map_err(|cause| {
                    Error::new(Reason::BackupCorrupt, "the dump cannot be read to its end").caused_by(cause)
                })?,
            };
            if count == 0 {
                break;
            }
            let missing = MAGIC.len() - head.len();
            head.extend_from_slice(&buffer[..count.min(missing)]);
            file.write_all(&buffer[..count]).await.map_err(writing)?;
        }
        // An empty file is an empty database.
        if !head.is_empty() && head != MAGIC {
            return Err(Error::new(Reason::BackupCorrupt, "the dump is no SQLite database"));
        }
        file.sync_all().await.map_err(writing)
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if let Err(cause) = remove(&self.path) {
            tracing::warn!(error = %cause, "cannot remove a scratch file");
        }
    }
}

/// Place of the scratch file of an operation.
pub(super) fn path(directory: &Path, operation: &OperationId) -> PathBuf {
    directory.join(format!("{PREFIX}{operation}"))
}

/// Removes a file with its journals; true where there was one.
pub(super) fn remove(path: &Path) -> io::Result<bool> {
    let mut removed = false;
    for suffix in ["", "-journal", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(PathBuf::from(name)) {
            Ok(()) => removed = true,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(removed)
}

/// Removes every scratch file of SQLite in a directory and returns how many there were. For the start of a server, before
/// any operation runs: the files of a live one are not told apart from those of a dead one.
pub fn sweep_scratch(directory: &Path) -> io::Result<usize> {
    let mut swept = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && entry.file_type()?.is_file() {
            std::fs::remove_file(entry.path())?;
            swept += 1;
        }
    }
    Ok(swept)
}
