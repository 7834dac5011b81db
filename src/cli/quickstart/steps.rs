//! The steps of the walk, by the service that they call.

pub(super) mod backup;
pub(super) mod compare;
pub(super) mod connection;
pub(super) mod migration;
pub(super) mod monitor;
pub(super) mod schema;
