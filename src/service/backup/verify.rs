//! Checks a backup, as closely as was asked.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use futures::TryStreamExt;

use super::{Parts, repository::Manifest};
use crate::{
    model::{
        Error, Reason, Result,
        backup::VerifyLevel,
        name::BackupName,
        operation::{OperationResult, OperationSpec, Progress, ProgressUnit},
    },
    operation::{Executor, Failure, OperationRun},
};

/// Runs VerifyBackup.
pub(super) struct VerifyBackup(pub(super) Arc<Parts>);

#[async_trait]
impl Executor for VerifyBackup {
    async fn run(&self, run: &OperationRun, spec: &OperationSpec) -> Result<OperationResult, Failure> {
        let OperationSpec::VerifyBackup { backup, level } = spec else {
            return Err(Error::internal("not an operation that checks a backup").into());
        };
        let checked = tokio::select! {
            checked = self.check(run, backup, *level) => checked,
            () = run.cancellation.cancelled() => Err(Error::cancelled()),
        };
        match checked {
            Ok(result) => {
                self.0.note_verified(run.account(), backup, *level >= VerifyLevel::Content).await;
                Ok(result)
            }
            Err(error) => {
                if error.reason() == Reason::BackupCorrupt {
                    self.0.note_corrupt(run.account(), backup, &error).await;
                }
                Err(error.into())
            }
        }
    }

    async fn recover(&self, _run: &OperationRun, spec: &OperationSpec) -> Result<OperationResult, Failure> {
        let name = spec.backup().map(ToString::to_string).unwrap_or_default();
        Err(Error::new(
            Reason::Interrupted,
            format!("the server stopped while {name} was being checked; the check changed nothing, ask for it again"),
        )
        .into())
    }
}

impl VerifyBackup {
    async fn check(&self, run: &OperationRun, name: &BackupName, level: VerifyLevel) -> Result<OperationResult> {
        let manifest = Arc::new(self.0.manifest(run.account(), name).await?);
        let repository = self.0.repositories.get(run.account()).await?;
        repository.check_sizes(&manifest).await?;
        let (mut chunk_count, mut plain_size) = (0, 0);
        if level >= VerifyLevel::Content {
            repository.check_tables(&manifest).await?;
            let read = if level == VerifyLevel::Decode { self.decode(run, name, &manifest).await? } else { 0 };
            // A tool may stop at the end of what it needs; every byte is looked at all the same.
            if read < manifest.plain_length() {
                self.read_all(run, &manifest).await?;
            }
            (chunk_count, plain_size) = (manifest.chunk_count(), manifest.plain_length());
        }
        Ok(OperationResult::VerifyBackup { backup: name.clone(), chunk_count, plain_size })
    }

    async fn read_all(&self, run: &OperationRun, manifest: &Arc<Manifest>) -> Result<()> {
        let repository = self.0.repositories.get(run.account()).await?;
        let mut chunks = repository.read(manifest.clone());
        let mut done = 0;
        while let Some(chunk) = chunks.try_next().await? {
            done += chunk.len() as u64;
            run.progress(progress(done, manifest.plain_length()));
        }
        Ok(())
    }

    /// Lets the engine's tool read the dump, and tells how many bytes it took.
    async fn decode(&self, run: &OperationRun, name: &BackupName, manifest: &Arc<Manifest>) -> Result<u64> {
        let lease = self.0.pools.database(run.account(), &name.connection).await?;
        let dump = lease.require_dump()?;
        let repository = self.0.repositories.get(run.account()).await?;
        let done = Arc::new(AtomicU64::new(0));
        let seen = done.clone();
        let (reader, source) =
            repository.open_reader(manifest.clone(), move |bytes| seen.store(bytes, Ordering::Relaxed));
        let total = manifest.plain_length();
        let decoded = {
            let mut work = std::pin::pin!(lease.run(dump.decode(reader)));
            let mut interval = tokio::time::interval(super::PROGRESS_INTERVAL);
            loop {
                tokio::select! {
                    decoded = &mut work => break decoded,
                    _ = interval.tick() => run.progress(progress(done.load(Ordering::Relaxed), total)),
                }
            }
        };
        if let Some(failure) = source.take_failure() {
            return Err(failure);
        }
        decoded.map(|()| done.load(Ordering::Relaxed))
    }
}

fn progress(done: u64, total: u64) -> Progress {
    Progress { done, total, unit: ProgressUnit::Bytes, message: "reading the backup".to_owned() }
}
