//! An operation that has not ended, in memory: how it stands, its last events, and who is told of them.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    model::{
        AccountId, OperationId, Timestamp,
        operation::{Operation, OperationEvent, OperationState, Progress},
    },
    store::operation::{LogRecord, OperationRecord},
};

/// Log lines that are kept in memory; older ones are read from the store.
const KEPT_LOGS: usize = 256;

/// An operation that has not ended.
pub(super) struct Live {
    account: AccountId,
    id: OperationId,
    state: Mutex<State>,
    sequence: watch::Sender<u64>,
    ended: CancellationToken,
    cancellation: CancellationToken,
}

struct State {
    record: OperationRecord,
    /// Sequence of the last change of state, and of the last progress.
    state_sequence: u64,
    progress_sequence: u64,
    logs: VecDeque<LogRecord>,
    /// Log lines that are not in the store yet begin here.
    stored_sequence: u64,
}

/// What is to be written to the store.
pub(super) struct Checkpoint {
    pub(super) record: OperationRecord,
    pub(super) logs: Vec<LogRecord>,
}

impl Live {
    pub(super) fn new(record: OperationRecord, cancellation: CancellationToken) -> Self {
        let sequence = record.operation.sequence;
        if record.operation.cancel_requested {
            cancellation.cancel();
        }
        Self {
            account: record.account.clone(),
            id: record.operation.id.clone(),
            sequence: watch::Sender::new(sequence),
            state: Mutex::new(State {
                record,
                state_sequence: sequence,
                progress_sequence: 0,
                logs: VecDeque::new(),
                stored_sequence: sequence,
            }),
            ended: CancellationToken::new(),
            cancellation,
        }
    }

    pub(super) fn account(&self) -> &AccountId {
        &self.account
    }

    pub(super) fn id(&self) -> &OperationId {
        &self.id
    }

    pub(super) fn cancellation(&self) -> &CancellationToken {
        &self.cancellation
    }

    pub(super) fn operation(&self) -> Operation {
        self.lock().record.operation.clone()
    }

    pub(super) fn record(&self) -> OperationRecord {
        self.lock().record.clone()
    }

    /// Marks that somebody asked it to stop, and stops it.
    pub(super) fn cancel(&self) {
        self.change(|operation| operation.cancel_requested = true);
        self.cancellation.cancel();
    }

    /// It runs, under the fence of its claim.
    pub(super) fn claimed(&self, fence: u64, started: Timestamp) {
        self.lock().record.fence = fence;
        self.change(|operation| {
            operation.state = OperationState::Running;
            operation.started = operation.started.or(Some(started));
        });
    }

    /// Changes how it stands, which is an event.
    pub(super) fn change(&self, change: impl FnOnce(&mut Operation)) {
        let mut state = self.lock();
        change(&mut state.record.operation);
        state.record.operation.sequence += 1;
        state.state_sequence = state.record.operation.sequence;
        self.tell(state);
    }

    /// Notes how far it is. Only the last of several is kept.
    pub(super) fn progress(&self, progress: Progress) {
        let mut state = self.lock();
        state.record.operation.progress = progress;
        state.record.operation.sequence += 1;
        state.progress_sequence = state.record.operation.sequence;
        self.tell(state);
    }

    /// Adds a log line.
    pub(super) fn log(&self, text: String) {
        let mut state = self.lock();
        state.record.operation.sequence += 1;
        let log = LogRecord { sequence: state.record.operation.sequence, time: Timestamp::now(), text };
        state.logs.push_back(log);
        // A line that is not stored yet is kept, so that none is lost to a burst.
        while state.logs.len() > KEPT_LOGS
            && state.logs.front().is_some_and(|log| log.sequence <= state.stored_sequence)
        {
            state.logs.pop_front();
        }
        self.tell(state);
    }

    fn tell(&self, state: MutexGuard<'_, State>) {
        let sequence = state.record.operation.sequence;
        drop(state);
        self.sequence.send_replace(sequence);
    }

    /// What the store does not have yet. Call [`Live::stored`] once it has.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        let state = self.lock();
        let logs = state.logs.iter().filter(|log| log.sequence > state.stored_sequence).cloned().collect();
        Checkpoint { record: state.record.clone(), logs }
    }

    /// The store has everything up to a sequence.
    pub(super) fn stored(&self, sequence: u64) {
        let mut state = self.lock();
        state.stored_sequence = state.stored_sequence.max(sequence);
    }

    /// Nothing more will happen.
    pub(super) fn end(&self) {
        self.ended.cancel();
    }

    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Told of each event by its sequence.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.sequence.subscribe()
    }

    /// Sequence of the oldest log line in memory; absent where there is none.
    pub(super) fn oldest_log(&self) -> Option<u64> {
        self.lock().logs.front().map(|log| log.sequence)
    }

    /// Events after a sequence, in order: log lines in memory, the last progress, the last change of state.
    pub(super) fn events_after(&self, after: u64) -> Vec<(u64, OperationEvent)> {
        let state = self.lock();
        let mut events: Vec<(u64, OperationEvent)> = state
            .logs
            .iter()
            .filter(|log| log.sequence > after)
            .map(|log| (log.sequence, OperationEvent::Log { time: log.time, text: log.text.clone() }))
            .collect();
        if state.progress_sequence > after {
            let progress = state.record.operation.progress.clone();
            events.push((state.progress_sequence, OperationEvent::Progress(progress)));
        }
        if state.state_sequence > after {
            let operation = Box::new(state.record.operation.clone());
            events.push((state.state_sequence, OperationEvent::State(operation)));
        }
        events.sort_by_key(|(sequence, _)| *sequence);
        events
    }

    pub(super) fn is_final(&self) -> bool {
        self.lock().record.operation.state.is_final()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
