//! The rotation of the master key. Each of its steps can be repeated, so that one that was cut short goes on:
//!
//! 1. The source holds the new version, durably, and gives it back when it is read again.
//! 2. The store knows it as the current one, with its check value; the one before is read from then on.
//! 3. This process seals with it.
//! 4. Every record of the registry that is sealed with another version is sealed anew, batch by batch.
//! 5. Copies of records outside of the store are made like the records.
//! 6. Versions without records are retired: the store takes no record of theirs any more.
//! 7. Retired versions are taken out of the source.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Parts, current, open::store_id, put, unfit, unreadable};
use crate::{
    model::{
        Error, Reason, Result,
        operation::{OperationResult, OperationSpec, Progress, ProgressUnit},
        vault::{MasterKeyState, MasterKeyVersion},
    },
    operation::{Executor, Failure, OperationRun},
    store::sealed::{Resealed, SEALED_FIELDS, SealedField, SealedRow},
    vault::{KeyTrouble, MasterKeys, SecretScope},
};

/// Records that are sealed anew in one transaction. Other writers wait for no longer than that takes.
const BATCH: u32 = 500;
/// Walks over all records. A second one is needed only where a call stored what it had sealed before the first.
const MAX_WALKS: u32 = 10;
/// Damaged records that are named.
const NAMED: usize = 10;

/// What the operation does.
pub(super) struct RotateMasterKey(pub(super) Arc<Parts>);

#[async_trait]
impl Executor for RotateMasterKey {
    async fn run(&self, run: &OperationRun, spec: &OperationSpec) -> Result<OperationResult, Failure> {
        let OperationSpec::RotateMasterKey { version } = spec else {
            return Err(Error::internal("a rotation was asked to do something else").into());
        };
        self.0.bring_in(run, *version).await?;
        self.0.seal_anew(run, *version).await
    }

    /// Goes on where the server was killed.
    async fn recover(&self, run: &OperationRun, spec: &OperationSpec) -> Result<OperationResult, Failure> {
        self.run(run, spec).await
    }
}

impl Parts {
    /// Makes a version the one that everything is sealed with from now on.
    async fn bring_in(&self, run: &OperationRun, version: u32) -> Result<()> {
        let known = self.store.master_keys().await?;
        let only_new = |keys: MasterKeys| keys.without(|other| other != version);
        if current(&known)?.version >= version {
            // A rotation before this one came so far, in an earlier process or in this one.
            if self.vault.current_version() < version {
                self.vault.write_with(&only_new(self.held(&known).await?), version)?;
            }
            return Ok(());
        }
        let held = self.held(&known).await?;
        let keys = if self.source.can_write() { self.put(held, version).await? } else { held };
        let check = keys.check_value(version, &store_id(&self.store).await?);
        let check = check.ok_or_else(|| unfit(format!("it lacks the version {version} that it had before")))?;
        self.store.make_master_key_current(version, &check).await?;
        self.vault.write_with(&only_new(keys), version)?;
        run.log(format!("version {version} of the master key is in its source and seals from now on"));
        Ok(())
    }

    /// Puts a new version into the source beside the others, and reads it back.
    async fn put(&self, held: MasterKeys, version: u32) -> Result<MasterKeys> {
        // Written even where an earlier attempt left the version there: that attempt may have failed to make it durable.
        let back = put(&self.source, &held.with_new(version)?).await.map_err(unreadable)?;
        let lost = || unfit("it does not give back what was put there; nothing is sealed with the new key".to_owned());
        back.ok_or_else(lost)
    }

    async fn seal_anew(&self, run: &OperationRun, version: u32) -> Result<OperationResult, Failure> {
        let mut progress = Progress {
            total: self.store.sealed_without(version).await?,
            unit: ProgressUnit::Records,
            message: format!("sealing with version {version}"),
            done: 0,
        };
        for _ in 0..MAX_WALKS {
            let damaged = self.walk(run, version, &mut progress).await?;
            if !damaged.is_empty() {
                // Which key a damaged record was sealed with is not certain, so none is given up.
                return Err(Failure { error: some_damaged(&damaged), needs_attention: true });
            }
            for copy in &self.copies {
                copy.renew(&self.vault).await?;
            }
            if self.retire(run).await? {
                return Ok(OperationResult::RotateMasterKey { version, record_count: progress.done });
            }
        }
        let text = "records sealed with an old version keep coming back; both versions are in use; repeat the call";
        Err(Error::new(Reason::MasterKeyRotated, text).into())
    }

    /// Seals every record of another version anew. Returns the places of those that do not open.
    async fn walk(&self, run: &OperationRun, version: u32, progress: &mut Progress) -> Result<Vec<String>> {
        let mut damaged = Vec::new();
        for field in SEALED_FIELDS {
            let mut after: Option<Vec<String>> = None;
            loop {
                if run.cancellation.is_cancelled() {
                    return Err(stopped(progress));
                }
                let rows = self.store.sealed_rows(field, version, after.as_deref(), BATCH).await?;
                let Some(last) = rows.last() else { break };
                after = Some(last.key.clone());
                progress.done += self.batch(field, rows, &mut damaged).await?;
                progress.total = progress.total.max(progress.done);
                run.progress(progress.clone());
            }
        }
        Ok(damaged)
    }

    async fn batch(&self, field: &SealedField, rows: Vec<SealedRow>, damaged: &mut Vec<String>) -> Result<u64> {
        let mut resealed = Vec::with_capacity(rows.len());
        for row in rows {
            let scope = SecretScope::stored(&row.account, &row.resource, &row.field, row.version);
            match self.vault.reseal(&scope, &row.sealed) {
                Ok(sealed) => resealed.push(Resealed { row, sealed }),
                Err(error) if error.reason() == Reason::SealedRecordCorrupt => {
                    tracing::error!(resource = row.resource, field = row.field, "sealed record does not authenticate");
                    damaged.push(format!("{} of {}", row.field, row.resource));
                }
                Err(error) => return Err(error),
            }
        }
        self.store.replace_sealed(field, &resealed).await?;
        Ok(resealed.len() as u64)
    }

    /// Retires the versions that nothing is sealed with, and takes them out of the source. False: one has to stay.
    async fn retire(&self, run: &OperationRun) -> Result<bool> {
        let mut all = true;
        let known = self.store.master_keys().await?;
        for MasterKeyVersion { version, .. } in known.iter().filter(|known| known.state == MasterKeyState::Reading) {
            if self.store.retire_master_key(*version).await? {
                run.log(format!("version {version} of the master key is retired"));
            } else {
                all = false;
            }
        }
        self.take_out_retired(run).await?;
        Ok(all)
    }

    async fn take_out_retired(&self, run: &OperationRun) -> Result<()> {
        let known = self.store.master_keys().await?;
        let is_retired =
            |version| known.iter().any(|known| known.version == version && known.state == MasterKeyState::Retired);
        // Everything is sealed with the new key, so trouble with the old one is told and does not fail the rotation.
        if let Err(trouble) = self.clean_source(run, is_retired).await {
            tracing::warn!(cause = %trouble, "retired master key not taken out of its source");
            run.log("the retired key could not be taken out of its source: remove its line there yourself");
        }
        Ok(())
    }

    async fn clean_source(&self, run: &OperationRun, is_retired: impl Fn(u32) -> bool) -> Result<(), KeyTrouble> {
        let held = self.source.read().await?.unwrap_or_default();
        let retired: Vec<u32> = held.versions().filter(|version| is_retired(*version)).collect();
        if retired.is_empty() {
            return Ok(());
        }
        if self.source.can_write() {
            return self.source.write(&held.without(is_retired)).await;
        }
        run.log(format!("nothing is sealed with the versions {retired:?} any more: remove them from the key's source"));
        Ok(())
    }
}

fn stopped(progress: &Progress) -> Error {
    Error::new(
        Reason::Cancelled,
        format!(
            "{} of {} records were sealed anew; the old and the new version are both in use; \
             RotateMasterKey goes on from there",
            progress.done, progress.total
        ),
    )
}

fn some_damaged(damaged: &[String]) -> Error {
    let named = damaged.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    Error::new(
        Reason::SealedRecordCorrupt,
        format!(
            "{} records do not authenticate and were left as they are, among them: {named}; set those secrets again, \
             then call RotateMasterKey to finish",
            damaged.len()
        ),
    )
}
