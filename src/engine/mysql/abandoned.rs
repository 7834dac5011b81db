//! Ends what a session still does on the server when its caller has gone away.
//!
//! A session whose socket closes goes on with its statement: the servers look at the socket when they have rows to send, and the
//! catalog has none until the end.

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::{connect::Connector, named_lock};
use crate::model::Result;

/// Ends the sessions of one database that were left.
#[derive(Clone)]
pub(super) struct Abandonment {
    connector: Connector,
    /// What ends sessions; waited for when the database is closed.
    tasks: TaskTracker,
}

impl Abandonment {
    pub(super) fn new(connector: &Connector) -> Self {
        Self { connector: connector.clone(), tasks: TaskTracker::new() }
    }

    /// Does work on a session; where it is dropped before its end, the session is ended on the server.
    pub(super) async fn watch<T>(&self, session: u64, work: impl Future<Output = T>) -> T {
        let mut watch = Watch { abandonment: self, session, ended: false };
        let outcome = work.await;
        watch.ended = true;
        outcome
    }

    /// Waits until every session that was left has been ended.
    pub(super) async fn close(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn end(self, session: u64) {
        if let Err(error) = self.try_end(session).await {
            tracing::warn!(%error, session, "session of a caller who went away cannot be ended");
        }
    }

    async fn try_end(&self, session: u64) -> Result<()> {
        let (mut connection, _) = self.connector.dial().await?;
        self.connector.in_time(named_lock::kill(&mut connection, "CONNECTION", session)).await?;
        // The session is done with; a server that is slow to say good-bye changes nothing about it.
        let _ = sqlx::Connection::close(connection).await;
        Ok(())
    }
}

struct Watch<'a> {
    abandonment: &'a Abandonment,
    session: u64,
    ended: bool,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        // Without a runtime the process is ending, and the server notices by itself.
        let (false, Ok(runtime)) = (self.ended, Handle::try_current()) else { return };
        self.abandonment.tasks.spawn_on(self.abandonment.clone().end(self.session), &runtime);
    }
}
