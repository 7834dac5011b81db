//! How registered databases are, and how that changes.

use super::{
    engine, small_count,
    time::{duration, timestamp},
};
use crate::{
    grpc::proto::v1::{self, watch_connection_statuses_response::Event},
    model::{
        connection::{Connection, ConnectionFailure, ConnectionHealth, ConnectionState, StateTransition},
        name,
        page::Page,
    },
    service::connection::StatusEvent,
};

/// A page of statuses, and the sequence that a watcher goes on from.
pub fn list_response(
    page: Page<Connection>,
    next_page_token: String,
    sequence: u64,
) -> v1::ListConnectionStatusesResponse {
    v1::ListConnectionStatusesResponse {
        total_size: small_count(page.total.unwrap_or(0)),
        statuses: page.items.into_iter().map(connection_status).collect(),
        next_page_token,
        sequence,
    }
}

fn connection_status(connection: Connection) -> v1::ConnectionStatus {
    v1::ConnectionStatus {
        connection: name::connection(&connection.id),
        display_name: connection.settings.display_name,
        engine: engine(connection.settings.engine).into(),
        state: state(connection.state).into(),
        health: connection.health.map(health),
        server_version: connection.server_version,
    }
}

/// What a watcher is told.
pub fn event(event: StatusEvent) -> v1::WatchConnectionStatusesResponse {
    let (sequence, event) = match event {
        StatusEvent::Begin { sequence } => (sequence, Event::Begin(v1::ConnectionStatusesBegin {})),
        StatusEvent::Transition(change) => (change.sequence, Event::Transition(transition(&change))),
        StatusEvent::Gap { sequence, missed } => (sequence, Event::Gap(v1::ConnectionStatusesGap { missed })),
    };
    v1::WatchConnectionStatusesResponse { sequence, event: Some(event) }
}

fn transition(change: &StateTransition) -> v1::ConnectionTransition {
    v1::ConnectionTransition {
        connection: name::connection(&change.connection),
        previous_state: change.previous.map_or(v1::ConnectionState::Unspecified, state).into(),
        state: change.state.map_or(v1::ConnectionState::Unspecified, state).into(),
        time: Some(timestamp(change.time)),
        error: change.failure.clone().map(failure),
    }
}

/// What is known of reaching a database.
pub fn state(state: ConnectionState) -> v1::ConnectionState {
    match state {
        ConnectionState::Untested => v1::ConnectionState::Untested,
        ConnectionState::Online => v1::ConnectionState::Online,
        ConnectionState::Offline => v1::ConnectionState::Offline,
        ConnectionState::Refused => v1::ConnectionState::Refused,
    }
}

/// A look at a database.
pub fn health(health: ConnectionHealth) -> v1::ConnectionHealth {
    v1::ConnectionHealth {
        check_time: Some(timestamp(health.checked)),
        response_time: Some(duration(health.response_time)),
        error: health.failure.map(failure),
    }
}

/// Why a database could not be used.
pub fn failure(failure: ConnectionFailure) -> v1::ConnectionError {
    v1::ConnectionError {
        reason: failure.reason,
        message: failure.message,
        sql_state: failure.sql_state,
        vendor_code: failure.vendor_code,
        hint: failure.hint,
    }
}
