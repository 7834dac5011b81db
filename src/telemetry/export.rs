//! Traces and metrics to an OTLP collector, and metrics to who fetches them.

use std::{error::Error as StdError, time::Duration};

use opentelemetry::global;
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig as _, WithTonicConfig as _,
    tonic_types::metadata::MetadataMap,
};
use opentelemetry_sdk::{
    Resource,
    metrics::{PeriodicReader, SdkMeterProvider},
    propagation::TraceContextPropagator,
    trace::SdkTracerProvider,
};
use secrecy::ExposeSecret as _;

use super::{SCOPE, chain::chain, exposition};
use crate::config::Telemetry;

/// Longest that one export, and the flush at the end, may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// What sends traces and metrics, and what is asked for metrics.
#[derive(Debug)]
pub(super) struct Exporters {
    /// Absent where there is no collector.
    traces: Option<SdkTracerProvider>,
    /// Absent where nobody gets any.
    metrics: Option<SdkMeterProvider>,
}

impl Exporters {
    /// Starts what an endpoint that is configured needs, and what those who fetch metrics need. The endpoint is dialled lazily, so
    /// a collector that is down does not keep the server from starting.
    pub(super) fn start(settings: &Telemetry, fetched: bool) -> Result<Self, Box<dyn StdError + Send + Sync>> {
        // A caller's trace goes on through us even where we export nothing.
        global::set_text_map_propagator(TraceContextPropagator::new());
        if settings.otlp_endpoint.is_none() && !fetched {
            return Ok(Self { traces: None, metrics: None });
        }
        let resource = Resource::builder().with_service_name(SCOPE).build();
        let mut metrics = SdkMeterProvider::builder().with_resource(resource.clone());
        if fetched {
            metrics = metrics.with_reader(exposition::reader()?);
        }
        let mut traces = None;
        if let Some(endpoint) = &settings.otlp_endpoint {
            let headers = headers(settings.otlp_headers.as_ref().map_or("", |headers| headers.expose_secret()))?;
            metrics = metrics.with_reader(sent_metrics(endpoint, headers.clone(), settings.metrics_interval)?);
            traces = Some(sent_traces(endpoint, headers, resource)?);
        }
        if let Some(traces) = &traces {
            global::set_tracer_provider(traces.clone());
        }
        let metrics = metrics.build();
        global::set_meter_provider(metrics.clone());
        Ok(Self { traces, metrics: Some(metrics) })
    }

    pub(super) fn traces(&self) -> Option<&SdkTracerProvider> {
        self.traces.as_ref()
    }

    pub(super) fn shutdown(self) {
        let Self { traces, metrics } = self;
        // At the same time: a collector that is away holds the end of the server up once, and not twice.
        let results = std::thread::scope(|scope| {
            let traces = traces.map(|traces| scope.spawn(move || traces.shutdown_with_timeout(EXPORT_TIMEOUT)));
            let metrics = metrics.map(|metrics| metrics.shutdown_with_timeout(EXPORT_TIMEOUT));
            [traces.map(|traces| traces.join().unwrap_or(Ok(()))), metrics]
        });
        for error in results.into_iter().flatten().filter_map(Result::err) {
            tracing::warn!(error = %chain(&error), "telemetry was not flushed");
        }
    }
}

fn sent_metrics(
    endpoint: &str,
    headers: MetadataMap,
    interval: Duration,
) -> Result<PeriodicReader<MetricExporter>, ExporterBuildError> {
    let exporter = MetricExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(EXPORT_TIMEOUT)
        .with_metadata(headers)
        .build()?;
    Ok(PeriodicReader::builder(exporter).with_interval(interval).build())
}

fn sent_traces(
    endpoint: &str,
    headers: MetadataMap,
    resource: Resource,
) -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(EXPORT_TIMEOUT)
        .with_metadata(headers)
        .build()?;
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
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
