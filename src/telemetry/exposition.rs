//! The metrics as Prometheus fetches them: of the same instruments that go to a collector, in the text format.
//!
//! Whoever fetches them says nowhere who they are. So only labels of the list here are told, and what differs in other labels, such as
//! the name of a database's pool, is told as one sum.

use std::collections::BTreeMap;

use opentelemetry_prometheus::PrometheusExporter;
use opentelemetry_sdk::error::OTelSdkError;
use prometheus::{
    TextEncoder,
    proto::{Bucket, Counter, Gauge, Histogram, Metric, MetricFamily, MetricType},
};

/// Labels that are told. Each has few values, and none is of an account.
const LABELS: [&str; 4] = ["db_client_connection_state", "rpc_grpc_status_code", "rpc_method", "rpc_system"];
/// The family that tells of the process what OpenTelemetry calls its resource: our name and version, and what the operator
/// has set in `OTEL_RESOURCE_ATTRIBUTES`.
const TARGET: &str = "target_info";

/// What collects the metrics when somebody asks, to be made part of the meter provider. One a process, as the meters are.
pub(super) fn reader() -> Result<PrometheusExporter, OTelSdkError> {
    let registry = prometheus::default_registry().clone();
    opentelemetry_prometheus::exporter().with_registry(registry).scope_info_enabled(false).build()
}

/// All metrics of the process in the text format of Prometheus. Nothing where telemetry was not started for it.
pub fn exposition() -> Result<String, prometheus::Error> {
    let families: Vec<MetricFamily> = prometheus::gather().into_iter().map(told).collect();
    TextEncoder::new().encode_to_string(&families)
}

/// A family without the labels that are not told.
fn told(mut family: MetricFamily) -> MetricFamily {
    if family.name() == TARGET {
        return family;
    }
    let kind = family.get_field_type();
    let mut sums: BTreeMap<Vec<(String, String)>, Metric> = BTreeMap::new();
    for mut metric in family.take_metric() {
        let mut labels = metric.take_label();
        labels.retain(|label| LABELS.contains(&label.name()));
        let key = labels.iter().map(|label| (label.name().to_owned(), label.value().to_owned())).collect();
        metric.set_label(labels);
        match sums.get_mut(&key) {
            Some(sum) => add(sum, &metric, kind),
            None => {
                sums.insert(key, metric);
            }
        }
    }
    family.set_metric(sums.into_values().collect());
    family
}

/// Adds a metric to another of its family.
fn add(sum: &mut Metric, metric: &Metric, kind: MetricType) {
    match kind {
        MetricType::COUNTER => {
            let mut counter = Counter::default();
            counter.set_value(sum.get_counter().get_value() + metric.get_counter().get_value());
            sum.set_counter(counter);
        }
        MetricType::GAUGE => {
            let mut gauge = Gauge::default();
            gauge.set_value(sum.get_gauge().get_value() + metric.get_gauge().get_value());
            sum.set_gauge(gauge);
        }
        MetricType::HISTOGRAM => {
            let histogram = both(sum.get_histogram(), metric.get_histogram());
            sum.set_histogram(histogram);
        }
        // OpenTelemetry has no instrument that would become one of these.
        MetricType::SUMMARY | MetricType::UNTYPED => {}
    }
}

/// Two histograms of one instrument, and so with the same bounds.
fn both(one: &Histogram, other: &Histogram) -> Histogram {
    let bucket = |(a, b): (&Bucket, &Bucket)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(a.upper_bound());
        bucket.set_cumulative_count(a.cumulative_count() + b.cumulative_count());
        bucket
    };
    let mut histogram = Histogram::default();
    histogram.set_sample_count(one.get_sample_count() + other.get_sample_count());
    histogram.set_sample_sum(one.get_sample_sum() + other.get_sample_sum());
    histogram.set_bucket(one.get_bucket().iter().zip(other.get_bucket()).map(bucket).collect());
    histogram
}

#[cfg(test)]
mod tests {
    use prometheus::proto::LabelPair;

    use super::{Bucket, Counter, Gauge, Histogram, Metric, MetricFamily, MetricType, TARGET, TextEncoder, told};

    fn metric(labels: &[(&str, &str)]) -> Metric {
        let pair = |(name, value): &(&str, &str)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        };
        let mut metric = Metric::default();
        metric.set_label(labels.iter().map(pair).collect());
        metric
    }

    fn family(name: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help("Of a test.".to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        family
    }

    fn text(family: MetricFamily) -> Vec<String> {
        let text = TextEncoder::new().encode_to_string(&[told(family)]).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn what_differs_in_a_name_is_one_sum() {
        let counted = |pool, method, value| {
            let mut counter = Counter::default();
            counter.set_value(value);
            let mut metric = metric(&[("pool", pool), ("rpc_method", method)]);
            metric.set_counter(counter);
            metric
        };
        let metrics = vec![counted("a", "x", 1.0), counted("b", "x", 2.0), counted("b", "y", 4.0)];
        let told = text(family("calls_total", MetricType::COUNTER, metrics));
        assert_eq!(told, ["calls_total{rpc_method=\"x\"} 3", "calls_total{rpc_method=\"y\"} 4"]);

        let measured = |pool, value| {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            let mut metric = metric(&[("pool", pool)]);
            metric.set_gauge(gauge);
            metric
        };
        let told = text(family("open", MetricType::GAUGE, vec![measured("a", 5.0), measured("b", 7.0)]));
        assert_eq!(told, ["open 12"]);

        let spread = |pool, buckets: [u64; 2], count, sum| {
            let bucket = |(bound, count)| {
                let mut bucket = Bucket::default();
                bucket.set_upper_bound(bound);
                bucket.set_cumulative_count(count);
                bucket
            };
            let mut histogram = Histogram::default();
            histogram.set_bucket([0.5, 1.0].into_iter().zip(buckets).map(bucket).collect());
            histogram.set_sample_count(count);
            histogram.set_sample_sum(sum);
            let mut metric = metric(&[("pool", pool)]);
            metric.set_histogram(histogram);
            metric
        };
        let metrics = vec![spread("a", [1, 2], 4, 10.0), spread("b", [10, 20], 40, 0.5)];
        let told = text(family("wait", MetricType::HISTOGRAM, metrics));
        let bucket = |bound: &str, count| format!("wait_bucket{{le=\"{bound}\"}} {count}");
        let expected = [bucket("0.5", 11), bucket("1", 22), bucket("+Inf", 44)];
        assert_eq!(told[..3], expected);
        assert_eq!(told[3..], ["wait_sum 10.5", "wait_count 44"]);
    }

    #[test]
    fn what_the_operator_says_of_the_process_stays() {
        let target = family(TARGET, MetricType::GAUGE, vec![metric(&[("deployment_environment", "a\"b\n")])]);
        assert_eq!(text(target), ["target_info{deployment_environment=\"a\\\"b\\n\"} 0"]);
    }
}
