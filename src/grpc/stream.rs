//! The wrapper around the lines of a server stream's handler.
//!
//! The handler sends messages into a bounded channel from a task of its own. So its deadline holds and its
//! work ends even while the client does not read, and a slow client costs [`BUFFERED_MESSAGES`] messages and
//! no more. The stream ends with the handler, with DEADLINE_EXCEEDED, or with SHUTTING_DOWN.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{FutureExt, Stream};
use prost::Message;
use tokio::sync::{mpsc, oneshot};
use tonic::{Request, Response, Status};
use tracing::{Instrument, Span};

use super::{
    call::ActiveCall,
    layers::{audit::failure_of, credentials_ended, deadline_exceeded, deadline_passed, panicked, shutting_down},
    status,
};
use crate::model::{CallContext, Error, Result};

/// Messages that wait for a client that reads slower than they are made.
pub const BUFFERED_MESSAGES: usize = 16;

/// Where the handler of a stream puts its messages.
pub struct StreamSender<T> {
    messages: mpsc::Sender<T>,
    sequence: u64,
}

impl<T> StreamSender<T> {
    /// Sends a message as soon as there is room. CANCELLED when the client is gone.
    pub async fn send(&mut self, message: T) -> Result<()> {
        self.messages.send(message).await.map_err(|_| Error::cancelled())
    }

    /// Sends the message that is made from the next sequence number; the first is 1.
    pub async fn send_numbered(&mut self, message: impl FnOnce(u64) -> T) -> Result<()> {
        self.sequence += 1;
        self.send(message(self.sequence)).await
    }
}

/// The messages of a stream, and then the status that ends it.
pub struct MessageStream<T> {
    messages: mpsc::Receiver<T>,
    failure: Option<oneshot::Receiver<Status>>,
}

impl<T> Stream for MessageStream<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(message) = ready!(self.messages.poll_recv(context)) {
            return Poll::Ready(Some(Ok(message)));
        }
        let Some(failure) = &mut self.failure else { return Poll::Ready(None) };
        let failure = ready!(failure.poll_unpin(context));
        self.failure = None;
        // A handler that ended well leaves no status behind.
        Poll::Ready(failure.ok().map(Err))
    }
}

/// Runs the handler of a server stream.
pub fn server_stream<M, T, F>(
    request: Request<M>,
    handler: impl FnOnce(CallContext, M, StreamSender<T>) -> F,
) -> Result<Response<MessageStream<T>>, Status>
where
    M: Message,
    F: Future<Output = Result<()>> + Send + 'static,
    T: Send + 'static,
{
    let (call, message) = ActiveCall::take(request)?;
    let (sender, messages) = mpsc::channel(BUFFERED_MESSAGES);
    let (fail, failure) = oneshot::channel();
    let intent = call.audit.clone().map(|audit| (audit.stream_begins(&message), audit));
    let work = handler(call.context.clone(), message, StreamSender { messages: sender, sequence: 0 });
    let work = async {
        // The handler does nothing until it is polled.
        if let Some((fields, audit)) = intent {
            audit.write_intent(fields).await?;
        }
        work.await
    };
    let streams = call.streams.clone();
    let task = async move {
        let ended = run(work, &call).await;
        if let Some(audit) = &call.audit {
            audit.end(ended.as_ref().err().map(failure_of)).await;
        }
        if let Err(error) = ended {
            // Nobody is there to tell when the client is gone.
            let _ = fail.send(status::from_error(&error, &call.context.request_id));
        }
        call.context.cancellation.cancel();
    };
    streams.spawn(task.instrument(Span::current()));
    Ok(Response::new(MessageStream { messages, failure: Some(failure) }))
}

async fn run(work: impl Future<Output = Result<()>>, call: &ActiveCall) -> Result<()> {
    tokio::select! {
        biased;
        ended = AssertUnwindSafe(work).catch_unwind() => ended.unwrap_or_else(|panic| Err(panicked(panic.as_ref()))),
        () = call.context.cancellation.cancelled() => Err(Error::cancelled()),
        () = deadline_passed(call.context.deadline) => Err(deadline_exceeded()),
        () = call.context.caller.credentials_ended() => Err(credentials_ended()),
        () = call.stopping.cancelled() => Err(shutting_down()),
    }
}
