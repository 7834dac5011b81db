//! What a start does with operations that had not ended when the server went away.

use std::{sync::Arc, time::Duration};

use super::{Executor, OperationRun, Operations, live::Live};
use crate::model::{Error, ErrorKind, Reason, Result, operation::OperationState};

/// Room for the events of the run that was killed and were told but not stored, so that sequences keep going up.
const SEQUENCE_GAP: u64 = 1_000_000;
/// Pauses between attempts while the database of an operation cannot be reached.
const RETRY_PAUSE: Duration = Duration::from_secs(2);
const MAX_RETRY_PAUSE: Duration = Duration::from_secs(60);

impl Operations {
    /// Takes up what an earlier run of the server left: what had not begun is begun; what was running is looked at by its
    /// executor, which says truthfully what became of it. Returns how many there were; the looking goes on in tasks.
    pub async fn recover(&self) -> Result<usize> {
        let open = self.inner.store.open_operations().await?;
        let count = open.len();
        for mut record in open {
            if record.operation.state == OperationState::Queued {
                self.launch(record)?;
                continue;
            }
            record.operation.sequence += SEQUENCE_GAP;
            let executor = self.executor(record.operation.spec.kind())?;
            let live = self.add_live(record);
            self.claim(&live).await?;
            let operations = self.clone();
            self.inner.tracker.spawn(async move { operations.recover_one(&live, executor).await });
        }
        Ok(count)
    }

    /// Asks the executor until it knows. When the server stops meanwhile, the next start asks again.
    async fn recover_one(&self, live: &Arc<Live>, executor: Arc<dyn Executor>) {
        live.log("the server was stopped while this ran; finding out what became of it".to_owned());
        let mut pause = RETRY_PAUSE;
        loop {
            let (work, executor) = (live.clone(), executor.clone());
            let outcome = self
                .run_stored(live, async move {
                    let spec = work.operation().spec;
                    executor.recover(&OperationRun::new(work), &spec).await
                })
                .await;
            let error = match outcome {
                Err(failure) if failure.error.kind() == ErrorKind::Unavailable => failure.error,
                outcome => return self.finish(live, outcome).await,
            };
            if self.inner.shutdown.is_cancelled() {
                return self.let_go(live);
            }
            if live.operation().cancel_requested {
                let unknown = Error::new(
                    Reason::Interrupted,
                    format!(
                        "the server was killed while this ran, and what became of it cannot be found out ({}); \
                         look at the database before the next run",
                        error.message()
                    ),
                );
                let failure = super::Failure { error: unknown, needs_attention: true };
                return self.finish(live, Err(failure)).await;
            }
            live.log(format!("not known yet: {}", error.message()));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = live.cancellation().cancelled() => {}
            }
            pause = (pause * 2).min(MAX_RETRY_PAUSE);
        }
    }
}
