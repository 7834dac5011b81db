//! Files that hold keys: read only where nobody else may read them, replaced whole.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use zeroize::Zeroizing;

use super::KeyTrouble;
use crate::model::vault::SealReason;

/// Reads a file that only its owner may read; absent where there is none.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<String>>, KeyTrouble> {
    let unreadable = |cause| KeyTrouble::because(SealReason::SourceUnavailable, path.display(), cause);
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(cause) if cause.kind() == ErrorKind::InvalidData => {
            return Err(KeyTrouble::because(SealReason::KeyMalformed, path.display(), "it is no text"));
        }
        Err(cause) => return Err(unreadable(cause)),
    };
    let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(Some(text));
    }
    let detail = format!("{} can be read by others (mode {:o}); run chmod 600 on it", path.display(), mode & 0o777);
    Err(KeyTrouble::new(SealReason::KeyExposed, detail))
}

/// Replaces a file whole. The text and the name are on the disk when this returns; a crash leaves the old file or the new one.
pub(super) fn write(path: &Path, text: &str) -> Result<(), KeyTrouble> {
    let replace = || -> std::io::Result<()> {
        let unfinished = path.with_added_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        // A file that a crash left has the mode that it was made with.
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    replace().map_err(|cause| KeyTrouble::because(SealReason::SourceUnavailable, path.display(), cause))
}
