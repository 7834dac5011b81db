//! The audit log: who called what, written before the call runs and again when it has ended.
//!
//! A call whose intent cannot be written does not run. Its outcome can fail to be written, when the work is done
//! already: the intent stays without one, and is told as unknown, as it is after a crash.

mod allowance;
mod verify;
mod writer;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio_util::task::TaskTracker;

use crate::{
    model::{
        AccountId, CallContext, Error, Reason, RequestId, Result, Timestamp,
        access::DEFAULT_ACCOUNT,
        audit::{
            AuditCompletion, AuditEvent, AuditFilter, AuditKind, AuditOutcome, AuditPlace, AuditRecord, AuditRemoval,
            AuditVerification, AuditedCall, SERVER_ACTOR,
        },
        page::{Page, PageRequest},
    },
    store::{Store, audit::AuditEnd},
    vault::AuditKey,
};
use allowance::{Allowance, Verdict};
use writer::Writer;

/// Events that are read, or removed, in one go.
const BATCH: u32 = 1000;

/// In whose log a call stands whose caller is not known: that of the account of the first start, which is the
/// operator's.
pub fn operators_account() -> AccountId {
    AccountId::from_stored(DEFAULT_ACCOUNT.to_owned())
}

/// Writes and reads the audit log.
pub struct AuditService {
    writer: Writer,
    calls: Arc<Mutex<Calls>>,
    refusals: Mutex<Allowance>,
}

/// Calls of this process that have no outcome yet.
#[derive(Default)]
struct Calls {
    /// Whose intent is being written, by what is known of it before: an event may be seen before its sequence is told.
    beginning: HashSet<(AccountId, String, Timestamp)>,
    /// That run, by the sequences of their intents.
    running: HashSet<(AccountId, u64)>,
}

impl Calls {
    fn hold(&self, event: &AuditEvent) -> bool {
        let AuditRecord { call, time, .. } = &event.record;
        self.running.contains(&(call.account.clone(), event.sequence))
            || self.beginning.contains(&(call.account.clone(), call.request_id.clone(), *time))
    }
}

impl AuditService {
    /// A service over the store. `tracker` runs the writes, so that a caller who goes away cannot cut one off.
    pub fn new(store: Store, key: AuditKey, tracker: TaskTracker) -> Self {
        Self {
            writer: Writer::new(store, key, tracker),
            calls: Arc::default(),
            refusals: Mutex::new(Allowance::default()),
        }
    }

    fn store(&self) -> &Store {
        self.writer.store()
    }

    fn key(&self) -> &AuditKey {
        self.writer.key()
    }

    /// Writes that a call is about to run, and returns the sequence of the event. AUDIT_UNAVAILABLE where it cannot be
    /// written: the call must not run.
    pub async fn intend(&self, call: &AuditedCall) -> Result<u64> {
        let record = AuditRecord::intent(call.clone());
        let key = (call.account.clone(), call.request_id.clone(), record.time);
        lock(&self.calls).beginning.insert(key.clone());
        let written = self.writer.append(record).await;
        let mut calls = lock(&self.calls);
        calls.beginning.remove(&key);
        let sequence = written.map_err(|cause| {
            Error::new(
                Reason::AuditUnavailable,
                "the call was not begun, because the audit log cannot be written; the server's operator finds the \
                 cause in its log",
            )
            .caused_by(cause)
        })?;
        calls.running.insert((call.account.clone(), sequence));
        Ok(sequence)
    }

    /// Writes how a call ended. A failure is logged: the work is done, and the caller is to have the answer.
    pub async fn conclude(&self, call: &AuditedCall, intent: u64, outcome: AuditOutcome) {
        if let Err(error) = self.writer.append(AuditRecord::outcome(call.clone(), intent, outcome)).await {
            tracing::error!(error = %error, account = %call.account, intent, "outcome of a call not recorded");
        }
        lock(&self.calls).running.remove(&(call.account.clone(), intent));
    }

    /// Tells how a call ended that changed nothing. Whoever reads the log from now on finds it there; it is written with the
    /// next event, or by itself a moment later, so that a caller who tests one database after the other does not wait for the
    /// disk twice. A failure is logged.
    pub fn conclude_soon(&self, call: &AuditedCall, intent: u64, outcome: AuditOutcome) {
        let written = self.writer.append_soon(AuditRecord::outcome(call.clone(), intent, outcome));
        let (calls, account) = (self.calls.clone(), call.account.clone());
        self.writer.tracker().spawn(async move {
            if let Err(error) = written.await {
                tracing::error!(error = %error, %account, intent, "outcome of a call not recorded");
            }
            lock(&calls).running.remove(&(account, intent));
        });
    }

    /// Writes that a call was refused before it ran, as long as the allowance of its account lasts; what is over is
    /// counted and told in one event by [`AuditService::tell_left_out`]. A failure is logged: nothing was done.
    pub async fn refuse(&self, call: &AuditedCall, outcome: AuditOutcome) {
        if lock(&self.refusals).take(&call.account, &call.address) == Verdict::LeftOut {
            return;
        }
        if let Err(error) = self.writer.append(AuditRecord::outcome(call.clone(), 0, outcome)).await {
            tracing::error!(error = %error, account = %call.account, "refusal of a call not recorded");
        }
    }

    /// Writes how many refusals were left out, where the time of an allowance is over or `all` asks for it.
    pub async fn tell_left_out(&self, all: bool) {
        let counts = lock(&self.refusals).left_out(all);
        for (account, left_out) in counts {
            self.note_left_out(&account, left_out).await;
        }
    }

    /// Writes that so many refusals are not told one by one. A failure is logged.
    pub async fn note_left_out(&self, account: &AccountId, left_out: u64) {
        let record = AuditRecord { kind: AuditKind::LeftOut, left_out, ..AuditRecord::intent(own(account)) };
        if let Err(error) = self.writer.append(record).await {
            tracing::error!(error = %error, %account, left_out, "refusals left out not recorded");
        }
    }

    /// A page of the caller's events, the newest first, each intent with what became of it.
    pub async fn list(
        &self,
        context: &CallContext,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<(AuditEvent, Option<AuditCompletion>)>> {
        self.writer.write_what_waits().await;
        let found = self.store().audit_events(context.account(), filter, page).await?;
        let mut items = Vec::with_capacity(found.items.len());
        for (event, outcome) in found.items {
            let completion = match event.record.kind {
                AuditKind::Intent => Some(self.completion(&event, outcome).await?),
                _ => None,
            };
            items.push((event, completion));
        }
        Ok(Page { items, next: found.next, total: found.total })
    }

    async fn completion(&self, event: &AuditEvent, outcome: Option<AuditEnd>) -> Result<AuditCompletion> {
        let ended = |(sequence, code, reason)| AuditCompletion::Ended { sequence, code, reason };
        if let Some(outcome) = outcome {
            return Ok(ended(outcome));
        }
        if lock(&self.calls).hold(event) {
            return Ok(AuditCompletion::Running);
        }
        // It may have ended since the events were read: its outcome is written before it counts as ended.
        let outcome = self.store().audit_outcome(&event.record.call.account, event.sequence).await?;
        Ok(outcome.map_or(AuditCompletion::Unknown, ended))
    }

    /// The head of the caller's log as it stands; before the first event the start.
    pub async fn head(&self, context: &CallContext) -> Result<AuditPlace> {
        self.writer.write_what_waits().await;
        let head = self.store().audit_head(self.key(), context.account()).await?;
        Ok(head.map_or(AuditPlace::START, |head| head.place))
    }

    /// The place up to which the caller's old events were removed; the start where none were.
    pub async fn removed(&self, context: &CallContext) -> Result<AuditPlace> {
        let removed = self.store().audit_checkpoint(self.key(), context.account()).await?;
        Ok(removed.map_or(AuditPlace::START, |removed| removed.place))
    }

    /// Some of the caller's events after a sequence, the oldest first.
    pub async fn events_after(&self, context: &CallContext, after: u64) -> Result<Vec<AuditEvent>> {
        self.writer.write_what_waits().await;
        self.store().audit_events_after(context.account(), after, BATCH).await
    }

    /// Walks the caller's chain and tells the first place where it is not as it was written.
    pub async fn verify(&self, context: &CallContext, expected: Option<AuditPlace>) -> Result<AuditVerification> {
        self.writer.write_what_waits().await;
        verify::chain(self.store(), self.key(), context.account(), expected).await
    }

    /// Removes events of all accounts that are older than `retention`.
    pub async fn remove_old(&self, retention: Duration) -> Result<()> {
        let kept = i64::try_from(retention.as_micros()).unwrap_or(i64::MAX);
        let before = Timestamp::from_micros(Timestamp::now().as_micros().saturating_sub(kept));
        for account in self.store().audited_accounts().await? {
            self.remove_old_of(&account, before).await?;
        }
        Ok(())
    }

    async fn remove_old_of(&self, account: &AccountId, before: Timestamp) -> Result<()> {
        let mut removed = 0;
        loop {
            match self.store().remove_audit_events(self.key(), account, before, BATCH).await? {
                AuditRemoval::Removed(0) => break,
                AuditRemoval::Removed(count) => removed += count,
                AuditRemoval::Broken(sequence) => {
                    tracing::error!(%account, sequence, "audit log altered, old events kept");
                    break;
                }
            }
        }
        if removed > 0 {
            tracing::info!(%account, removed, "old audit events removed");
        }
        Ok(())
    }
}

/// An event of the server's own.
fn own(account: &AccountId) -> AuditedCall {
    AuditedCall::new(account.clone(), SERVER_ACTOR.to_owned(), String::new(), String::new(), &RequestId::generate())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
