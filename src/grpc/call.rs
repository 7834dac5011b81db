//! The wrapper around the lines of a unary handler:
//!
//! ```text
//! async fn get_operation(&self, request: Request<v1::GetOperationRequest>) -> Result<Response<v1::Operation>, Status> {
//!     unary(request, async |context, message| {
//!         let id = name::parse_operation(&message.name, "name")?;
//!         Ok(convert::operation::operation(self.operations.get(&context, &id).await?))
//!     })
//!     .await
//! }
//! ```
//!
//! Who calls, the permission, the deadline and the log line were seen to in [`super::layers`]; what the handler
//! gets is the [`CallContext`] and the message, and it answers with a [`crate::model::Error`] or a response.

use std::{future::Future, net::IpAddr};

use prost::Message;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status, metadata::MetadataMap};

use super::{
    layers::{self, audit::CallAudit},
    status,
};
use crate::model::{CallContext, Error, RequestId, Result, context::Caller, on_record::OnRecord, removal::Removed};

/// Most resources that the answer to a deletion names.
const MAX_TOLD: usize = 100;

/// A call that was let in, as it travels in the extensions of its request.
#[derive(Clone)]
pub(super) struct ActiveCall {
    pub(super) context: CallContext,
    pub(super) stopping: CancellationToken,
    pub(super) streams: TaskTracker,
    pub(super) peer: IpAddr,
    /// Where the call leaves a record.
    pub(super) audit: Option<CallAudit>,
}

impl ActiveCall {
    /// Takes the call and the message out of a request.
    pub(super) fn take<M>(request: Request<M>) -> Result<(Self, M), Status> {
        let (_, mut extensions, message) = request.into_parts();
        match extensions.remove::<Self>() {
            Some(call) => Ok((call, message)),
            None => {
                let error = Error::internal("a handler was reached around the layers");
                Err(status::from_error(&error, &RequestId::generate()))
            }
        }
    }
}

/// The address that a call comes from; absent where it came around the layers.
pub(super) fn peer<M>(request: &Request<M>) -> Option<IpAddr> {
    request.extensions().get::<ActiveCall>().map(|call| call.peer)
}

/// Runs a unary handler. One of an audited method comes to its end even where its caller leaves meanwhile.
pub async fn unary<M, T, F>(
    request: Request<M>,
    handler: impl FnOnce(CallContext, M) -> F,
) -> Result<Response<T>, Status>
where
    M: Message,
    T: Message,
    F: Future<Output = Result<T>>,
{
    let (call, message) = ActiveCall::take(request)?;
    let request_id = call.context.request_id.clone();
    let answer = recorded(call.audit.as_ref(), call.context, message, handler).await;
    answer.map(Response::new).map_err(|error| status::from_error(&error, &request_id))
}

/// Runs a unary handler that deletes a resource. The names of what it removes with it stand in the record, however the
/// call ends, and in the metadata of the answer.
pub async fn deletion<M, F>(
    request: Request<M>,
    handler: impl FnOnce(CallContext, M, Removed) -> F,
) -> Result<Response<()>, Status>
where
    M: Message,
    F: Future<Output = Result<()>>,
{
    let removed = Removed::default();
    let audit = request.extensions().get::<ActiveCall>().and_then(|call| call.audit.clone());
    if let Some(audit) = audit {
        audit.removes(&removed).await;
    }
    let mut answer = unary(request, |context, message| handler(context, message, removed.clone())).await?;
    tell_removed(answer.metadata_mut(), &removed.names());
    Ok(answer)
}

fn tell_removed(metadata: &mut MetadataMap, removed: &[String]) {
    if !removed.is_empty() {
        metadata.insert("dbkeeper-removed-count", removed.len().into());
    }
    for name in removed.iter().take(MAX_TOLD) {
        // Names of ours are made of letters, digits and dashes.
        if let Ok(value) = name.parse() {
            metadata.append("dbkeeper-removed", value);
        }
    }
}

/// Runs the handler between the two halves of its record, where it leaves one: the intent here, the outcome in the
/// layers, which know of every end.
async fn recorded<M, T, F>(
    audit: Option<&CallAudit>,
    context: CallContext,
    message: M,
    handler: impl FnOnce(CallContext, M) -> F,
) -> Result<T>
where
    M: Message,
    T: Message,
    F: Future<Output = Result<T>>,
{
    let Some(audit) = audit else { return handler(context, message).await };
    audit.begin(&message).await?;
    let answer = handler(context, message).await?;
    audit.answered(&answer).await;
    Ok(answer)
}

/// Runs the handler while the intent is written. An answer is only given where it was written.
async fn recorded_beside<M, T, F>(
    audit: Option<&CallAudit>,
    context: CallContext,
    message: M,
    handler: impl FnOnce(CallContext, M, OnRecord) -> F,
) -> Result<T>
where
    M: Message,
    T: Message,
    F: Future<Output = Result<T>>,
{
    let Some(audit) = audit else { return handler(context, message, OnRecord::already()).await };
    let (durable, on_record) = OnRecord::soon();
    let fields = audit.fields(&message);
    let begin = async {
        // Moved in, so that it is dropped where the intent is not written.
        let durable = durable;
        audit.write_intent(fields).await?;
        durable.send_replace(true);
        Ok(())
    };
    let (begun, answer) = tokio::join!(begin, handler(context, message, on_record));
    let answer = begun.and(answer)?;
    audit.answered(&answer).await;
    Ok(answer)
}

/// Runs a unary handler that waits for something to happen and changes nothing, such as one that waits for the end of an
/// operation. It ends with SHUTTING_DOWN when the server stops, where an ordinary call is finished first, and when its
/// caller leaves or its deadline passes.
pub async fn long_poll<M, T, F>(
    request: Request<M>,
    handler: impl FnOnce(CallContext, M) -> F,
) -> Result<Response<T>, Status>
where
    M: Message,
    T: Message,
    F: Future<Output = Result<T>>,
{
    let (call, message) = ActiveCall::take(request)?;
    let end = EarlyEnd::of(&call);
    end.or(recorded(call.audit.as_ref(), call.context, message, handler)).await
}

/// Runs a unary handler that tries a database: a long poll that begins while its record is being written, so that the dial does not
/// wait for the disk. The handler is told when it is on record, and shows nothing of what it was given to anybody before.
pub async fn trial<M, T, F>(
    request: Request<M>,
    handler: impl FnOnce(CallContext, M, OnRecord) -> F,
) -> Result<Response<T>, Status>
where
    M: Message,
    T: Message,
    F: Future<Output = Result<T>>,
{
    let (call, message) = ActiveCall::take(request)?;
    let end = EarlyEnd::of(&call);
    end.or(recorded_beside(call.audit.as_ref(), call.context, message, handler)).await
}

/// What ends a long poll before its work does.
struct EarlyEnd {
    request_id: RequestId,
    caller: Caller,
    stopping: CancellationToken,
    gone: CancellationToken,
}

impl EarlyEnd {
    fn of(call: &ActiveCall) -> Self {
        let context = &call.context;
        let (request_id, caller) = (context.request_id.clone(), context.caller.clone());
        Self { request_id, caller, stopping: call.stopping.clone(), gone: context.cancellation.clone() }
    }

    /// The answer, or why there will be none.
    async fn or<T>(self, answer: impl Future<Output = Result<T>>) -> Result<Response<T>, Status> {
        let answer = tokio::select! {
            biased;
            answer = answer => answer,
            () = self.caller.credentials_ended() => Err(layers::credentials_ended()),
            () = self.stopping.cancelled() => Err(layers::shutting_down()),
            () = self.gone.cancelled() => Err(Error::cancelled()),
        };
        answer.map(Response::new).map_err(|error| status::from_error(&error, &self.request_id))
    }
}
