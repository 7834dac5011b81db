//! Backups.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{problem::Problems, value::folders};

/// Backups.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Backup {
    /// Folder of the storage that backups go to.
    pub directory: PathBuf,
    /// Folder of files that a dump or a restore needs for a moment, on the same file system as `directory`.
    pub scratch_directory: PathBuf,
    /// How hard zstd compresses, 1 (fast) to 19 (small).
    pub compression_level: u32,
    /// Folders in which `pg_dump`, `mariadb-dump` and the like are looked for before those of PATH.
    #[serde(deserialize_with = "folders")]
    pub tool_directories: Vec<PathBuf>,
}

impl Default for Backup {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("backups"),
            scratch_directory: PathBuf::from("scratch"),
            compression_level: 1,
            tool_directories: Vec::new(),
        }
    }
}

impl Backup {
    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        problems.count("backup.compression_level", self.compression_level, 1..=19);
    }
}
