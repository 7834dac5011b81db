//! Sessions on a database's server.

use super::time::Timestamp;

/// A session. The fields mean what the message of `monitor_service.proto` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// Id that the server knows it by.
    pub id: String,
    /// When it began.
    pub started: Option<Timestamp>,
    /// User.
    pub username: String,
    /// Database.
    pub database: String,
    /// Name that the client gave itself.
    pub application: String,
    /// Address of the client; empty: local.
    pub client_address: String,
    /// State as the engine words it.
    pub state: String,
    /// What it waits for; empty: nothing.
    pub wait: String,
    /// When its statement began.
    pub statement_started: Option<Timestamp>,
    /// When its transaction began.
    pub transaction_started: Option<Timestamp>,
    /// The statement, cut to 1,000 characters.
    pub statement: String,
    /// Ids of the sessions that block it.
    pub blocked_by: Vec<String>,
    /// One of ours.
    pub own: bool,
}
