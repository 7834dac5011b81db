//! Health, metrics and sessions.

use super::{
    connection_status::failure,
    skipped,
    time::{duration, timestamp},
};
use crate::{
    grpc::proto::v1,
    model::{
        ConnectionId,
        metric::{Metric, MetricKind, Sample},
        name,
        page::Page,
        session::Session,
    },
    service::monitor::{DatabaseHealth, HealthFinding, MetricEvent, NumberedEvent},
};

/// How a database is now.
pub fn health(health: DatabaseHealth) -> v1::DatabaseHealth {
    let connection = name::connection(&health.connection);
    let check_time = Some(timestamp(health.checked));
    match health.finding {
        HealthFinding::Answered { response_time, server_version, vitals } => v1::DatabaseHealth {
            connection,
            check_time,
            status: if vitals.findings.is_empty() { v1::HealthStatus::Healthy } else { v1::HealthStatus::Degraded }
                .into(),
            response_time: Some(duration(response_time)),
            uptime: vitals.uptime.map(duration),
            server_version,
            in_recovery: vitals.in_recovery,
            sessions: vitals.sessions,
            max_sessions: vitals.max_sessions,
            findings: vitals.findings,
            error: None,
        },
        HealthFinding::Unhealthy(error) => v1::DatabaseHealth {
            connection,
            check_time,
            status: v1::HealthStatus::Unhealthy.into(),
            error: Some(failure(error)),
            ..Default::default()
        },
    }
}

/// The metrics of one moment.
pub fn sample(id: &ConnectionId, sample: Sample) -> v1::MetricSample {
    v1::MetricSample {
        connection: name::connection(id),
        sample_time: Some(timestamp(sample.taken)),
        duration: Some(duration(sample.duration)),
        metrics: sample.metrics.into_iter().map(metric).collect(),
        skipped: sample.skipped.into_iter().map(skipped).collect(),
    }
}

/// An event of a stream of metrics.
pub fn event(id: &ConnectionId, numbered: NumberedEvent) -> v1::StreamMetricsResponse {
    use v1::stream_metrics_response::Event;
    let event = match numbered.event {
        MetricEvent::Sample(taken) => Event::Sample(sample(id, taken)),
        MetricEvent::Gap { missed } => Event::Gap(v1::Gap { missed }),
        MetricEvent::Failure(failed) => Event::Failure(v1::SampleFailure {
            time: Some(timestamp(failed.time)),
            error: Some(failure(failed.failure)),
        }),
    };
    v1::StreamMetricsResponse { sequence: numbered.sequence, event: Some(event) }
}

fn metric(metric: Metric) -> v1::Metric {
    let kind = match metric.point.kind {
        MetricKind::Gauge => v1::MetricKind::Gauge,
        MetricKind::Counter => v1::MetricKind::Counter,
    };
    let attributes = metric.point.attributes.into_iter().map(|(key, value)| (key.to_owned(), value));
    v1::Metric {
        name: metric.point.name.to_owned(),
        unit: metric.point.unit.to_owned(),
        kind: kind.into(),
        attributes: attributes.collect(),
        value: metric.point.value,
        rate: metric.rate,
        reset: metric.reset,
    }
}

/// A page of sessions.
pub fn sessions(page: Page<Session>, next_page_token: String) -> v1::ListSessionsResponse {
    v1::ListSessionsResponse { sessions: page.items.into_iter().map(session).collect(), next_page_token }
}

fn session(session: Session) -> v1::Session {
    v1::Session {
        id: session.id,
        start_time: session.started.map(timestamp),
        username: session.username,
        database: session.database,
        application: session.application,
        client_address: session.client_address,
        state: session.state,
        wait: session.wait,
        statement_start_time: session.statement_started.map(timestamp),
        transaction_start_time: session.transaction_started.map(timestamp),
        statement: session.statement,
        blocked_by: session.blocked_by,
        own: session.own,
    }
}
