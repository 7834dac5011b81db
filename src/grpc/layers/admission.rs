//! Whether a call is let in: the vault is open, a slot is free, the caller is known and may do this.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use async_trait::async_trait;
use http::{HeaderMap, header::AUTHORIZATION};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Edge, deadline, deadline_exceeded};
use crate::{
    grpc::{options::MethodPolicy, rate},
    model::{CallContext, Caller, ClientCertificate, Detail, Error, Reason, RequestId, Result},
};

/// Tells who calls.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// Checks what stood behind `Bearer`. API_KEY_INVALID where it is malformed, unknown, expired or revoked,
    /// with the same text for all of these.
    async fn authenticate(&self, bearer: &str, peer: SocketAddr) -> Result<Caller>;

    /// Whom everybody is taken for while the vault is sealed, in calls of the methods that are answered then. Absent: the
    /// vault is open, and credentials are asked for.
    fn unknown_caller(&self) -> Option<Caller> {
        None
    }

    /// Tells who showed a client certificate. Where certificates are not taken, the call carries no credentials.
    async fn authenticate_certificate(&self, _certificate: &ClientCertificate, _peer: SocketAddr) -> Result<Caller> {
        Err(credentials_missing())
    }
}

/// Where a call comes from.
pub(super) struct Origin<'a> {
    /// The address that it is counted and recorded under.
    pub(super) peer: SocketAddr,
    /// What the client showed when the connection was opened.
    pub(super) certificate: Option<&'a ClientCertificate>,
}

/// A call that may run.
pub(super) struct Admitted {
    pub(super) context: CallContext,
    /// Held until the call has ended.
    pub(super) slot: OwnedSemaphorePermit,
}

impl Edge {
    /// Finds out who calls, or says why the call cannot run. Whether the caller may do this is asked next, by
    /// [`Admitted::permitted`], so that a refusal is logged with the caller.
    pub(super) async fn admit(
        &self,
        headers: &HeaderMap,
        policy: &MethodPolicy,
        origin: &Origin<'_>,
        request_id: RequestId,
    ) -> Result<Admitted> {
        let unknown = self.authenticator().unknown_caller().filter(|_| policy.while_sealed);
        if self.health.readiness().is_sealed() && unknown.is_none() {
            return Err(Error::new(
                Reason::VaultSealed,
                "the vault is sealed: the server has no key that opens its store; give it the right master key",
            ));
        }
        let slots = if policy.server_streaming { &self.stream_slots } else { &self.unary_slots };
        let slot = take_slot(slots, policy)?;
        let deadline = deadline::of(headers, policy, &self.settings)?;
        let mut caller = match unknown {
            Some(caller) => caller.with_permission(policy.permission),
            None => {
                tokio::select! {
                    biased;
                    caller = self.authenticate(headers, origin) => caller?,
                    () = deadline::passed(deadline) => return Err(deadline_exceeded()),
                }
            }
        };
        caller.address = Some(origin.peer.ip());
        self.callers
            .take(caller.principal.as_str(), Instant::now())
            .map_err(|wait| rate::limited(&caller.principal, "this caller calls more often than it may", wait))?;
        let cancellation = self.aborting.child_token();
        Ok(Admitted { context: CallContext { caller, request_id, deadline, cancellation }, slot })
    }
}

impl Edge {
    /// A key or a token goes before a certificate: it was sent with this very call.
    async fn authenticate(&self, headers: &HeaderMap, origin: &Origin<'_>) -> Result<Caller> {
        match origin.certificate.filter(|_| !headers.contains_key(AUTHORIZATION)) {
            Some(certificate) => self.authenticator().authenticate_certificate(certificate, origin.peer).await,
            None => self.authenticator().authenticate(bearer(headers)?, origin.peer).await,
        }
    }
}

impl Admitted {
    /// The call, where its caller has the permission of the method.
    pub(super) fn permitted(self, policy: &MethodPolicy) -> Result<Self> {
        self.context.caller.require(policy.permission)?;
        Ok(self)
    }
}

fn take_slot(slots: &Arc<Semaphore>, policy: &MethodPolicy) -> Result<OwnedSemaphorePermit> {
    Arc::clone(slots).try_acquire_owned().map_err(|_| {
        let what = if policy.server_streaming { "streams" } else { "calls" };
        Error::new(Reason::TooManyRequests, format!("too many {what} are open; try again in a moment")).with(
            Detail::Quota { subject: what.to_owned(), description: "the server's own limit is reached".to_owned() },
        )
    })
}

fn bearer(headers: &HeaderMap) -> Result<&str> {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or_else(credentials_missing)?;
    let (scheme, token) = value.split_once(' ').ok_or_else(credentials_missing)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(credentials_missing());
    }
    Ok(token)
}

fn credentials_missing() -> Error {
    Error::new(
        Reason::CredentialsMissing,
        "the call carries no API key; send the header: authorization: Bearer <API key>",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_is_taken() {
        let headers = |value: &str| HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
        assert_eq!(bearer(&headers("Bearer k")).unwrap(), "k");
        assert_eq!(bearer(&headers("bearer  k ")).unwrap(), "k");
        for value in ["", "k", "Bearer", "Bearer ", "Basic k"] {
            assert_eq!(bearer(&headers(value)).unwrap_err().reason(), Reason::CredentialsMissing, "{value:?}");
        }
        assert!(bearer(&HeaderMap::new()).is_err());
    }
}
