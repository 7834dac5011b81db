//! The span of a call, as a child of the caller's own span where the caller sends one (W3C `traceparent`).

use http::HeaderMap;
use opentelemetry::{
    propagation::{Extractor, TextMapPropagator},
    trace::{TraceContextExt, TraceId},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{grpc::options::MethodPolicy, model::RequestId};

/// Opens the span. The log lines of the call carry its fields, the id of the trace among them where there is one. It is opened
/// when the caller is known, for a field that is added later makes the log format all of them again, and what only a collector
/// reads stands in it only where there is one.
pub(super) fn span(
    exported: bool,
    policy: &MethodPolicy,
    request_id: &RequestId,
    principal: Option<&str>,
    headers: &HeaderMap,
) -> Span {
    let (method, request_id) = (&*policy.method, request_id.as_str());
    let span = if exported {
        tracing::info_span!(
            "call",
            otel.name = method,
            otel.kind = "server",
            rpc.system = "grpc",
            method,
            request_id,
            principal,
            trace_id = Empty,
        )
    } else {
        tracing::info_span!("call", method, request_id, principal, trace_id = Empty)
    };
    let mut trace_id = TraceId::INVALID;
    if headers.contains_key("traceparent") {
        let parent = TraceContextPropagator::new().extract(&Headers(headers));
        if parent.span().span_context().is_valid() {
            trace_id = parent.span().span_context().trace_id();
            // Without an exporter there is no trace to join, and that is no fault.
            let _ = span.set_parent(parent);
        }
    }
    if exported && trace_id == TraceId::INVALID {
        // Where traces are exported, a call without a parent begins a trace of its own.
        trace_id = span.context().span().span_context().trace_id();
    }
    if trace_id != TraceId::INVALID {
        span.record("trace_id", tracing::field::display(trace_id));
    }
    span
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
