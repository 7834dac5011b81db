//! The data directory: made with mode 0700, and held by one server at a time.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use rustix::fs::FlockOperation;

use crate::model::{Error, Reason, Result};

/// Name of the file whose lock says that a server holds the directory.
const LOCK_FILE: &str = "server.lock";

/// A data directory that this process holds. The lock ends with the process, however it ends.
pub(super) struct DataDirectory {
    _lock: File,
}

impl DataDirectory {
    /// Makes the directory where it is missing, and takes it.
    pub(super) fn take(path: &Path) -> Result<Self> {
        make(path)?;
        let unusable = |cause: std::io::Error| {
            Error::new(Reason::StoreUnavailable, format!("the data directory {} cannot be used", path.display()))
                .caused_by(cause)
        };
        let lock =
            OpenOptions::new().write(true).create(true).truncate(false).open(path.join(LOCK_FILE)).map_err(unusable)?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            Error::new(
                Reason::StoreUnavailable,
                format!(
                    "another dbkeeper holds the data directory {}; stop it, or name another with --data-dir",
                    path.display()
                ),
            )
        })?;
        Ok(Self { _lock: lock })
    }
}

/// Makes a directory that only its owner can enter, where it is missing.
pub(super) fn make(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|cause| {
        Error::new(Reason::StoreUnavailable, format!("the directory {} cannot be made", path.display()))
            .caused_by(cause)
    })
}
