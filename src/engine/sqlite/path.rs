//! Where the files of SQLite databases lie: under `<sqlite_root>/<account>/` and nowhere else.
//!
//! A path is checked twice. What its text tells is checked when settings come in ([`DatabasePath::parse`]); what the file
//! system tells is checked at each opening ([`DatabasePath::locate`]), because a folder can become a link meanwhile.
//! Between that look and the opening there is a moment in which somebody who can write in the account's folder could still
//! swap a folder; SQLite opens by name, so that moment cannot be closed here.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Component, Path, PathBuf},
};

use super::SIDE_FILE_MARK;
use crate::model::{AccountId, Error, Reason, Result};

/// Longest path in bytes.
const MAX_PATH: usize = 1024;
/// Longest part of a path in bytes: the names of side files must still fit into the 255 of a file system.
const MAX_PART: usize = 160;
/// What SQLite adds to the name of a database for its own files.
const SQLITE_SUFFIXES: [&str; 3] = ["-wal", "-journal", "-shm"];

/// A path whose text is good: relative, without `..`, and no side file of SQLite or of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DatabasePath {
    account_directory: PathBuf,
    relative: PathBuf,
}

/// A file that was found where it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DatabaseFile {
    /// Its place, free of links.
    pub(super) path: PathBuf,
    /// Absent where there is no such file yet.
    pub(super) size: Option<u64>,
}

impl DatabaseFile {
    /// A file beside the database that is ours.
    pub(super) fn side_file(&self, what: &str) -> PathBuf {
        self.with_suffix(&format!("{SIDE_FILE_MARK}{what}"))
    }

    /// The database's name with something behind it.
    pub(super) fn with_suffix(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(suffix);
        PathBuf::from(name)
    }
}

impl DatabasePath {
    /// Takes the text of `settings.database`; on failure what is wrong with it.
    pub(super) fn parse(root: &Path, account: &AccountId, text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("must be the path of a file, relative to the SQLite root");
        }
        if text.len() > MAX_PATH {
            return Err("must be at most 1,024 bytes");
        }
        if text.chars().any(char::is_control) {
            return Err("must hold no NUL and no control characters");
        }
        if text.starts_with('/') {
            return Err("must be relative to the SQLite root, without a leading '/'");
        }
        for part in text.split('/') {
            check_part(part)?;
        }
        Ok(Self { account_directory: root.join(account.as_str()), relative: PathBuf::from(text) })
    }

    /// The same, as an error on the field `database`.
    pub(super) fn parse_field(root: &Path, account: &AccountId, text: &str) -> Result<Self> {
        Self::parse(root, account, text).map_err(|description| Error::invalid_field("database", description))
    }

    /// Looks where the file is, or would be. DATABASE_UNKNOWN where its folder is missing.
    pub(super) fn locate(&self) -> Result<DatabaseFile> {
        let base = self.account_directory.canonicalize().map_err(|cause| self.unreadable(cause))?;
        let wanted = base.join(&self.relative);
        let (Some(parent), Some(name)) = (wanted.parent(), wanted.file_name()) else {
            return Err(climbs());
        };
        let parent = parent.canonicalize().map_err(|cause| self.unreadable(cause))?;
        if !parent.starts_with(&base) {
            return Err(climbs());
        }
        let path = parent.join(name);
        let size = match fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() => Some(found.len()),
            Ok(found) if found.is_symlink() => {
                return Err(Error::invalid_field("database", "is a symbolic link; name the file itself"));
            }
            Ok(_) => return Err(Error::invalid_field("database", "is not a file")),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
            Err(cause) => return Err(self.unreadable(cause)),
        };
        Ok(DatabaseFile { path, size })
    }

    /// Looks for a file that must be there.
    pub(super) fn find(&self) -> Result<DatabaseFile> {
        let file = self.locate()?;
        if file.size.is_none() {
            return Err(self.missing());
        }
        Ok(file)
    }

    /// Looks where a new file will be, and makes the folders that are missing, for this server's user only.
    pub(super) fn prepare_new(&self) -> Result<DatabaseFile> {
        let mut directory = self.account_directory.clone();
        make_directory(&directory).map_err(|cause| self.unreadable(cause))?;
        let folders = self.relative.parent().into_iter().flat_map(Path::components);
        for folder in folders.filter(|component| matches!(component, Component::Normal(_))) {
            directory.push(folder);
            if directory.is_symlink() {
                break; // `locate` decides whether it leads out.
            }
            make_directory(&directory).map_err(|cause| self.unreadable(cause))?;
        }
        self.locate()
    }

    fn missing(&self) -> Error {
        Error::new(
            Reason::DatabaseUnknown,
            format!(
                "there is no SQLite database {:?} under the SQLite root of this account; \
                 check the path, or put the file there first",
                self.relative.display().to_string()
            ),
        )
    }

    fn unreadable(&self, cause: io::Error) -> Error {
        match cause.kind() {
            io::ErrorKind::NotFound => self.missing().caused_by(cause),
            io::ErrorKind::NotADirectory => {
                Error::invalid_field("database", "leads through something that is no folder").caused_by(cause)
            }
            io::ErrorKind::PermissionDenied => Error::new(
                Reason::PrivilegeMissing,
                "dbkeeper's user may not enter the folder of this database; change its owner or mode",
            )
            .caused_by(cause),
            _ => Error::new(Reason::DatabaseUnreachable, "the folder of this database cannot be read").caused_by(cause),
        }
    }
}

/// Whether the file and its folder can be written; what is in the way otherwise.
pub(super) fn writable(file: &DatabaseFile) -> Result<(), &'static str> {
    use rustix::fs::{Access, access};
    if access(&file.path, Access::WRITE_OK).is_err() {
        return Err("dbkeeper's user may not write the file");
    }
    match file.path.parent() {
        Some(folder) if access(folder, Access::WRITE_OK).is_ok() => Ok(()),
        _ => Err("dbkeeper's user may not write in the folder of the file, where SQLite keeps its journal"),
    }
}

fn check_part(part: &str) -> Result<(), &'static str> {
    if part == ".." {
        return Err("must stay under the SQLite root; '..' is not allowed");
    }
    if part.is_empty() || part == "." {
        return Err("must name a file, without empty parts and '.'");
    }
    if part.len() > MAX_PART {
        return Err("must have parts of at most 160 bytes");
    }
    if SQLITE_SUFFIXES.iter().any(|suffix| part.ends_with(suffix)) {
        return Err("must not end in -wal, -journal or -shm: those files belong to SQLite");
    }
    if part.contains(SIDE_FILE_MARK) {
        return Err("must not hold '-dbkeeper-': those files belong to dbkeeper");
    }
    Ok(())
}

fn climbs() -> Error {
    Error::invalid_field("database", "must stay under the SQLite root; it leads out of it")
}

fn make_directory(path: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DatabasePath, &'static str> {
        DatabasePath::parse(Path::new("/root"), &AccountId::from_stored("default".to_owned()), text)
    }

    #[test]
    fn takes_relative_paths() {
        for text in ["a.db", "team/shop.sqlite", "Größe.db", ".hidden", "a..b"] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_place_for_a_database() {
        let long = "x".repeat(161);
        for text in [
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "..",
            ".",
            "a/",
            "a//b",
            "./a",
            "a\0b",
            "a\nb",
            "a.db-wal",
            "a.db-journal",
            "a.db-shm",
            "a.db-dbkeeper-lock",
            &long,
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn links_that_lead_out_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let account = root.path().join("default");
        fs::create_dir(&account).unwrap();
        fs::write(outside.path().join("x.db"), "").unwrap();
        fs::write(account.join("inside.db"), "").unwrap();
        std::os::unix::fs::symlink(outside.path(), account.join("out")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("x.db"), account.join("link.db")).unwrap();
        let locate = |text: &str| {
            DatabasePath::parse(root.path(), &AccountId::from_stored("default".to_owned()), text).unwrap().find()
        };
        assert_eq!(locate("out/x.db").unwrap_err().reason(), Reason::InvalidField);
        assert_eq!(locate("link.db").unwrap_err().reason(), Reason::InvalidField);
        assert_eq!(locate("missing.db").unwrap_err().reason(), Reason::DatabaseUnknown);
        assert_eq!(locate("inside.db").unwrap().size, Some(0));
    }
}
