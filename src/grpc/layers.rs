//! What every call passes before a handler sees it, in one service: the parts are files of their own, the
//! order stands here. One service instead of a stack of them keeps the cost of a call at one boxed future.

mod admission;
pub(super) mod audit;
mod body;
mod deadline;
mod forwarded;
mod metrics;
mod request_id;
mod trace;

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Instant,
};

use futures::FutureExt;
use http::{Request, Response, header::HeaderValue};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Code, body::Body, service::Routes};
use tower::Service;
use tracing::Instrument;

pub use admission::Authenticator;
use admission::Origin;
pub use audit::AuditSink;
use audit::{CallAudit, EndOfCall};
use body::{CallBody, CallEnd};
pub(super) use deadline::{deadline_exceeded, passed as deadline_passed};

use super::{
    call::ActiveCall,
    health::Health,
    options::{MethodPolicies, MethodPolicy},
    rate::{self, RateLimit},
    settings::ServerSettings,
    status,
};
use crate::model::{CallContext, ClientCertificate, Error, Reason, RequestId, address::counted};

/// Services that answer without a caller, also while the vault is sealed.
const OPEN_SERVICES: [&str; 3] =
    ["/grpc.health.v1.Health/", "/grpc.reflection.v1.ServerReflection/", "/grpc.reflection.v1alpha.ServerReflection/"];

/// What all calls share.
pub(super) struct Edge {
    pub(super) policies: MethodPolicies,
    pub(super) authenticator: Arc<dyn Authenticator>,
    pub(super) audit: Option<Arc<dyn AuditSink>>,
    pub(super) health: Health,
    pub(super) settings: ServerSettings,
    pub(super) unary_slots: Arc<Semaphore>,
    pub(super) stream_slots: Arc<Semaphore>,
    /// Calls of each address.
    pub(super) addresses: RateLimit,
    /// Calls of each caller.
    pub(super) callers: RateLimit,
    /// Cancelled when the server begins to stop: streams end.
    pub(super) stopping: CancellationToken,
    /// Cancelled when the patience with open calls has ended: contexts are cancelled.
    pub(super) aborting: CancellationToken,
    /// The tasks behind open streams and of calls that change something.
    pub(super) streams: TaskTracker,
    /// What answers since the vault was opened, where the server was started sealed.
    pub(super) unsealed: OnceLock<Unsealed>,
}

/// What answers in place of a sealed server's services.
pub(super) struct Unsealed {
    pub(super) routes: Routes,
    pub(super) authenticator: Arc<dyn Authenticator>,
    pub(super) audit: Option<Arc<dyn AuditSink>>,
}

impl Edge {
    fn authenticator(&self) -> &Arc<dyn Authenticator> {
        self.unsealed.get().map_or(&self.authenticator, |unsealed| &unsealed.authenticator)
    }

    fn audit(&self) -> Option<&Arc<dyn AuditSink>> {
        self.unsealed.get().map_or(self.audit.as_ref(), |unsealed| unsealed.audit.as_ref())
    }
}

/// The service behind one connection.
#[derive(Clone)]
pub(super) struct EdgeService {
    edge: Arc<Edge>,
    routes: Routes,
    peer: SocketAddr,
    /// What the client showed when the connection was opened.
    certificate: Option<Arc<ClientCertificate>>,
}

impl EdgeService {
    pub(super) fn new(
        edge: Arc<Edge>,
        routes: Routes,
        peer: SocketAddr,
        certificate: Option<Arc<ClientCertificate>>,
    ) -> Self {
        Self { edge, routes, peer, certificate }
    }

    /// The services that answer: those of the open vault, also on a connection from before it was opened.
    fn into_routes(self) -> Routes {
        self.edge.unsealed.get().map_or(self.routes, |unsealed| unsealed.routes.clone())
    }

    async fn answer(mut self, request: Request<Body>) -> Response<Body> {
        let request_id = request_id::of(request.headers());
        let path = request.uri().path();
        let caller = forwarded::caller_address(self.peer.ip(), request.headers(), &self.edge.settings.trusted_proxies);
        self.peer.set_ip(caller);
        let mut response = if let Err(wait) = self.edge.addresses.take(&counted(caller), Instant::now()) {
            let error = rate::limited("calls of an address", "this address calls more often than it may", wait);
            status::response(&error, &request_id)
        } else if OPEN_SERVICES.iter().any(|service| path.starts_with(service)) {
            self.answer_openly(request).await
        } else if let Some(policy) = self.edge.policies.get(path).cloned() {
            self.answer_known(request, policy, request_id.clone()).await
        } else {
            status::response(&status::unknown_method(), &request_id)
        };
        if let Ok(mut value) = HeaderValue::from_str(request_id.as_str()) {
            // No two calls share it: in the tables of HTTP/2 it would only push out what comes again.
            value.set_sensitive(true);
            response.headers_mut().insert(request_id::HEADER, value);
        }
        response
    }

    /// Health and reflection. Their streams end with the server, too.
    async fn answer_openly(self, request: Request<Body>) -> Response<Body> {
        let stopping = self.edge.stopping.clone();
        let Ok(response) = self.into_routes().call(request).await;
        response.map(|inner| Body::new(body::UntilStopped::new(inner, stopping)))
    }

    fn origin(&self) -> Origin<'_> {
        Origin { peer: self.peer, certificate: self.certificate.as_deref() }
    }

    async fn answer_known(
        self,
        request: Request<Body>,
        policy: Arc<MethodPolicy>,
        request_id: RequestId,
    ) -> Response<Body> {
        let started = Instant::now();
        let admitted = self.edge.admit(request.headers(), &policy, &self.origin(), request_id.clone()).await;
        let caller = admitted.as_ref().ok().map(|admitted| &admitted.context.caller);
        // Only the record of a refusal needs it after the call is gone.
        let refusable = policy.audited.then(|| caller.map(|caller| (caller.account.clone(), caller.principal.clone())));
        let principal = caller.map(|caller| caller.principal.as_str());
        let exported = self.edge.settings.telemetry_exported;
        let span = trace::span(exported, &policy, &request_id, principal, request.headers());
        match admitted.and_then(|admitted| admitted.permitted(&policy)) {
            Ok(admitted) => {
                let end = CallEnd::new(started, Arc::clone(&policy), &admitted.context, admitted.slot, span.clone());
                self.answer_admitted(request, policy, admitted.context, end).instrument(span).await
            }
            Err(error) => {
                if let (Some(caller), Some(sink)) = (refusable, self.edge.audit()) {
                    let recorded = audit::refused(sink.as_ref(), &policy, caller, self.peer, &error, &request_id);
                    recorded.instrument(span.clone()).await;
                }
                span.in_scope(|| {
                    let refused = status::response(&error, &request_id);
                    let code = refused.headers().get(tonic::Status::GRPC_STATUS).map_or(Code::Ok, status::code_of);
                    metrics::call_ended(&policy, code, started.elapsed());
                    refused
                })
            }
        }
    }

    async fn answer_admitted(
        self,
        mut request: Request<Body>,
        policy: Arc<MethodPolicy>,
        context: CallContext,
        end: CallEnd,
    ) -> Response<Body> {
        let changes_something = policy.audited && !policy.server_streaming;
        let sink = self.edge.audit().filter(|_| policy.audited).cloned();
        let audit = sink.map(|sink| CallAudit::new(sink, policy, &context, self.peer, self.edge.streams.clone()));
        let end_of_audit = audit.as_ref().map(EndOfCall::of);
        request.extensions_mut().insert(ActiveCall {
            context: context.clone(),
            stopping: self.edge.stopping.clone(),
            streams: self.edge.streams.clone(),
            peer: self.peer.ip(),
            audit,
        });
        let edge = Arc::clone(&self.edge);
        let handled = handle(self.into_routes(), request, context.request_id.clone(), end_of_audit);
        let response = if changes_something {
            in_time(edge.run_to_the_end(handled, &context.request_id, end.slot()), &context).await
        } else {
            in_time(handled, &context).await
        };
        let outcome = response.headers().get(tonic::Status::GRPC_STATUS).map_or(Code::Ok, status::code_of);
        response.map(|inner| Body::new(CallBody::new(inner, end, outcome)))
    }
}

impl Edge {
    /// Runs a call in a task of its own, which goes on where the caller leaves or the deadline passes: a transaction that
    /// was sent its COMMIT is committed all the same, and what follows it, such as closing what a revoked key has open, must not be
    /// lost. Only a server that has waited long enough at its end cuts it off.
    async fn run_to_the_end(
        &self,
        handled: impl Future<Output = Response<Body>> + Send + 'static,
        request_id: &RequestId,
        slot: Arc<OwnedSemaphorePermit>,
    ) -> Response<Body> {
        let aborting = self.aborting.clone();
        let task = async move {
            let _slot = slot;
            aborting.run_until_cancelled(handled).await
        };
        let response = self.streams.spawn(task.in_current_span()).await;
        response.ok().flatten().unwrap_or_else(|| status::response(&shutting_down(), request_id))
    }
}

/// Runs the handler up to the headers of its answer, which for a unary call is all of it, and writes its outcome.
async fn handle(
    mut routes: Routes,
    request: Request<Body>,
    request_id: RequestId,
    end_of_audit: Option<EndOfCall>,
) -> Response<Body> {
    let response = match AssertUnwindSafe(routes.call(request)).catch_unwind().await {
        Ok(Ok(response)) => match status::error_made_by_tonic(response.headers()) {
            Some(error) => status::response(&error, &request_id),
            None => response,
        },
        Err(panic) => status::response(&panicked(panic.as_ref()), &request_id),
    };
    if let Some(end_of_audit) = end_of_audit {
        end_of_audit.answered(response.headers()).await;
    }
    response
}

/// The answer, or DEADLINE_EXCEEDED where it is not there in time.
async fn in_time(answer: impl Future<Output = Response<Body>>, context: &CallContext) -> Response<Body> {
    tokio::select! {
        // An answer that is there at the last moment is still an answer.
        biased;
        response = answer => response,
        () = deadline::passed(context.deadline) => {
            context.cancellation.cancel();
            status::response(&deadline_exceeded(), &context.request_id)
        }
    }
}

/// The error of a handler that panicked.
pub(super) fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Error::internal(format!("a handler panicked: {}", text.unwrap_or_default()))
}

/// The error of a stream that outlives what it was opened with: the credentials, or the account that they are of.
pub(super) fn credentials_ended() -> Error {
    Error::new(
        Reason::CredentialsEnded,
        "the credentials that this call was made with have ended: they expired, were revoked or replaced, or went with \
         their account or authority; call again with new ones",
    )
}

/// The error of everything that the end of the server cuts short.
pub(super) fn shutting_down() -> Error {
    Error::new(Reason::ShuttingDown, "the server stops; call again, it or another replica will answer")
}

impl<B> Service<Request<B>> for EdgeService
where
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Box::pin(self.clone().answer(request.map(Body::new)).map(Ok))
    }
}
