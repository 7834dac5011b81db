//! The body of an answer, watched to its end: only there is known how a stream ended, and a body that is
//! dropped before its end means that the caller is gone.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};
use tonic::{Code, Status, body::Body};
use tracing::Span;

use super::{metrics, shutting_down};
use crate::{
    grpc::{options::MethodPolicy, status},
    model::{CallContext, RequestId},
};

/// What happens once when a call is over, however it ended: its work is cancelled, its slot is free, its
/// line is in the log.
pub(super) struct CallEnd {
    started: Instant,
    policy: Arc<MethodPolicy>,
    outcome: Option<Code>,
    span: Span,
    _cancel: DropGuard,
    slot: Arc<OwnedSemaphorePermit>,
}

impl CallEnd {
    pub(super) fn new(
        started: Instant,
        policy: Arc<MethodPolicy>,
        context: &CallContext,
        slot: OwnedSemaphorePermit,
        span: Span,
    ) -> Self {
        let cancel = context.cancellation.clone().drop_guard();
        Self { started, policy, outcome: None, span, _cancel: cancel, slot: Arc::new(slot) }
    }

    /// The slot of the call, for what goes on after it.
    pub(super) fn slot(&self) -> Arc<OwnedSemaphorePermit> {
        Arc::clone(&self.slot)
    }
}

impl Drop for CallEnd {
    fn drop(&mut self) {
        let code = self.outcome.unwrap_or(Code::Cancelled);
        let elapsed = self.started.elapsed();
        metrics::call_ended(&self.policy, code, elapsed);
        let elapsed_ms = elapsed.as_secs_f64() * 1000.0;
        // Reads are many and tell little; failures have a line of their own with the reason.
        let audited = self.policy.audited;
        self.span.in_scope(|| {
            if audited {
                tracing::info!(?code, elapsed_ms, "call ended");
            } else {
                tracing::debug!(?code, elapsed_ms, "call ended");
            }
        });
    }
}

pin_project! {
    /// The body of an answer of ours.
    pub(super) struct CallBody {
        #[pin]
        inner: Body,
        end: CallEnd,
    }
}

impl CallBody {
    /// `outcome` is the code in the headers, where they have one already; else trailers will follow.
    pub(super) fn new(inner: Body, mut end: CallEnd, outcome: Code) -> Self {
        end.outcome = (outcome != Code::Ok).then_some(outcome);
        Self { inner, end }
    }
}

impl http_body::Body for CallBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(status) = frame.trailers_ref().and_then(|trailers| trailers.get(Status::GRPC_STATUS))
        {
            this.end.outcome = Some(status::code_of(status));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

pin_project! {
    /// The body of a service that knows nothing of our end, such as a health watch: it ends when the server stops.
    pub(super) struct UntilStopped {
        #[pin]
        inner: Body,
        #[pin]
        stopped: WaitForCancellationFutureOwned,
        ended: bool,
    }
}

impl UntilStopped {
    pub(super) fn new(inner: Body, stopping: CancellationToken) -> Self {
        Self { inner, stopped: stopping.cancelled_owned(), ended: false }
    }
}

impl http_body::Body for UntilStopped {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = this.inner.poll_frame(context) {
            return Poll::Ready(frame);
        }
        ready!(this.stopped.poll(context));
        *this.ended = true;
        let mut trailers = HeaderMap::new();
        let status = status::from_error(&shutting_down(), &RequestId::generate());
        Poll::Ready(Some(status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
