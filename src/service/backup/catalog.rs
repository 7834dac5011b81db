//! What the store tells of backups, brought in line with the manifests, which are the truth.

use super::{Parts, repository::Manifest};
use crate::model::{
    AccountId, Error, Reason, Result, Timestamp,
    backup::{Backup, BackupState},
    name::BackupName,
    operation::OperationError,
};

/// A backup as its manifest tells it.
pub(super) fn from_manifest(manifest: &Manifest) -> Backup {
    let description = manifest.description();
    Backup {
        name: description.name.clone(),
        state: BackupState::Complete,
        engine: description.engine,
        format: description.format,
        database: description.database.clone(),
        server_version: description.server_version.clone(),
        tool: description.tool.clone(),
        created: description.created,
        ended: Some(manifest.published()),
        plain_size: manifest.plain_length(),
        stored_size: manifest.stored_length(),
        chunk_count: manifest.chunk_count(),
        new_chunk_count: manifest.new_chunk_count(),
        table_count: description.table_counts.len() as u64,
        row_count: description.table_counts.iter().map(|count| count.rows).sum(),
        verified: None,
        operation: description.operation.clone(),
        error: None,
    }
}

impl Parts {
    /// The manifest of a backup that is to be read. BACKUP_CORRUPT where it is gone or damaged.
    pub(super) async fn manifest(&self, account: &AccountId, name: &BackupName) -> Result<Manifest> {
        let repository = self.repositories.get(account).await?;
        repository.manifest(name).await?.ok_or_else(|| {
            Error::new(
                Reason::BackupCorrupt,
                format!("{name} is damaged: its manifest is missing from the storage; restore from another backup"),
            )
            .with_metadata("backup", name.to_string())
        })
    }

    /// Notes that a backup was published.
    pub(super) async fn note_complete(&self, account: &AccountId, manifest: &Manifest) -> Result<()> {
        self.store.update_backup(account, &from_manifest(manifest)).await
    }

    /// Notes that a backup was not taken. That this cannot be noted must not hide why, so it is logged only; the next
    /// start finds it out again.
    pub(super) async fn note_failed(&self, account: &AccountId, name: &BackupName, error: &Error) {
        self.note(account, name, |backup| {
            backup.state = BackupState::Failed;
            backup.ended = Some(Timestamp::now());
            backup.error = Some(OperationError::from_error(error));
        })
        .await;
    }

    /// Notes that damage was found.
    pub(super) async fn note_corrupt(&self, account: &AccountId, name: &BackupName, error: &Error) {
        self.note(account, name, |backup| {
            backup.state = BackupState::Corrupt;
            backup.error = Some(OperationError::from_error(error));
        })
        .await;
    }

    /// Notes that a check found no damage. `every_byte`: the check has seen all of it, so that earlier findings are mended.
    pub(super) async fn note_verified(&self, account: &AccountId, name: &BackupName, every_byte: bool) {
        self.note(account, name, |backup| {
            backup.verified = Some(Timestamp::now());
            if every_byte {
                backup.state = BackupState::Complete;
                backup.error = None;
            }
        })
        .await;
    }

    async fn note(&self, account: &AccountId, name: &BackupName, change: impl FnOnce(&mut Backup)) {
        let noted = async {
            let mut backup = self.store.backup(account, name).await?;
            change(&mut backup);
            self.store.update_backup(account, &backup).await
        };
        if let Err(error) = noted.await {
            tracing::warn!(backup = %name, error = %error, "state of backup not stored");
        }
    }

    /// Finds out what became of a backup that was being taken when the server went away.
    pub(super) async fn settle(&self, account: &AccountId, name: &BackupName) -> Result<Manifest> {
        let repository = self.repositories.get(account).await?;
        match repository.manifest(name).await {
            Ok(Some(manifest)) => {
                self.note_complete(account, &manifest).await?;
                Ok(manifest)
            }
            Ok(None) => {
                let error = Error::new(
                    Reason::Interrupted,
                    format!(
                        "the server stopped while {name} was being taken; nothing of it was published and what it had \
                         stored was taken away; take the backup again"
                    ),
                );
                self.note_failed(account, name, &error).await;
                Err(error)
            }
            Err(error) => {
                if error.reason() == Reason::BackupCorrupt {
                    self.note_corrupt(account, name, &error).await;
                }
                Err(error)
            }
        }
    }

    /// Settles backups whose operation ended, or never began, without a word on the backup.
    pub(super) async fn settle_all(&self) -> Result<()> {
        for (account, backup) in self.store.backups_without_operation().await? {
            if let Err(error) = self.settle(&account, &backup.name).await {
                tracing::warn!(backup = %backup.name, error = %error, "backup was not completed");
            }
        }
        Ok(())
    }

    /// Adds backups to the list that the storage has and the list does not. Returns how many.
    pub(super) async fn rebuild(&self, account: &AccountId) -> Result<usize> {
        let repository = self.repositories.get(account).await?;
        let mut added = 0;
        for name in repository.list().await? {
            match self.store.backup(account, &name).await {
                Ok(_) => continue,
                Err(error) if error.reason() == Reason::BackupNotFound => {}
                Err(error) => return Err(error),
            }
            match repository.manifest(&name).await {
                Ok(Some(manifest)) => {
                    self.store.insert_backup(account, &from_manifest(&manifest)).await?;
                    added += 1;
                }
                Ok(None) => {}
                Err(error) => tracing::error!(backup = %name, error = %error, "backup in the storage cannot be listed"),
            }
        }
        Ok(added)
    }
}
