//! Operations, their progress and their errors.

use super::{count, enum_from_proto, time::timestamp};
use crate::{
    grpc::{proto::v1, status},
    model::{
        Result, StatementFailure,
        migration::Version,
        name,
        operation::{
            Operation, OperationError, OperationEvent, OperationKind, OperationResult, OperationSpec, OperationState,
            Progress, ProgressUnit,
        },
    },
    operation::NewOperation,
};

/// An operation.
pub fn operation(operation: Operation) -> v1::Operation {
    v1::Operation {
        name: name::operation(&operation.id),
        kind: kind(operation.spec.kind()).into(),
        state: state(operation.state).into(),
        connection: operation.connection.as_ref().map(name::connection).unwrap_or_default(),
        progress: Some(progress(operation.progress)),
        create_time: Some(timestamp(operation.created)),
        start_time: operation.started.map(timestamp),
        end_time: operation.ended.map(timestamp),
        cancel_requested: operation.cancel_requested,
        sequence: operation.sequence,
        requested_by: operation.requested_by,
        metadata: Some(metadata(operation.spec)),
        result: operation.result.map(result),
        error: operation.error.map(operation_error),
    }
}

/// An operation that was checked and not started: it has no name.
pub fn checked(new: NewOperation) -> v1::Operation {
    v1::Operation {
        kind: kind(new.spec.kind()).into(),
        connection: new.connection.as_ref().map(name::connection).unwrap_or_default(),
        progress: Some(progress(new.progress)),
        metadata: Some(metadata(new.spec)),
        ..Default::default()
    }
}

/// An event with its sequence.
pub fn event(sequence: u64, event: OperationEvent) -> v1::WatchOperationResponse {
    use v1::watch_operation_response::Event;
    let event = match event {
        OperationEvent::State(changed) => Event::Operation(operation(*changed)),
        OperationEvent::Progress(made) => Event::Progress(progress(made)),
        OperationEvent::Log { time, text } => Event::Log(v1::OperationLog { time: Some(timestamp(time)), text }),
    };
    v1::WatchOperationResponse { sequence, event: Some(event) }
}

/// How far an operation is.
pub fn progress(progress: Progress) -> v1::Progress {
    let unit = match progress.unit {
        ProgressUnit::None => v1::ProgressUnit::Unspecified,
        ProgressUnit::Bytes => v1::ProgressUnit::Bytes,
        ProgressUnit::Migrations => v1::ProgressUnit::Migrations,
        ProgressUnit::Records => v1::ProgressUnit::Records,
    };
    v1::Progress { done: progress.done, total: progress.total, unit: unit.into(), message: progress.message }
}

/// Why an operation, or the backup that it took, failed.
pub fn operation_error(error: OperationError) -> v1::OperationError {
    v1::OperationError {
        code: status::code(error.reason().kind()) as i32,
        reason: error.reason,
        message: error.message,
        metadata: error.metadata.into_iter().collect(),
        statement: error.statement.as_ref().map(statement_failure),
    }
}

/// The statement that failed.
pub fn statement_failure(failure: &StatementFailure) -> v1::StatementFailure {
    v1::StatementFailure {
        file: failure.file.clone(),
        statement_index: failure.statement_index,
        statement_count: failure.statement_count,
        line: failure.line,
        column: failure.column,
        sql_state: failure.sql_state.clone(),
        vendor_code: failure.vendor_code,
        statement: failure.statement.clone(),
        message: failure.message.clone(),
        hint: failure.hint.clone(),
    }
}

/// The kind in a filter; absent: all.
pub fn kind_from_proto(value: i32, field: &str) -> Result<Option<OperationKind>> {
    match enum_from_proto(value, field)? {
        v1::OperationKind::Unspecified => Ok(None),
        v1::OperationKind::ApplyMigrations => Ok(Some(OperationKind::ApplyMigrations)),
        v1::OperationKind::RevertMigrations => Ok(Some(OperationKind::RevertMigrations)),
        v1::OperationKind::CreateBackup => Ok(Some(OperationKind::CreateBackup)),
        v1::OperationKind::VerifyBackup => Ok(Some(OperationKind::VerifyBackup)),
        v1::OperationKind::RestoreBackup => Ok(Some(OperationKind::RestoreBackup)),
        v1::OperationKind::RotateMasterKey => Ok(Some(OperationKind::RotateMasterKey)),
    }
}

/// The state in a filter; absent: all.
pub fn state_from_proto(value: i32, field: &str) -> Result<Option<OperationState>> {
    match enum_from_proto(value, field)? {
        v1::OperationState::Unspecified => Ok(None),
        v1::OperationState::Queued => Ok(Some(OperationState::Queued)),
        v1::OperationState::Running => Ok(Some(OperationState::Running)),
        v1::OperationState::Succeeded => Ok(Some(OperationState::Succeeded)),
        v1::OperationState::Failed => Ok(Some(OperationState::Failed)),
        v1::OperationState::Cancelled => Ok(Some(OperationState::Cancelled)),
        v1::OperationState::NeedsAttention => Ok(Some(OperationState::NeedsAttention)),
    }
}

fn kind(kind: OperationKind) -> v1::OperationKind {
    match kind {
        OperationKind::ApplyMigrations => v1::OperationKind::ApplyMigrations,
        OperationKind::RevertMigrations => v1::OperationKind::RevertMigrations,
        OperationKind::CreateBackup => v1::OperationKind::CreateBackup,
        OperationKind::VerifyBackup => v1::OperationKind::VerifyBackup,
        OperationKind::RestoreBackup => v1::OperationKind::RestoreBackup,
        OperationKind::RotateMasterKey => v1::OperationKind::RotateMasterKey,
    }
}

fn state(state: OperationState) -> v1::OperationState {
    match state {
        OperationState::Queued => v1::OperationState::Queued,
        OperationState::Running => v1::OperationState::Running,
        OperationState::Succeeded => v1::OperationState::Succeeded,
        OperationState::Failed => v1::OperationState::Failed,
        OperationState::Cancelled => v1::OperationState::Cancelled,
        OperationState::NeedsAttention => v1::OperationState::NeedsAttention,
    }
}

fn metadata(spec: OperationSpec) -> v1::operation::Metadata {
    use v1::operation::Metadata;
    match spec {
        OperationSpec::Migrate { set, target_version, .. } => {
            Metadata::Migrate(v1::MigrateMetadata { migration_set: name::migration_set(&set), target_version })
        }
        OperationSpec::CreateBackup { backup } | OperationSpec::VerifyBackup { backup, .. } => {
            Metadata::Backup(v1::BackupMetadata { backup: backup.to_string() })
        }
        OperationSpec::RestoreBackup { backup, target_database, .. } => {
            Metadata::Restore(v1::RestoreMetadata { backup: backup.to_string(), target_database })
        }
        OperationSpec::RotateMasterKey { version } => {
            Metadata::RotateMasterKey(v1::RotateMasterKeyMetadata { key_version: version })
        }
    }
}

fn result(result: OperationResult) -> v1::operation::Result {
    use v1::operation::Result as Proto;
    match result {
        OperationResult::Migrate { versions, count: total, current_version } => {
            Proto::MigrateResult(v1::MigrateResult {
                versions: versions.iter().map(Version::to_string).collect(),
                count: count(total),
                current_version: current_version.map(|version| version.to_string()).unwrap_or_default(),
            })
        }
        OperationResult::CreateBackup { backup, plain_size, stored_size } => {
            Proto::CreateBackupResult(v1::CreateBackupResult {
                backup: backup.to_string(),
                plain_size_bytes: count(plain_size),
                stored_size_bytes: count(stored_size),
            })
        }
        OperationResult::VerifyBackup { backup, chunk_count, plain_size } => {
            Proto::VerifyBackupResult(v1::VerifyBackupResult {
                backup: backup.to_string(),
                chunk_count: count(chunk_count),
                plain_size_bytes: count(plain_size),
            })
        }
        OperationResult::RestoreBackup { backup, target_database, table_count, row_count } => {
            Proto::RestoreBackupResult(v1::RestoreBackupResult {
                backup: backup.to_string(),
                target_database,
                table_count: count(table_count),
                row_count: count(row_count),
            })
        }
        OperationResult::RotateMasterKey { version, record_count } => {
            Proto::RotateMasterKeyResult(v1::RotateMasterKeyResult {
                key_version: version,
                record_count: count(record_count),
            })
        }
    }
}
