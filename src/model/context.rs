//! Who calls, until when, and how the work learns that nobody waits any more.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{
    error::{Error, Reason, Result},
    id::{AccountId, RequestId},
};

/// What a caller must hold to call a method; mirrors the method option of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Look at resources and databases.
    Read,
    /// Run work on a database.
    Operate,
    /// Change what is registered.
    Admin,
    /// Write a backup into a database, or take one out in clear.
    Restore,
}

/// Who calls.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Whose resources are seen.
    pub account: AccountId,
    /// Which key, for the log and the record: `key/{id}`.
    pub principal: String,
    /// What it may do.
    pub permissions: Vec<Permission>,
}

impl Caller {
    /// Refuses a caller that lacks a permission.
    pub fn require(&self, permission: Permission) -> Result<()> {
        if self.permissions.contains(&permission) {
            return Ok(());
        }
        Err(Error::new(
            Reason::PermissionMissing,
            format!("this key lacks the permission {permission:?}; use one that has it"),
        ))
    }
}

/// What travels with one call through every layer.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// Who calls.
    pub caller: Caller,
    /// The id of the call.
    pub request_id: RequestId,
    /// When the answer is of no use any more. Absent for a stream without a deadline.
    pub deadline: Option<Instant>,
    /// Cancelled when the caller is gone, the deadline passed or the server stops.
    pub cancellation: CancellationToken,
}

impl CallContext {
    /// Whose resources are seen.
    pub fn account(&self) -> &AccountId {
        &self.caller.account
    }

    /// Time left, or `limit` where that is less.
    pub fn time_left(&self, limit: Duration) -> Duration {
        self.deadline.map_or(limit, |deadline| deadline.saturating_duration_since(Instant::now()).min(limit))
    }
}
