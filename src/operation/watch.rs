//! Follows one operation: what the store has, then what happens, to the end.

use std::{collections::VecDeque, sync::Arc};

use tokio::sync::watch;

use super::live::Live;
use crate::{
    model::{
        AccountId, OperationId, Result,
        operation::{Operation, OperationEvent},
    },
    store::{Store, operation::OperationRecord},
};

/// Log lines that are read from the store at one time.
const LOG_PAGE: u32 = 500;

/// The events of an operation, one after the other. It holds a bounded number of them however slow its reader is:
/// progress is told as it is when the reader asks, log lines are read from the store again.
pub struct OperationWatch {
    store: Store,
    account: AccountId,
    id: OperationId,
    live: Option<(Arc<Live>, watch::Receiver<u64>)>,
    last_seen: u64,
    /// The operation, where it had ended when the watch began.
    ended: Option<Box<Operation>>,
    ready: VecDeque<(u64, OperationEvent)>,
    done: bool,
}

impl OperationWatch {
    pub(super) fn new(
        store: Store,
        account: AccountId,
        id: OperationId,
        live: Option<Arc<Live>>,
        record: Option<OperationRecord>,
        after: u64,
    ) -> Self {
        let live = live.map(|live| {
            let changes = live.subscribe();
            (live, changes)
        });
        let ended = record.map(|record| Box::new(record.operation));
        let first = ended.clone().or_else(|| live.as_ref().map(|(live, _)| Box::new(live.operation())));
        // The operation as it stands comes first and moves the watcher's place in the sequence by nothing.
        let ready = first.map(|operation| (after, OperationEvent::State(operation))).into_iter().collect();
        Self { store, account, id, live, last_seen: after, ended, ready, done: false }
    }

    /// The next event with its sequence; absent after the last. Safe to drop while it waits.
    pub async fn next(&mut self) -> Result<Option<(u64, OperationEvent)>> {
        loop {
            if let Some((sequence, event)) = self.ready.pop_front() {
                self.last_seen = self.last_seen.max(sequence);
                return Ok(Some((sequence, event)));
            }
            if self.done {
                return Ok(None);
            }
            let Some((live, changes)) = &mut self.live else {
                self.read_ended().await?;
                continue;
            };
            changes.borrow_and_update();
            let ended = live.is_final();
            let gap = live.oldest_log().is_none_or(|oldest| oldest > self.last_seen + 1);
            let events = live.events_after(self.last_seen);
            if !events.is_empty() {
                let stored = if gap { self.read_logs().await? } else { Vec::new() };
                self.ready = merge(stored, events);
                continue;
            }
            if ended {
                self.done = true;
                continue;
            }
            tokio::select! {
                biased;
                changed = changes.changed() => self.done = changed.is_err(),
                // Let go without an end: the next start goes on with it.
                () = live.ended() => self.done = !live.is_final(),
            }
        }
    }

    /// Events of an operation that had ended when the watch began: its log lines, then how it ended.
    async fn read_ended(&mut self) -> Result<()> {
        let logs = self.read_logs().await?;
        if logs.is_empty() {
            self.done = true;
            let last = self.ended.take().filter(|operation| operation.sequence > self.last_seen);
            self.ready.extend(last.map(|operation| (operation.sequence, OperationEvent::State(operation))));
            return Ok(());
        }
        self.ready = logs.into();
        Ok(())
    }

    async fn read_logs(&self) -> Result<Vec<(u64, OperationEvent)>> {
        let logs = self.store.operation_logs(&self.account, &self.id, self.last_seen, LOG_PAGE).await?;
        let events = logs.into_iter().map(|log| (log.sequence, OperationEvent::Log { time: log.time, text: log.text }));
        Ok(events.collect())
    }
}

/// Joins stored log lines with events in memory; a line that is in both is taken once. Where the store has more lines than
/// were read, the later events wait, so that the order holds.
fn merge(stored: Vec<(u64, OperationEvent)>, live: Vec<(u64, OperationEvent)>) -> VecDeque<(u64, OperationEvent)> {
    let cut = stored.len() == LOG_PAGE as usize;
    let last_stored = stored.last().map_or(0, |(sequence, _)| *sequence);
    let mut all: Vec<(u64, OperationEvent)> = stored;
    all.extend(live.into_iter().filter(|(sequence, _)| !cut || *sequence <= last_stored));
    all.sort_by_key(|(sequence, _)| *sequence);
    all.dedup_by_key(|(sequence, _)| *sequence);
    all.into()
}
