//! Work that begins while its record is being written.

use tokio::sync::watch;

use super::{Error, Reason, Result};

/// Whether the record that a call is about to run is durable. Whatever such a call does to the outside waits for it.
#[derive(Debug, Clone)]
pub struct OnRecord(Option<watch::Receiver<bool>>);

impl OnRecord {
    /// The record is there, or there is none to wait for.
    pub fn already() -> Self {
        Self(None)
    }

    /// The record is being written; it is there once true is sent. A sender that is dropped before says that it will not be.
    pub fn soon() -> (watch::Sender<bool>, Self) {
        let (durable, written) = watch::channel(false);
        (durable, Self(Some(written)))
    }

    /// Waits for the record. AUDIT_UNAVAILABLE where it could not be written.
    pub async fn wait(&self) -> Result<()> {
        let Some(mut written) = self.0.clone() else { return Ok(()) };
        let there = written.wait_for(|durable| *durable).await;
        there
            .map(drop)
            .map_err(|_| Error::new(Reason::AuditUnavailable, "the call was not begun, for it is not on record"))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn work_waits_until_it_is_on_record_and_fails_where_it_will_not_be() {
        OnRecord::already().wait().await.unwrap();
        let (durable, on_record) = OnRecord::soon();
        let mut waits = std::pin::pin!(on_record.wait());
        assert!(waits.as_mut().now_or_never().is_none());
        durable.send_replace(true);
        waits.await.unwrap();
        let (durable, on_record) = OnRecord::soon();
        drop(durable);
        assert_eq!(on_record.wait().await.unwrap_err().reason(), Reason::AuditUnavailable);
    }
}
