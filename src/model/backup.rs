//! Backups as the service hands them out, and what a dump reports of itself.

use serde::{Deserialize, Serialize};

use super::{
    connection::EngineKind, id::OperationId, name::BackupName, operation::OperationError, schema::definition::Unmapped,
    time::Timestamp,
};

/// Where a backup stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupState {
    /// Being taken.
    Creating,
    /// Published.
    Complete,
    /// Not taken.
    Failed,
    /// Damage was found.
    Corrupt,
}

impl BackupState {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Corrupt => "corrupt",
        }
    }

    /// Reads what `as_str` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Creating, Self::Complete, Self::Failed, Self::Corrupt].into_iter().find(|state| state.as_str() == text)
    }
}

/// What a dump is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackupFormat {
    /// pg_dump's custom format.
    PgCustom,
    /// SQL of mariadb-dump or mysqldump.
    MysqlSql,
    /// An SQLite database file.
    SqliteFile,
}

impl BackupFormat {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PgCustom => "pg_custom",
            Self::MysqlSql => "mysql_sql",
            Self::SqliteFile => "sqlite_file",
        }
    }

    /// Reads what `as_str` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::PgCustom, Self::MysqlSql, Self::SqliteFile].into_iter().find(|format| format.as_str() == text)
    }

    /// Suffix of a file that holds such a dump.
    pub const fn file_suffix(self) -> &'static str {
        match self {
            Self::PgCustom => "pgdump",
            Self::MysqlSql => "sql",
            Self::SqliteFile => "sqlite",
        }
    }
}

/// How closely a backup is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerifyLevel {
    /// Manifest and sizes of the packs.
    Manifest,
    /// Every chunk is read, decrypted and compared.
    Content,
    /// And the dump is decoded whole.
    Decode,
}

/// The schema of a database when its backup began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSchema {
    /// The definition as YAML, in the form that GenerateDdl answers.
    pub definition: String,
    /// What has no place in it.
    pub unmapped: Vec<Unmapped>,
}

/// Rows of one table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableCount {
    /// Schema; `main` for SQLite, empty for MySQL and MariaDB (the database can be restored under another name).
    pub schema: String,
    /// Table.
    pub table: String,
    /// Rows.
    pub rows: u64,
}

/// A backup.
#[derive(Debug, Clone, PartialEq)]
pub struct Backup {
    /// Its name.
    pub name: BackupName,
    /// Where it stands.
    pub state: BackupState,
    /// Engine that it came from.
    pub engine: EngineKind,
    /// Format of the dump.
    pub format: BackupFormat,
    /// Database that was dumped.
    pub database: String,
    /// Version of its server.
    pub server_version: String,
    /// Tool that wrote the dump, with its version.
    pub tool: String,
    /// When it was asked for.
    pub created: Timestamp,
    /// When it was published or failed.
    pub ended: Option<Timestamp>,
    /// Bytes of the dump.
    pub plain_size: u64,
    /// Bytes added to the storage.
    pub stored_size: u64,
    /// Chunks that it is made of.
    pub chunk_count: u64,
    /// Chunks that the storage did not have.
    pub new_chunk_count: u64,
    /// Tables in it.
    pub table_count: u64,
    /// Rows in them.
    pub row_count: u64,
    /// When it was last verified without damage.
    pub verified: Option<Timestamp>,
    /// The operation that took it.
    pub operation: OperationId,
    /// Why it failed or is corrupt.
    pub error: Option<OperationError>,
}
