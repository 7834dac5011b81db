//! How long calls take, for OpenTelemetry. Without an exporter the instrument does nothing.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use opentelemetry::{KeyValue, global, metrics::Histogram};
use tonic::Code;

use crate::grpc::options::MethodPolicy;

/// Bounds of the histogram: from an answer out of memory to a call that waits; streams last longer.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// Made at the first call, when telemetry has been started.
static DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    global::meter("dbkeeper")
        .f64_histogram("rpc.server.call.duration")
        .with_unit("s")
        .with_description("Time from the headers of a call to the end of its answer, streams included.")
        .with_boundaries(SECONDS.to_vec())
        .build()
});

/// Records the end of a call.
pub(super) fn call_ended(policy: &MethodPolicy, code: Code, elapsed: Duration) {
    let method = KeyValue::new("rpc.method", Arc::clone(&policy.method));
    let code = KeyValue::new("rpc.grpc.status_code", i64::from(i32::from(code)));
    DURATION.record(elapsed.as_secs_f64(), &[KeyValue::new("rpc.system", "grpc"), method, code]);
}
