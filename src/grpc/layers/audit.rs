//! The record of one audited call: its intent before the handler runs, its outcome when it has ended, whatever ends
//! it. A call whose intent cannot be written is refused.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use http::HeaderMap;
use prost::Message;
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;
use tonic::{Code, Status};
use tracing::Instrument;

use crate::{
    grpc::{
        audited_fields::{self, AuditedFields},
        options::MethodPolicy,
        status,
    },
    model::{
        AccountId, CallContext, Error, RequestId, Result,
        audit::{AuditOutcome, AuditedCall},
        removal::Removed,
    },
};

/// Keeps the audit log.
#[async_trait]
pub trait AuditSink: Send + Sync {
    /// Stores durably that a call is about to run, and returns the sequence of the event. An error refuses the call.
    async fn intend(&self, call: &AuditedCall) -> Result<u64>;

    /// Stores how a call ended; `intent` is what `intend` returned. It is awaited before the caller gets its answer.
    async fn conclude(&self, call: &AuditedCall, intent: u64, outcome: AuditOutcome);

    /// Tells how a call ended that changed nothing. The log has it from now on; on the disk it is a moment later.
    fn conclude_soon(&self, call: &AuditedCall, intent: u64, outcome: AuditOutcome);

    /// Stores that a call was refused before it ran.
    async fn refuse(&self, call: &AuditedCall, outcome: AuditOutcome);

    /// In whose log a call stands whose caller is not known.
    fn account_of_unknown_callers(&self) -> AccountId;
}

/// An audited call that was let in. Whoever holds it last has seen to its outcome.
#[derive(Clone)]
pub(in crate::grpc) struct CallAudit(Arc<Shared>);

struct Shared {
    sink: Arc<dyn AuditSink>,
    policy: Arc<MethodPolicy>,
    tracker: TaskTracker,
    /// The stream behind the answer tells the end of the call, not the answer's headers.
    by_stream: AtomicBool,
    state: Mutex<State>,
}

struct State {
    call: AuditedCall,
    stage: Stage,
    answered: Option<AuditOutcome>,
    /// What the call removes beside what it names.
    removed: Option<Removed>,
}

enum Stage {
    /// No handler has begun.
    Waiting,
    /// The intent is written, with this sequence.
    Intended(u64),
    /// The outcome is written, or there is none to write.
    Ended,
}

impl CallAudit {
    pub(super) fn new(
        sink: Arc<dyn AuditSink>,
        policy: Arc<MethodPolicy>,
        context: &CallContext,
        peer: SocketAddr,
        tracker: TaskTracker,
    ) -> Self {
        let caller = &context.caller;
        let call = call(&policy, caller.account.clone(), caller.principal.clone(), peer, &context.request_id);
        let state = Mutex::new(State { call, stage: Stage::Waiting, answered: None, removed: None });
        Self(Arc::new(Shared { sink, policy, tracker, by_stream: AtomicBool::new(false), state }))
    }

    /// Writes the intent, with the names that stand in the message. It is finished even where the caller goes away
    /// meanwhile, so that the outcome knows of it.
    pub(in crate::grpc) async fn begin(&self, message: &impl Message) -> Result<()> {
        self.write_intent(self.fields(message)).await
    }

    /// What the intent of a call with this message holds.
    pub(in crate::grpc) fn fields(&self, message: &impl Message) -> AuditedFields {
        audited_fields::of(&self.0.policy.input, &message.encode_to_vec())
    }

    /// What the intent of a stream holds. From now on the stream sees to the outcome.
    pub(in crate::grpc) fn stream_begins(&self, message: &impl Message) -> AuditedFields {
        self.0.by_stream.store(true, Ordering::Relaxed);
        self.fields(message)
    }

    /// Writes the intent.
    pub(in crate::grpc) async fn write_intent(&self, fields: AuditedFields) -> Result<()> {
        let shared = Arc::clone(&self.0);
        let begun = self.0.tracker.spawn(async move {
            let mut state = shared.state.lock().await;
            if !matches!(state.stage, Stage::Waiting) {
                return Err(Error::cancelled());
            }
            state.call.resources = fields.resources;
            state.call.parameters = fields.parameters;
            state.stage = Stage::Ended;
            state.stage = Stage::Intended(shared.sink.intend(&state.call).await?);
            Ok(())
        });
        begun.await.unwrap_or_else(|cause| Err(Error::internal(cause)))
    }

    /// Notes what the answer names, for the outcome.
    pub(in crate::grpc) async fn answered(&self, answer: &impl Message) {
        let fields = audited_fields::of(&self.0.policy.output, &answer.encode_to_vec());
        let outcome = AuditOutcome {
            code: code_name(Code::Ok).to_owned(),
            reason: String::new(),
            versions: fields.versions,
            resources: fields.resources,
            parameters: Vec::new(),
        };
        self.0.state.lock().await.answered = Some(outcome);
    }

    /// Records with the outcome, whatever it is, what the call has removed by then.
    pub(in crate::grpc) async fn removes(&self, removed: &Removed) {
        self.0.state.lock().await.removed = Some(removed.clone());
    }

    fn is_by_stream(&self) -> bool {
        self.0.by_stream.load(Ordering::Relaxed)
    }

    /// The caller is gone. Where no handler had begun, nothing was done and nobody refused.
    async fn abandoned(&self) {
        let mut state = self.0.state.lock().await;
        if matches!(state.stage, Stage::Waiting) {
            state.stage = Stage::Ended;
        }
        drop(state);
        self.end(Some(failure_of(&Error::cancelled()))).await;
    }

    /// Writes how the call ended. Only the first end counts.
    pub(in crate::grpc) async fn end(&self, failure: Option<(Code, String)>) {
        let mut state = self.0.state.lock().await;
        let mut outcome = match (failure, state.answered.take()) {
            (Some((code, reason)), _) => failed(code, reason),
            (None, Some(answered)) => answered,
            (None, None) => failed(Code::Ok, String::new()),
        };
        if let Some(removed) = state.removed.take() {
            let fields = audited_fields::of_removed(&removed.names());
            outcome.resources.extend(fields.resources);
            outcome.parameters.extend(fields.parameters);
        }
        match std::mem::replace(&mut state.stage, Stage::Ended) {
            Stage::Intended(intent) if self.0.policy.outcome_follows => {
                self.0.sink.conclude_soon(&state.call, intent, outcome);
            }
            Stage::Intended(intent) => self.0.sink.conclude(&state.call, intent, outcome).await,
            // The message was not one that a handler could be given.
            Stage::Waiting => self.0.sink.refuse(&state.call, outcome).await,
            Stage::Ended => {}
        }
    }
}

/// Sees to the outcome of a call, also of one that is dropped because its caller is gone.
pub(super) struct EndOfCall(Option<CallAudit>);

impl EndOfCall {
    pub(super) fn of(audit: &CallAudit) -> Self {
        Self(Some(audit.clone()))
    }

    /// Writes the outcome that the headers of the answer tell; that of a stream is told by the stream.
    pub(super) async fn answered(mut self, headers: &HeaderMap) {
        let Some(audit) = self.0.take() else { return };
        if audit.is_by_stream() {
            return;
        }
        let failure = failure_in(headers);
        // In a task of its own, which the end of this call does not cut short.
        let tracker = audit.0.tracker.clone();
        // A panic is in the log already.
        let _ = tracker.spawn(async move { audit.end(failure).await }.in_current_span()).await;
    }
}

impl Drop for EndOfCall {
    fn drop(&mut self) {
        let Some(audit) = self.0.take().filter(|audit| !audit.is_by_stream()) else { return };
        let tracker = audit.0.tracker.clone();
        tracker.spawn(async move { audit.abandoned().await }.in_current_span());
    }
}

/// Records a call that was refused because its caller is not known or may not do this. Other refusals, such as a full
/// server, say nothing about the caller.
pub(super) async fn refused(
    sink: &dyn AuditSink,
    policy: &MethodPolicy,
    caller: Option<(AccountId, String)>,
    peer: SocketAddr,
    error: &Error,
    request_id: &RequestId,
) {
    let code = status::code(error.kind());
    if !matches!(code, Code::Unauthenticated | Code::PermissionDenied) {
        return;
    }
    let (account, actor) = caller.unwrap_or_else(|| (sink.account_of_unknown_callers(), String::new()));
    let call = call(policy, account, actor, peer, request_id);
    sink.refuse(&call, failed(code, error.reason().as_str().to_owned())).await;
}

/// Code and reason of an error, as the record has them.
pub(in crate::grpc) fn failure_of(error: &Error) -> (Code, String) {
    (status::code(error.kind()), error.reason().as_str().to_owned())
}

/// How something ended that stands in the log like a call and did not come through the layers.
pub fn outcome_of<T>(ended: &Result<T>) -> AuditOutcome {
    let (code, reason) = ended.as_ref().err().map_or_else(|| (Code::Ok, String::new()), failure_of);
    failed(code, reason)
}

fn failure_in(headers: &HeaderMap) -> Option<(Code, String)> {
    let status = Status::from_header_map(headers)?;
    let code = status.code();
    (code != Code::Ok).then(|| (code, status::reason_of(&status).unwrap_or_default()))
}

fn call(
    policy: &MethodPolicy,
    account: AccountId,
    actor: String,
    peer: SocketAddr,
    request_id: &RequestId,
) -> AuditedCall {
    let method = policy.method.as_ref().to_owned();
    AuditedCall::new(account, actor, peer.ip().to_canonical().to_string(), method, request_id)
}

fn failed(code: Code, reason: String) -> AuditOutcome {
    let code = code_name(code).to_owned();
    AuditOutcome { code, reason, versions: Vec::new(), resources: Vec::new(), parameters: Vec::new() }
}

/// The code as gRPC writes it.
const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
