//! How long calls take, for OpenTelemetry. Without an exporter the instrument does nothing.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use opentelemetry::{KeyValue, global, metrics::Histogram};
use tonic::Code;

use crate::grpc::options::MethodPolicy;

/// Made at the first call, when telemetry has been started.
static DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    global::meter("dbkeeper")
        .f64_histogram("rpc.server.call.duration")
        .with_unit("s")
        .with_description("Time from the headers of a call to the end of its answer, streams included.")
        .build()
});

/// Records the end of a call.
pub(super) fn call_ended(policy: &MethodPolicy, code: Code, elapsed: Duration) {
    let method = KeyValue::new("rpc.method", Arc::clone(&policy.method));
    let code = KeyValue::new("rpc.grpc.status_code", i64::from(i32::from(code)));
    DURATION.record(elapsed.as_secs_f64(), &[KeyValue::new("rpc.system", "grpc"), method, code]);
}
