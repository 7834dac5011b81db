//! What the server tells of itself to OpenTelemetry, beside its calls: its pools and its operations.
//!
//! Most instruments are read by an exporter when it exports; the times of the pools are told as they happen, to instruments
//! that do nothing without an exporter.

use std::{sync::Arc, time::Duration};

use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, Histogram, Meter},
};

use crate::{engine::session_pool::PoolObserver, operation::Operations, pool::Pools, telemetry::SCOPE};

/// Bounds of the histograms: from a session that lies ready to the longest wait that a pool can be given.
const SECONDS: [f64; 14] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0];

/// Registers the instruments. Names and units are OpenTelemetry's own for pools of database clients.
pub(super) fn register(pools: &Pools, operations: &Operations) {
    let meter = global::meter(SCOPE);
    let registry = pools.clone();
    let _count = meter
        .u64_observable_gauge("db.client.connection.count")
        .with_unit("{connection}")
        .with_description("Open connections of pools to databases, by state.")
        .with_callback(move |observer| {
            for (pool, figures) in registry.all_figures() {
                let state =
                    |state: &'static str| [pool_name(&pool), KeyValue::new("db.client.connection.state", state)];
                observer.observe(figures.idle.into(), &state("idle"));
                observer.observe(figures.size.saturating_sub(figures.idle).into(), &state("used"));
            }
        })
        .build();
    let registry = pools.clone();
    let _max = meter
        .u64_observable_gauge("db.client.connection.max")
        .with_unit("{connection}")
        .with_description("Most connections that pools may open.")
        .with_callback(move |observer| {
            for (pool, figures) in registry.all_figures() {
                observer.observe(figures.max_connections.into(), &[pool_name(&pool)]);
            }
        })
        .build();
    let registry = pools.clone();
    let _pending = meter
        .u64_observable_gauge("db.client.connection.pending_requests")
        .with_unit("{request}")
        .with_description("Callers that wait for a connection of a pool.")
        .with_callback(move |observer| {
            for (pool, figures) in registry.all_figures() {
                observer.observe(figures.waiting.into(), &[pool_name(&pool)]);
            }
        })
        .build();
    let registry = pools.clone();
    let _idle_max = meter
        .u64_observable_gauge("db.client.connection.idle.max")
        .with_unit("{connection}")
        .with_description("Most connections that pools keep open without use: all of them, until their idle time-out.")
        .with_callback(move |observer| {
            for (pool, figures) in registry.all_figures() {
                observer.observe(figures.max_connections.into(), &[pool_name(&pool)]);
            }
        })
        .build();
    let registry = pools.clone();
    let _idle_min = meter
        .u64_observable_gauge("db.client.connection.idle.min")
        .with_unit("{connection}")
        .with_description("Connections that pools keep open.")
        .with_callback(move |observer| {
            for (pool, figures) in registry.all_figures() {
                observer.observe(figures.min_idle.into(), &[pool_name(&pool)]);
            }
        })
        .build();
    pools.observe(Arc::new(PoolInstruments::new(&meter)));
    let operations = operations.clone();
    let _open = meter
        .u64_observable_gauge("dbkeeper.operations.open")
        .with_unit("{operation}")
        .with_description("Operations that are queued or running.")
        .with_callback(move |observer| observer.observe(operations.open_count(), &[]))
        .build();
}

/// What is told when it happens and not when it is read.
struct PoolInstruments {
    timeouts: Counter<u64>,
    create_time: Histogram<f64>,
    wait_time: Histogram<f64>,
    use_time: Histogram<f64>,
}

impl PoolInstruments {
    fn new(meter: &Meter) -> Self {
        let histogram = |name, description| {
            meter
                .f64_histogram(name)
                .with_unit("s")
                .with_description(description)
                .with_boundaries(SECONDS.to_vec())
                .build()
        };
        Self {
            timeouts: meter
                .u64_counter("db.client.connection.timeouts")
                .with_unit("{timeout}")
                .with_description("Waits for a connection of a pool that ended without one.")
                .build(),
            create_time: histogram("db.client.connection.create_time", "Time that opening a connection took."),
            wait_time: histogram("db.client.connection.wait_time", "Time until a caller had a connection of a pool."),
            use_time: histogram("db.client.connection.use_time", "Time from getting a connection to giving it back."),
        }
    }
}

impl PoolObserver for PoolInstruments {
    fn created(&self, pool: &str, took: Duration) {
        self.create_time.record(took.as_secs_f64(), &[pool_name(pool)]);
    }

    fn waited(&self, pool: &str, took: Duration) {
        self.wait_time.record(took.as_secs_f64(), &[pool_name(pool)]);
    }

    fn used(&self, pool: &str, took: Duration) {
        self.use_time.record(took.as_secs_f64(), &[pool_name(pool)]);
    }

    fn timed_out(&self, pool: &str) {
        self.timeouts.add(1, &[pool_name(pool)]);
    }
}

fn pool_name(name: &str) -> KeyValue {
    KeyValue::new("db.client.connection.pool.name", name.to_owned())
}
