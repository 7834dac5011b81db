//! The figures of our own pool as series, under the names of OpenTelemetry.

use crate::model::{
    connection::PoolFigures,
    metric::{MetricKind, Point},
};

/// The series of a pool. Its counters begin with the pool, and so does the memory of the sampler.
pub(super) fn points(figures: &PoolFigures) -> [Point; 6] {
    let used = figures.size.saturating_sub(figures.idle);
    [
        count("idle", figures.idle),
        count("used", used),
        gauge("db.client.connection.max", "{connection}", figures.max_connections),
        gauge("db.client.connection.pending_requests", "{request}", figures.waiting),
        counter("db.client.connection.timeouts", "{timeout}", figures.timed_out as f64),
        counter("db.client.connection.wait_time", "s", figures.wait_time.as_secs_f64()),
    ]
}

fn count(state: &str, connections: u32) -> Point {
    let attributes = vec![("state", state.to_owned())];
    Point { attributes, ..gauge("db.client.connection.count", "{connection}", connections) }
}

fn gauge(name: &'static str, unit: &'static str, value: u32) -> Point {
    Point { name, unit, kind: MetricKind::Gauge, attributes: Vec::new(), value: f64::from(value), epoch: None }
}

fn counter(name: &'static str, unit: &'static str, value: f64) -> Point {
    Point { name, unit, kind: MetricKind::Counter, attributes: Vec::new(), value, epoch: None }
}
