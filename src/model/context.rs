//! Who calls, until when, and how the work learns that nobody waits any more.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    access::{AuthenticationMethod, DEFAULT_ACCOUNT, Grant, Permission, Permissions, Role},
    error::{Error, Reason, Result},
    id::{AccountId, ApiKeyId, RequestId},
    time::Timestamp,
};

/// How long something that a call rests on holds, which can change while the call runs. Clones share it; the default holds
/// for ever.
#[derive(Debug, Clone, Default)]
pub struct Validity(Arc<watch::Sender<Option<Timestamp>>>);

impl Validity {
    /// It ends at a moment; absent: never.
    pub fn set_end(&self, end: Option<Timestamp>) {
        self.0.send_replace(end);
    }

    /// It ends at once.
    pub fn end(&self) {
        self.set_end(Some(Timestamp::now()));
    }

    /// Its end has come.
    pub fn has_ended(&self) -> bool {
        self.0.borrow().is_some_and(|end| end <= Timestamp::now())
    }

    /// True where nobody but the one who asks holds it.
    pub fn is_unshared(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// Waits for its end, wherever that is moved to meanwhile.
    pub async fn ended(&self) {
        let mut end = self.0.subscribe();
        loop {
            let seen = *end.borrow_and_update();
            if self.has_ended() {
                return;
            }
            tokio::select! {
                () = until(seen) => {}
                // The sender is held here, so this ends with a change and with nothing else.
                _ = end.changed() => {}
            }
        }
    }
}

/// Waits for a moment; absent: for ever.
async fn until(moment: Option<Timestamp>) {
    match moment {
        Some(moment) => tokio::time::sleep(Timestamp::now().until(moment)).await,
        None => std::future::pending().await,
    }
}

/// Who calls.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Whose resources are seen.
    pub account: AccountId,
    /// Who it is, for the log and the record: `key/{id}`, `jwt/{subject}`, `certificate/{kind}:{name}`.
    pub principal: String,
    /// Where it calls from; absent where it did not come over the network.
    pub address: Option<IpAddr>,
    /// Its API key, where it called with one.
    pub key: Option<ApiKeyId>,
    /// How it proved who it is.
    pub method: AuthenticationMethod,
    /// Its role.
    pub role: Role,
    /// What it may do: what the role allows, within the scopes of its key.
    pub permissions: Permissions,
    /// When its credentials end.
    pub expires: Option<Timestamp>,
    /// How long its credentials hold: they can be taken back before that.
    pub validity: Validity,
    /// How long its account is there, where its credentials do not know of it.
    pub account_validity: Validity,
}

impl Caller {
    /// A caller with all that a grant allows.
    pub fn new(account: AccountId, principal: impl Into<String>, method: AuthenticationMethod, grant: Grant) -> Self {
        let permissions = grant.permissions(&account);
        Self {
            account,
            principal: principal.into(),
            address: None,
            key: None,
            method,
            role: grant.role,
            permissions,
            expires: None,
            validity: Validity::default(),
            account_validity: Validity::default(),
        }
    }

    /// The caller behind an API key.
    pub fn of_key(account: AccountId, key: ApiKeyId, grant: Grant) -> Self {
        Self { key: Some(key.clone()), ..Self::new(account, format!("key/{key}"), AuthenticationMethod::ApiKey, grant) }
    }

    /// Waits until the credentials have expired or were taken back.
    pub async fn credentials_ended(&self) {
        tokio::select! {
            () = until(self.expires) => {}
            () = self.validity.ended() => {}
            () = self.account_validity.ended() => {}
        }
    }

    /// Whom everybody is taken for while the vault is sealed: it may do nothing.
    pub fn unknown() -> Self {
        let account = AccountId::from_stored(DEFAULT_ACCOUNT.to_owned());
        let grant = Grant { role: Role::Viewer, restore: false };
        let caller = Self::new(account, "unknown", AuthenticationMethod::Nothing, grant);
        Self { permissions: Permissions::default(), ..caller }
    }

    /// The same with one more permission.
    #[must_use]
    pub fn with_permission(self, permission: Permission) -> Self {
        Self { permissions: self.permissions.with(permission), ..self }
    }

    /// Refuses a caller that lacks a permission.
    pub fn require(&self, permission: Permission) -> Result<()> {
        if self.permissions.contains(permission) {
            return Ok(());
        }
        Err(Error::new(
            Reason::PermissionMissing,
            format!(
                "{} lacks the permission {}; call with credentials that have it",
                self.principal,
                permission.as_str()
            ),
        )
        .with_metadata("permission", permission.as_str()))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn caller() -> Caller {
        let account = AccountId::parse("default", "account").unwrap();
        Caller::new(account, "key/test", AuthenticationMethod::ApiKey, Grant::ALL)
    }

    #[tokio::test]
    async fn credentials_end_when_they_expire_or_are_taken_back_and_not_before() {
        let mut expiring = caller();
        expiring.expires = Some(Timestamp::now().after(Duration::from_millis(30)));
        expiring.credentials_ended().await;
        assert!(expiring.expires.is_some_and(|expires| expires <= Timestamp::now()));

        let lasting = caller();
        let copy = lasting.clone();
        assert!(futures::FutureExt::now_or_never(copy.credentials_ended()).is_none());
        lasting.validity.end();
        copy.credentials_ended().await;

        let orphaned = caller();
        orphaned.account_validity.end();
        orphaned.credentials_ended().await;
    }

    #[tokio::test]
    async fn an_end_that_is_moved_is_heard_of_by_who_waits() {
        let validity = Validity::default();
        let waiting = tokio::spawn({
            let validity = validity.clone();
            async move { validity.ended().await }
        });
        validity.set_end(Some(Timestamp::now().after(Duration::from_secs(3600))));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished() && !validity.has_ended());
        validity.set_end(Some(Timestamp::now().after(Duration::from_millis(20))));
        waiting.await.unwrap();
        assert!(validity.has_ended());
    }
}
