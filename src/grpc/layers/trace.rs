//! The span of a call, as a child of the caller's own span where the caller sends one (W3C `traceparent`).

use http::HeaderMap;
use opentelemetry::{
    propagation::{Extractor, TextMapPropagator},
    trace::TraceContextExt,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{grpc::options::MethodPolicy, model::RequestId};

/// Opens the span. `principal` is filled in when the caller is known.
pub(super) fn span(policy: &MethodPolicy, request_id: &RequestId, headers: &HeaderMap) -> Span {
    let method = policy.path.trim_start_matches('/');
    let span = tracing::info_span!(
        "call",
        otel.name = method,
        otel.kind = "server",
        rpc.system = "grpc",
        method,
        %request_id,
        principal = Empty,
    );
    if headers.contains_key("traceparent") {
        let parent = TraceContextPropagator::new().extract(&Headers(headers));
        if parent.span().span_context().is_valid() {
            // Without an exporter there is no trace to join, and that is no fault.
            let _ = span.set_parent(parent);
        }
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
