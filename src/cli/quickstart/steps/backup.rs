//! Backs up, verifies the backup and restores it.

use crate::{
    cli::quickstart::{
        contents,
        follow::follow,
        present,
        walk::{Failure, Walk, ensure},
    },
    grpc::{client::answer, proto::v1},
};

/// Takes a backup and holds its figures against the file.
pub(in crate::cli::quickstart) async fn create(walk: &mut Walk<'_>) -> Result<v1::Backup, Failure> {
    walk.step(
        "Back up",
        "A consistent copy is cut into chunks, compressed, encrypted and stored. It is published only when all of it is \
         there.",
    )?;
    let request = v1::CreateBackupRequest {
        connection: walk.place.connection(),
        backup_id: "first".to_owned(),
        request_id: walk.place.request_id(),
        validate_only: false,
    };
    walk.show("BackupService/CreateBackup", &request)?;
    let operation = answer(walk.calls().backups().create_backup(request)).await?;
    let result = follow(walk, watched(operation)).await?;
    let Some(v1::operation::Result::CreateBackupResult(result)) = result else {
        return Err(Failure::Wrong("the operation tells of no backup".to_owned()));
    };

    let request = v1::GetBackupRequest { name: result.backup };
    let backup = answer(walk.calls().backups().get_backup(request)).await?;
    ensure(backup.state() == v1::BackupState::Complete, || format!("the backup is {:?}", backup.state()))?;
    let contents = contents::read(&walk.place.source_file()).await?;
    let tables: Vec<_> = contents.iter().filter(|relation| !relation.view).collect();
    let rows: u64 = tables.iter().map(|table| table.rows).sum();
    ensure((backup.table_count, backup.row_count) == (tables.len() as i64, rows as i64), || {
        format!(
            "the backup has {} tables with {} rows, the file {} with {rows}",
            backup.table_count,
            backup.row_count,
            tables.len()
        )
    })?;
    let text = format!(
        "{}: {} tables, {} rows, {} stored as {}",
        backup.name,
        backup.table_count,
        present::count(rows),
        bytes(backup.plain_size_bytes),
        bytes(backup.stored_size_bytes)
    );
    walk.right(&text)?;
    Ok(backup)
}

/// Reads every chunk of the backup and lets SQLite check what they make.
pub(in crate::cli::quickstart) async fn verify(walk: &mut Walk<'_>, backup: &v1::Backup) -> Result<(), Failure> {
    walk.step(
        "Verify the backup",
        "Every chunk is read, decrypted and compared with its hash; then SQLite checks the database that they make.",
    )?;
    let request = v1::VerifyBackupRequest { name: backup.name.clone(), level: v1::VerifyLevel::Decode.into() };
    walk.show("BackupService/VerifyBackup", &request)?;
    let operation = answer(walk.calls().backups().verify_backup(request)).await?;
    let result = follow(walk, watched(operation)).await?;
    let Some(v1::operation::Result::VerifyBackupResult(result)) = result else {
        return Err(Failure::Wrong("the operation tells of no check".to_owned()));
    };
    ensure((result.chunk_count, result.plain_size_bytes) == (backup.chunk_count, backup.plain_size_bytes), || {
        format!("{} of {} chunks were checked", result.chunk_count, backup.chunk_count)
    })?;
    let chunks = if result.chunk_count == 1 { "chunk" } else { "chunks" };
    Ok(walk.right(&format!("{} in {} {chunks}, undamaged", bytes(result.plain_size_bytes), result.chunk_count))?)
}

/// Restores into a database that is not there yet.
pub(in crate::cli::quickstart) async fn restore(walk: &mut Walk<'_>, backup: &v1::Backup) -> Result<(), Failure> {
    let target = walk.place.restored_database();
    let text = format!("Into {target}, a second database, which is made. One that has tables would be refused.");
    walk.step("Restore it", &text)?;
    let request = v1::RestoreBackupRequest {
        name: backup.name.clone(),
        connection: walk.place.connection(),
        target_database: target.clone(),
        request_id: walk.place.request_id(),
        validate_only: false,
    };
    walk.show("BackupService/RestoreBackup", &request)?;
    let operation = answer(walk.calls().backups().restore_backup(request)).await?;
    let result = follow(walk, watched(operation)).await?;
    let Some(v1::operation::Result::RestoreBackupResult(result)) = result else {
        return Err(Failure::Wrong("the operation tells of no restore".to_owned()));
    };
    ensure(result.target_database == target, || format!("it was restored into {}", result.target_database))?;
    ensure((result.table_count, result.row_count) == (backup.table_count, backup.row_count), || {
        format!("{} of {} rows were restored", result.row_count, backup.row_count)
    })?;
    let rows = present::count(u64::try_from(result.row_count).unwrap_or(0));
    Ok(walk.right(&format!("{} tables, {rows} rows in {target}", result.table_count))?)
}

fn watched(operation: v1::Operation) -> v1::WatchOperationRequest {
    v1::WatchOperationRequest { name: operation.name, after_sequence: 0 }
}

fn bytes(count: i64) -> String {
    present::bytes(u64::try_from(count).unwrap_or(0))
}
