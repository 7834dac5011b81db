//! What a pool needs of an engine: how its sessions are opened, looked at, made as new and closed.

use std::{future::Future, time::Duration};

use crate::model::Result;

/// Opens the sessions of one database as one user.
pub trait SessionSource: Send + Sync + 'static {
    /// A session with the database.
    type Session: Send + 'static;

    /// Where a dial goes, to bound the dials to one host; absent for a file.
    fn host(&self) -> Option<(&str, u16)>;

    /// Opens a session and gives it the state that every lease begins with. It has a deadline of its own.
    fn open(&self) -> impl Future<Output = Result<Self::Session>> + Send;

    /// Whether a session that was idle can still be used; `age` is the time since it was opened.
    fn check(&self, session: &mut Self::Session, age: Duration) -> impl Future<Output = bool> + Send;

    /// Makes a session that ran statements of others as new: no open transaction, role, setting, temporary table, lock,
    /// prepared statement or variable is left. False where the engine cannot do that; the session is closed then.
    fn reset(&self, session: &mut Self::Session) -> impl Future<Output = bool> + Send;

    /// What is to be done with a session when its lease ends; false where it cannot be used again.
    fn settle(&self, _session: &mut Self::Session) -> impl Future<Output = bool> + Send {
        async { true }
    }

    /// Says good-bye to the database.
    fn close(&self, session: Self::Session) -> impl Future<Output = ()> + Send;
}
