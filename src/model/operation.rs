//! Long-running work as it is stored and handed out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    access::Permission,
    backup::VerifyLevel,
    error::{Detail, Error, Reason, StatementFailure},
    id::{ConnectionId, MigrationSetId, OperationId},
    migration::{Direction, MigrationLimits, Version},
    name::BackupName,
    time::Timestamp,
};

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationState {
    /// Stored, not begun.
    Queued,
    /// At work.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Ended because it was asked to.
    Cancelled,
    /// Ended in a way that a person has to look at.
    NeedsAttention,
}

impl OperationState {
    const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled, Self::NeedsAttention];

    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::NeedsAttention => "needs_attention",
        }
    }

    /// Reads what `as_str` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Nothing more will happen.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationKind {
    /// Applies migrations.
    ApplyMigrations,
    /// Reverts migrations.
    RevertMigrations,
    /// Takes a backup.
    CreateBackup,
    /// Checks a backup.
    VerifyBackup,
    /// Restores a backup.
    RestoreBackup,
    /// Seals everything anew with a new master key.
    RotateMasterKey,
}

impl OperationKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::ApplyMigrations,
        Self::RevertMigrations,
        Self::CreateBackup,
        Self::VerifyBackup,
        Self::RestoreBackup,
        Self::RotateMasterKey,
    ];

    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApplyMigrations => "apply_migrations",
            Self::RevertMigrations => "revert_migrations",
            Self::CreateBackup => "create_backup",
            Self::VerifyBackup => "verify_backup",
            Self::RestoreBackup => "restore_backup",
            Self::RotateMasterKey => "rotate_master_key",
        }
    }

    /// Reads what `as_str` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// What a caller must hold to start one, and so to cancel one: that of the method in the contract.
    pub const fn permission(self) -> Permission {
        match self {
            Self::ApplyMigrations | Self::RevertMigrations | Self::CreateBackup | Self::VerifyBackup => {
                Permission::Operate
            }
            Self::RestoreBackup => Permission::Restore,
            Self::RotateMasterKey => Permission::System,
        }
    }
}

/// What an operation was asked to do: everything that a recovery at the next start needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OperationSpec {
    /// Apply or revert migrations.
    Migrate {
        /// The set.
        set: MigrationSetId,
        /// Which way.
        direction: Direction,
        /// The versions to run, in the order of the run, as they were planned.
        versions: Vec<Version>,
        /// Version to stop at, as the caller gave it.
        target_version: String,
        /// Older pending migrations may be applied.
        allow_out_of_order: bool,
        /// How the run behaves.
        limits: MigrationLimits,
    },
    /// Take a backup.
    CreateBackup {
        /// The backup.
        backup: BackupName,
    },
    /// Check a backup.
    VerifyBackup {
        /// The backup.
        backup: BackupName,
        /// How closely.
        level: VerifyLevel,
    },
    /// Restore a backup.
    RestoreBackup {
        /// The backup.
        backup: BackupName,
        /// Database to write.
        target_database: String,
        /// It did not exist before, so that a failed restore may drop it.
        create_target: bool,
    },
    /// Bring a version of the master key in, and seal everything with it.
    RotateMasterKey {
        /// The version.
        version: u32,
    },
}

impl OperationSpec {
    /// The kind of operation.
    pub fn kind(&self) -> OperationKind {
        match self {
            Self::Migrate { direction: Direction::Up, .. } => OperationKind::ApplyMigrations,
            Self::Migrate { direction: Direction::Down, .. } => OperationKind::RevertMigrations,
            Self::CreateBackup { .. } => OperationKind::CreateBackup,
            Self::VerifyBackup { .. } => OperationKind::VerifyBackup,
            Self::RestoreBackup { .. } => OperationKind::RestoreBackup,
            Self::RotateMasterKey { .. } => OperationKind::RotateMasterKey,
        }
    }

    /// The backup that the operation reads or writes, where it does.
    pub fn backup(&self) -> Option<&BackupName> {
        match self {
            Self::Migrate { .. } | Self::RotateMasterKey { .. } => None,
            Self::CreateBackup { backup } | Self::VerifyBackup { backup, .. } | Self::RestoreBackup { backup, .. } => {
                Some(backup)
            }
        }
    }
}

/// What came of an operation that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OperationResult {
    /// Of a migration run.
    Migrate {
        /// Versions that ran, in order; the first 1,000.
        versions: Vec<Version>,
        /// How many there were.
        count: u64,
        /// Version of the database afterwards.
        current_version: Option<Version>,
    },
    /// Of a backup.
    CreateBackup {
        /// The backup.
        backup: BackupName,
        /// Bytes of the dump.
        plain_size: u64,
        /// Bytes added to the storage.
        stored_size: u64,
    },
    /// Of a check.
    VerifyBackup {
        /// The backup.
        backup: BackupName,
        /// Chunks compared.
        chunk_count: u64,
        /// Bytes rebuilt and compared.
        plain_size: u64,
    },
    /// Of a restore.
    RestoreBackup {
        /// The backup.
        backup: BackupName,
        /// Database that was written.
        target_database: String,
        /// Tables that it has now.
        table_count: u64,
        /// Rows that they hold.
        row_count: u64,
    },
    /// Of a rotation of the master key.
    RotateMasterKey {
        /// The version that everything is sealed with.
        version: u32,
        /// Records that were sealed anew.
        record_count: u64,
    },
}

/// Why an operation did not succeed: the public part of an [`Error`], so that it can be stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationError {
    /// Text of the reason.
    pub reason: String,
    /// The public message.
    pub message: String,
    /// Named facts.
    pub metadata: BTreeMap<String, String>,
    /// The statement that failed.
    pub statement: Option<StatementFailure>,
}

impl OperationError {
    /// Takes over the public part.
    pub fn from_error(error: &Error) -> Self {
        let metadata = error.details().iter().filter_map(|detail| match detail {
            Detail::Metadata(key, value) => Some(((*key).to_owned(), value.clone())),
            _ => None,
        });
        Self {
            reason: error.reason().as_str().to_owned(),
            message: error.message().to_owned(),
            metadata: metadata.collect(),
            statement: error.statement().cloned(),
        }
    }

    /// The reason, where this binary knows it.
    pub fn reason(&self) -> Reason {
        Reason::parse(&self.reason).unwrap_or(Reason::Internal)
    }
}

/// What `done` and `total` count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProgressUnit {
    /// Nothing.
    #[default]
    None,
    /// Bytes.
    Bytes,
    /// Migrations.
    Migrations,
    /// Sealed records.
    Records,
}

/// How far an operation is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units in all; 0: not known.
    pub total: u64,
    /// What is counted.
    pub unit: ProgressUnit,
    /// What is being done.
    pub message: String,
}

/// A piece of long-running work.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// Where it stands.
    pub state: OperationState,
    /// The database that it works on. Absent: the work is on the server itself.
    pub connection: Option<ConnectionId>,
    /// What it was asked to do.
    pub spec: OperationSpec,
    /// How far it is.
    pub progress: Progress,
    /// When it was asked for.
    pub created: Timestamp,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// A cancel was asked for.
    pub cancel_requested: bool,
    /// Sequence of the last event.
    pub sequence: u64,
    /// Who asked for it.
    pub requested_by: String,
    /// What came of it.
    pub result: Option<OperationResult>,
    /// Why it did not succeed.
    pub error: Option<OperationError>,
}

/// Something that happened to an operation.
#[derive(Debug, Clone, PartialEq)]
pub enum OperationEvent {
    /// It changed its state.
    State(Box<Operation>),
    /// It came further.
    Progress(Progress),
    /// It wrote a log line.
    Log {
        /// When.
        time: Timestamp,
        /// The line.
        text: String,
    },
}
