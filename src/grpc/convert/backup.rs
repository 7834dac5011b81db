//! Backups.

use super::{count, engine, enum_from_proto, operation::operation_error, time::timestamp};
use crate::{
    grpc::proto::v1,
    model::{
        Result,
        backup::{Backup, BackupFormat, BackupState, VerifyLevel},
        name,
        page::Page,
    },
    service::backup::Download,
};

/// A backup.
pub fn backup(backup: Backup) -> v1::Backup {
    v1::Backup {
        name: backup.name.to_string(),
        state: state(backup.state).into(),
        engine: engine(backup.engine).into(),
        format: format(backup.format).into(),
        database: backup.database,
        server_version: backup.server_version,
        tool: backup.tool,
        create_time: Some(timestamp(backup.created)),
        end_time: backup.ended.map(timestamp),
        plain_size_bytes: count(backup.plain_size),
        stored_size_bytes: count(backup.stored_size),
        chunk_count: count(backup.chunk_count),
        new_chunk_count: count(backup.new_chunk_count),
        table_count: count(backup.table_count),
        row_count: count(backup.row_count),
        verify_time: backup.verified.map(timestamp),
        operation: name::operation(&backup.operation),
        error: backup.error.map(operation_error),
    }
}

/// A page of backups.
pub fn list_response(page: Page<Backup>, next_page_token: String) -> v1::ListBackupsResponse {
    v1::ListBackupsResponse { backups: page.items.into_iter().map(backup).collect(), next_page_token }
}

/// What a download begins with.
pub fn download_header(download: &Download) -> v1::DownloadHeader {
    v1::DownloadHeader {
        file_name: download.file_name.clone(),
        format: format(download.format).into(),
        size_bytes: count(download.size),
    }
}

/// What a dump is written in.
pub fn format(format: BackupFormat) -> v1::BackupFormat {
    match format {
        BackupFormat::PgCustom => v1::BackupFormat::PgCustom,
        BackupFormat::MysqlSql => v1::BackupFormat::MysqlSql,
        BackupFormat::SqliteFile => v1::BackupFormat::SqliteFile,
    }
}

/// How closely a backup is checked; the closest where the caller does not say.
pub fn level_from_proto(value: i32, field: &str) -> Result<VerifyLevel> {
    Ok(match enum_from_proto(value, field)? {
        v1::VerifyLevel::Manifest => VerifyLevel::Manifest,
        v1::VerifyLevel::Content => VerifyLevel::Content,
        v1::VerifyLevel::Unspecified | v1::VerifyLevel::Decode => VerifyLevel::Decode,
    })
}

fn state(state: BackupState) -> v1::BackupState {
    match state {
        BackupState::Creating => v1::BackupState::Creating,
        BackupState::Complete => v1::BackupState::Complete,
        BackupState::Failed => v1::BackupState::Failed,
        BackupState::Corrupt => v1::BackupState::Corrupt,
    }
}
