//! dbkeeper: one self-hosted gRPC service to register, inspect, migrate, back up and watch databases.
//!
//! The modules stand in reading order, from what all speak down to the composition root. Imports point the
//! other way only: [`model`] imports nothing of ours, [`app`] may import all.

mod http_client;
pub mod model;

pub mod engine;
pub mod store;
pub mod vault;

pub mod operation;
pub mod pool;

pub mod service;

pub mod grpc;
pub mod http_server;
pub mod tasks;

pub mod app;
pub mod cli;
pub mod config;
pub mod telemetry;
