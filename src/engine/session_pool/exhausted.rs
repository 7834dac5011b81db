//! What a caller is told who got no session.

use std::time::Duration;

use super::AccountSessions;
use crate::model::{
    Detail, Error, Reason,
    connection::{PoolFigures, PoolSettings},
};

/// When a place may have come free.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What stood in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// The sessions of the pool are all in use.
    Pool,
    /// The account has as many sessions as one account may have.
    Account,
    /// All accounts together have as many as the server may open.
    Server,
    /// The sessions that others open on the same host came first.
    Dials,
}

impl Limit {
    /// The setting behind it.
    fn setting(self) -> &'static str {
        match self {
            Self::Pool => "pool.max_connections",
            Self::Account => "pools.max_connections_per_account",
            Self::Server => "pools.max_connections",
            Self::Dials => "pool.acquire_timeout",
        }
    }
}

/// No session came free within `acquire_timeout`.
pub(super) fn exhausted(
    limit: Limit,
    settings: &PoolSettings,
    figures: &PoolFigures,
    account: Option<AccountSessions>,
) -> Error {
    let in_use = figures.size.saturating_sub(figures.idle);
    let state = match (limit, account) {
        (Limit::Account, Some(account)) => {
            format!("the account has {} of {} connections", account.held, account.caps.account.min(account.caps.server))
        }
        (Limit::Server, Some(account)) => {
            format!("this server has all of its {} connections in use", account.caps.server)
        }
        (Limit::Dials, _) => "others open connections to the same host, 5 at one time".to_owned(),
        _ => format!("{in_use} of {} connections are in use", figures.max_connections),
    };
    let waited = humantime::format_duration(settings.acquire_timeout);
    let text = format!(
        "no connection of the pool came free within {waited}: {state}, and {} callers wait; repeat the call later, run less \
         at one time, or raise {}",
        figures.waiting,
        limit.setting()
    );
    let mut error = Error::new(Reason::PoolExhausted, text)
        .with(Detail::RetryAfter(RETRY_AFTER))
        .with(Detail::Quota { subject: limit.setting().to_owned(), description: state })
        .with_metadata("limit", limit.setting())
        .with_metadata("pool_size", figures.size.to_string())
        .with_metadata("pool_idle", figures.idle.to_string())
        .with_metadata("pool_waiting", figures.waiting.to_string())
        .with_metadata("pool_max_connections", figures.max_connections.to_string());
    if let Some(account) = account {
        error = error
            .with_metadata("account_connections", account.held.to_string())
            .with_metadata("account_max_connections", account.caps.account.min(account.caps.server).to_string());
    }
    error
}

/// The pool was closed.
pub(super) fn closed_error() -> Error {
    Error::new(
        Reason::DatabaseUnreachable,
        "the pool of this connection was closed because the connection changed; repeat the call",
    )
    .with(Detail::RetryAfter(RETRY_AFTER))
}
