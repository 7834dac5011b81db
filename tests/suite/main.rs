//! The one integration test binary: linking is the slow part of a test build.
//!
//! `harness` starts real servers in temporary folders on free ports. One file tests one area.

mod harness;

mod conformance;
mod engine_mysql;
mod engine_postgres;
mod engine_sqlite;
mod monitor;
mod schema;
