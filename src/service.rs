//! What the services do, without any transport.

pub mod access;
pub mod account;
pub mod audit;
pub mod backup;
pub mod connection;
pub mod databases;
pub mod filter;
pub mod migration;
pub mod monitor;
pub mod operation;
pub mod schema;
pub mod vault;
