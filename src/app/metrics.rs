//! What the server tells of itself to OpenTelemetry, beside its calls: its pools and its operations.
//!
//! The instruments are read by the exporter when it exports, so that they cost nothing without one.

use opentelemetry::{KeyValue, global};

use crate::{operation::Operations, pool::Pools, telemetry::SCOPE};

/// Registers the instruments. Names and units are OpenTelemetry's own for pools of database clients.
pub(super) fn register(pools: &Pools, operations: &Operations) {
    let meter = global::meter(SCOPE);
    let registry = pools.clone();
    let _count = meter
        .u64_observable_gauge("db.client.connection.count")
        .with_unit("{connection}")
        .with_description("Connections of a pool, by state.")
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
        .with_description("Most connections that a pool may open.")
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
    let _timeouts = meter
        .u64_observable_counter("db.client.connection.timeouts")
        .with_unit("{timeout}")
        .with_description("Waits for a connection of a pool that ended without one.")
        .with_callback(move |observer| {
            for (pool, figures) in registry.all_figures() {
                observer.observe(figures.timed_out, &[pool_name(&pool)]);
            }
        })
        .build();
    let operations = operations.clone();
    let _open = meter
        .u64_observable_gauge("dbkeeper.operations.open")
        .with_unit("{operation}")
        .with_description("Operations that are queued or running.")
        .with_callback(move |observer| observer.observe(operations.open_count(), &[]))
        .build();
}

fn pool_name(name: &str) -> KeyValue {
    KeyValue::new("db.client.connection.pool.name", name.to_owned())
}
