//! Backups.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::value::folders;

/// Backups.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Backup {
    /// Folder of the storage that backups go to.
    pub directory: PathBuf,
    /// Folders in which `pg_dump`, `mariadb-dump` and the like are looked for before those of PATH.
    #[serde(deserialize_with = "folders")]
    pub tool_directories: Vec<PathBuf>,
}

impl Default for Backup {
    fn default() -> Self {
        Self { directory: PathBuf::from("backups"), tool_directories: Vec::new() }
    }
}
