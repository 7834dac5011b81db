//! The lock on runs of one database, which every dbkeeper that sees the file respects.
//!
//! It is a `flock` on an empty file beside the database, `<database>-dbkeeper-lock`, that is taken away again with the lock.
//! The kernel frees it when its holder dies; a kill leaves the file behind, which then means nothing and is used again by
//! the next run. It cannot be on the database itself: closing that descriptor would free SQLite's own locks.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, OFlags, flock};

use crate::model::OperationId;

/// A lock that is held; dropping it frees it.
#[derive(Debug)]
pub(super) struct RunLock {
    path: PathBuf,
    _file: File,
}

impl RunLock {
    /// Takes the lock, or says that another holds it. The file names the operation for [`holder`].
    pub(super) fn try_take(path: &Path, operation: &OperationId) -> io::Result<Option<Self>> {
        loop {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
                .open(path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(cause) => return Err(cause.into()),
            }
            // The holder before may have taken the file away between our opening and our locking it.
            if is_at(&file, path)? {
                file.set_len(0)?;
                file.rewind()?;
                file.write_all(operation.as_str().as_bytes())?;
                return Ok(Some(Self { path: path.to_owned(), _file: file }));
            }
        }
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // Still locked here, so that nobody's lock but ours is taken away. A file that stays is harmless.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The operation that holds the lock now; absent where nobody does.
pub(super) fn holder(path: &Path) -> io::Result<Option<String>> {
    let mut file = match OpenOptions::new().read(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(cause),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            Ok(Some(text))
        }
        Err(cause) => Err(cause.into()),
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let opened = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (opened.dev(), opened.ino())),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_no_file_afterwards() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db-dbkeeper-lock");
        let operation = OperationId::generate();
        let held = RunLock::try_take(&path, &operation).unwrap().unwrap();
        assert!(RunLock::try_take(&path, &operation).unwrap().is_none());
        assert_eq!(holder(&path).unwrap().as_deref(), Some(operation.as_str()));
        drop(held);
        assert!(!path.exists());
        assert_eq!(holder(&path).unwrap(), None);
        std::fs::write(&path, "left by a kill").unwrap();
        assert_eq!(holder(&path).unwrap(), None);
        assert!(RunLock::try_take(&path, &operation).unwrap().is_some());
    }
}
