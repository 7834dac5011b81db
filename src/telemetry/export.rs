//! Traces and metrics to an OTLP collector.

use std::{error::Error as StdError, time::Duration};

use opentelemetry::global;
use opentelemetry_otlp::{
    MetricExporter, SpanExporter, WithExportConfig as _, WithTonicConfig as _, tonic_types::metadata::MetadataMap,
};
use opentelemetry_sdk::{
    Resource,
    metrics::{PeriodicReader, SdkMeterProvider},
    propagation::TraceContextPropagator,
    trace::SdkTracerProvider,
};
use secrecy::ExposeSecret as _;

use super::{SCOPE, chain::chain};
use crate::config::Telemetry;

/// Longest that one export, and the flush at the end, may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// What sends traces and metrics.
#[derive(Debug)]
pub(super) struct Exporters {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
}

impl Exporters {
    /// Starts the exporters where an endpoint is configured. It is dialled lazily, so a collector that is down does
    /// not keep the server from starting.
    pub(super) fn start(settings: &Telemetry) -> Result<Option<Self>, Box<dyn StdError + Send + Sync>> {
        // A caller's trace goes on through us even where we export nothing.
        global::set_text_map_propagator(TraceContextPropagator::new());
        let Some(endpoint) = &settings.otlp_endpoint else { return Ok(None) };
        let headers = headers(settings.otlp_headers.as_ref().map_or("", |headers| headers.expose_secret()))?;
        let resource = Resource::builder().with_service_name(SCOPE).build();

        let spans = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(EXPORT_TIMEOUT)
            .with_metadata(headers.clone())
            .build()?;
        let traces = SdkTracerProvider::builder().with_batch_exporter(spans).with_resource(resource.clone()).build();

        let values = MetricExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(EXPORT_TIMEOUT)
            .with_metadata(headers)
            .build()?;
        let reader = PeriodicReader::builder(values).with_interval(settings.metrics_interval).build();
        let metrics = SdkMeterProvider::builder().with_reader(reader).with_resource(resource).build();

        global::set_tracer_provider(traces.clone());
        global::set_meter_provider(metrics.clone());
        Ok(Some(Self { traces, metrics }))
    }

    pub(super) fn traces(&self) -> &SdkTracerProvider {
        &self.traces
    }

    pub(super) fn shutdown(self) {
        // At the same time: a collector that is away holds the end of the server up once, and not twice.
        let results = std::thread::scope(|scope| {
            let traces = scope.spawn(|| self.traces.shutdown_with_timeout(EXPORT_TIMEOUT));
            let metrics = self.metrics.shutdown_with_timeout(EXPORT_TIMEOUT);
            [traces.join().unwrap_or(Ok(())), metrics]
        });
        for error in results.iter().filter_map(|result| result.as_ref().err()) {
            tracing::warn!(error = %chain(error), "telemetry was not flushed");
        }
    }
}

/// Reads `name=value,name=value`. The error names neither, since a token may stand on the wrong side of the sign.
fn headers(text: &str) -> Result<MetadataMap, &'static str> {
    const ALLOWED: &str = "telemetry.otlp_headers: must be name=value with commas between them";
    let mut headers = http::HeaderMap::new();
    for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
        let (name, value) = pair.split_once('=').ok_or(ALLOWED)?;
        let name = http::HeaderName::try_from(name.trim().to_lowercase()).map_err(|_| ALLOWED)?;
        let mut value = http::HeaderValue::try_from(value.trim()).map_err(|_| ALLOWED)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(MetadataMap::from_headers(headers))
}

#[cfg(test)]
mod tests {
    use super::headers;

    #[test]
    fn headers_are_read_and_never_printed() {
        let map = headers("Authorization=Bearer a=b, x-tenant=7,").unwrap();
        assert_eq!(map.get("authorization").unwrap().to_str().unwrap(), "Bearer a=b");
        assert_eq!(map.get("x-tenant").unwrap().to_str().unwrap(), "7");
        assert!(!format!("{map:?}").contains("Bearer"));
        for bad in ["hunter2", "a b=c", "a=\u{1}"] {
            assert!(!headers(bad).unwrap_err().contains("hunter2"));
        }
    }
}
