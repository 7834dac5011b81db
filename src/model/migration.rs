//! Migrations: versions, the texts of a set, the history of a database.

use std::{cmp::Ordering, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    error::{Error, Result},
    id::MigrationSetId,
    time::Timestamp,
};

/// A line that asks to run a script without a transaction. It stands before the first statement.
pub const NO_TRANSACTION: &str = "-- dbkeeper: no-transaction";

/// How SQL is cut into statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL.
    Postgresql,
    /// MySQL and MariaDB.
    Mysql,
    /// SQLite.
    Sqlite,
}

/// A version as in a file's name: digits in parts parted by `.` or `_`, compared
/// part by part as numbers of any length (20-digit versions exceed 64 bits).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(String);

impl Version {
    /// Takes 1 to 64 characters of digits, `.` and `_` that begin and end with a digit.
    pub fn parse(text: &str, field: &str) -> Result<Self> {
        let digit_at = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        let bytes = text.as_bytes();
        let usable = (1..=64).contains(&bytes.len())
            && digit_at(bytes.first())
            && digit_at(bytes.last())
            && bytes.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_'));
        if usable {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::invalid_field(field, "must be a version: 1 to 64 digits, with '.' or '_' between parts"))
    }

    /// A version that this server stored before.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The version as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A text that sorts as the version does, for a store that compares bytes. It is the same for `1` and
    /// `01`, which are one version.
    pub fn sort_key(&self) -> String {
        // Each part says first how many digits it has, so that no separator is needed.
        self.parts().map(|part| format!("{:02}{part}", part.len())).collect()
    }

    fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split(['.', '_']).map(|part| part.trim_start_matches('0'))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = |version: &Self| version.parts().map(|part| (part.len(), part.to_owned())).collect::<Vec<_>>();
        // The text decides between `1` and `01`, so that the order agrees with equality.
        numbers(self).cmp(&numbers(other)).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The layout that migration files came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MigrationFormat {
    /// `1_name.up.sql` and `1_name.down.sql`.
    GolangMigrate,
    /// `-- migrate:up` and `-- migrate:down` in one file.
    Dbmate,
    /// `001_name.sql`.
    Plain,
}

/// The up or the down part of a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationScript {
    /// Name of the file that it stood in.
    pub file: String,
    /// Line of that file, from 1, at which `sql` begins.
    pub first_line: u32,
    /// The text.
    pub sql: String,
    /// It may run in one transaction with its history row.
    pub transactional: bool,
}

/// A migration of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// Version.
    pub version: Version,
    /// Rest of the file's name.
    pub title: String,
    /// SHA-256 in hex over both texts, line ends and trailing white space made equal.
    pub checksum: String,
    /// The up part.
    pub up: MigrationScript,
    /// The down part.
    pub down: Option<MigrationScript>,
}

/// What a list shows of a migration: all but its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationSummary {
    /// Version.
    pub version: Version,
    /// Title.
    pub title: String,
    /// Checksum.
    pub checksum: String,
    /// Name of the file of the up part.
    pub file: String,
    /// It has a down part.
    pub reversible: bool,
    /// Its up part may run in one transaction with its history row.
    pub transactional: bool,
    /// Bytes of the up part.
    pub up_size: u64,
}

impl Migration {
    /// What a list shows of it.
    pub fn summary(&self) -> MigrationSummary {
        MigrationSummary {
            version: self.version.clone(),
            title: self.title.clone(),
            checksum: self.checksum.clone(),
            file: self.up.file.clone(),
            reversible: self.down.is_some(),
            transactional: self.up.transactional,
            up_size: self.up.sql.len() as u64,
        }
    }
}

/// A set of migrations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationSet {
    /// Its id.
    pub id: MigrationSetId,
    /// What people call it.
    pub display_name: String,
    /// Migrations in it.
    pub migration_count: u32,
    /// Its highest version.
    pub latest: Option<Version>,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Counts its changes; the etag.
    pub revision: u64,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Apply.
    Up,
    /// Revert.
    Down,
}

/// A statement of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The text without the delimiter.
    pub text: String,
    /// Line of the file, from 1, at which the text begins.
    pub line: u32,
    /// Column in characters, from 1, at which the text begins.
    pub column: u32,
}

/// One migration to run in one direction, cut into statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStep {
    /// The set, part of the key of the history.
    pub set: MigrationSetId,
    /// Version.
    pub version: Version,
    /// Title.
    pub title: String,
    /// Checksum to store.
    pub checksum: String,
    /// Which way.
    pub direction: Direction,
    /// The statements in order.
    pub statements: Vec<Statement>,
}

/// What stands about one migration in the history table of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The set.
    pub set: MigrationSetId,
    /// Version.
    pub version: Version,
    /// Title.
    pub title: String,
    /// Checksum at the time it was applied.
    pub checksum: String,
    /// When it was applied, or, while incomplete, begun.
    pub applied: Timestamp,
    /// How long it ran.
    pub duration: Duration,
    /// Where a run without a transaction stopped; absent when it is whole.
    pub incomplete: Option<IncompleteRun>,
}

/// A run without a transaction that stopped part of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncompleteRun {
    /// Which way it ran.
    pub direction: Direction,
    /// Statements that are known to be done.
    pub statements_done: u32,
    /// Statements in all.
    pub statements_total: u32,
    /// True where the next statement was begun and its outcome was not noted.
    pub statement_open: bool,
    /// State of the catalog before that statement; the engine compares it to tell whether the
    /// statement took effect. Empty where the engine has none.
    pub fingerprint: String,
}

/// How a run behaves towards others on the database, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationLimits {
    /// Longest wait for a lock on a table.
    pub lock_timeout: Duration,
    /// Longest a statement may run; absent: no limit.
    pub statement_timeout: Option<Duration>,
    /// Repeats after a lock time-out or a deadlock that rolled everything back.
    pub lock_retries: u32,
    /// Longest wait for another run on the same database.
    pub run_lock_timeout: Duration,
}

impl Default for MigrationLimits {
    fn default() -> Self {
        Self {
            lock_timeout: Duration::from_secs(5),
            statement_timeout: None,
            lock_retries: 3,
            run_lock_timeout: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_by_number_part_by_part() {
        let ascending = ["0", "1", "1.0", "1.2", "1.10", "2", "10", "20240101120000", "18446744073709551616"];
        let versions: Vec<_> = ascending.iter().map(|text| Version::parse(text, "version").unwrap()).collect();
        assert!(versions.is_sorted());
        assert!(versions.iter().map(Version::sort_key).is_sorted());
    }

    #[test]
    fn leading_zeroes_make_no_other_version() {
        let [long, short] = ["001_02", "1.2"].map(|text| Version::parse(text, "version").unwrap());
        assert_eq!(long.sort_key(), short.sort_key());
        assert_ne!(long, short);
    }
}
