//! The data directory and what lies in it.

use std::{
    env,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// Where the server keeps its things when nobody says: `/var/lib/dbkeeper` for root, else the folder that the XDG
/// base directories give a user's programs, else the folder that it was started in.
pub(super) fn default_data_dir() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/dbkeeper");
    }
    let folder = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    folder("XDG_DATA_HOME")
        .or_else(|| folder("HOME").map(|home| home.join(".local/share")))
        .map_or_else(|| PathBuf::from("dbkeeper-data"), |data| data.join("dbkeeper"))
}

/// Name of the file that is read from the data directory where no other is named.
pub(super) fn default_file(data_dir: &Path) -> PathBuf {
    data_dir.join("dbkeeper.toml")
}

/// The server's own durable state.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Store {
    /// File of the embedded store.
    pub file: PathBuf,
}

impl Default for Store {
    fn default() -> Self {
        Self { file: PathBuf::from("store.db") }
    }
}

/// SQLite databases that are managed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Sqlite {
    /// Folder under which they lie, one folder an account. A path never leads out of it.
    pub root: PathBuf,
}

impl Default for Sqlite {
    fn default() -> Self {
        Self { root: PathBuf::from("sqlite") }
    }
}
