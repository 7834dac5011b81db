//! The one integration test binary: linking is the slow part of a test build.
//!
//! `harness` starts real servers in temporary folders on free ports. One file tests one area.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test says what it expects, and a panic is how it fails"
)]

mod harness;

mod architecture;
mod backup_repository;
mod backup_service;
mod command_line;
mod conformance;
mod deploy;
mod dialects;
mod engine_mysql;
mod engine_postgres;
mod engine_sqlite;
mod grpc;
mod http;
mod migration;
mod monitor;
mod pools;
mod quickstart;
mod readme;
mod rpc;
mod schema;
mod schema_difference;
mod soak;
mod telemetry;
