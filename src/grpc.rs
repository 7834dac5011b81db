//! The gRPC edge. Only here are tonic and prost named.
//!
//! The way of one call: [`listener`] accepts a connection, [`server`] speaks HTTP/2 on it, [`layers`] lets the
//! call in (request id, span, method, seal, slots, deadline, caller, permission), the adapter of the service
//! hands it to [`call`], which runs a few lines: convert, call the service, convert. Whatever goes wrong on
//! that way becomes a status in [`status`] and nowhere else.

pub mod proto;

pub mod convert;
pub mod options;
pub mod settings;
pub mod status;

pub mod access_service;
pub mod audit;
mod audited_fields;
pub mod authenticator;
pub mod backup_service;
pub mod call;
pub mod connection_service;
pub mod layers;
pub mod migration_service;
pub mod monitor_service;
pub mod schema_service;
pub mod stream;
pub mod vault_service;

mod client_certificate;
pub mod health;
pub mod listener;
mod rate;
pub mod routes;
pub mod server;
pub mod tls;

pub mod operation_service;

pub mod client;
pub mod json;

pub use layers::{AuditSink, Authenticator};
pub use server::{GrpcServer, Parts};
pub use settings::{ServerSettings, TlsFiles};
