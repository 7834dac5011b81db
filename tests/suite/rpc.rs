//! Every RPC over real gRPC against the whole server, on real databases.
//!
//! `catalogue` takes the list of RPCs from the contract; `scenario` is the main job from end to end; the other files
//! hold what one service promises, bad input included.

mod access;
mod access_checks;
mod accounts;
mod advice;
mod alter;
mod answer;
mod api_keys;
mod audit;
mod backups;
mod callers;
mod canary;
mod catalogue;
mod certificates;
mod connections;
mod connections_change;
mod connections_delete;
mod connections_fair;
mod connections_full;
mod connections_health;
mod connections_large;
mod connections_list;
mod connections_password;
mod connections_refresh;
mod connections_refused;
mod connections_replicas;
mod connections_replicas_away;
mod connections_return;
mod ddl;
mod definition;
mod difference;
mod escrow;
mod hostile;
mod limits;
mod lint;
mod lost_key;
mod metrics;
mod migrations;
mod operations;
mod process;
mod rates;
pub(crate) mod rotation;
mod rotation_settled;
mod scenario;
mod schema;
mod seal;
mod soak_sigterm;
mod store_full;
pub(crate) mod support;
mod targets;
mod tls;
mod tokens;
mod vault;
mod vault_sources;
mod wire;
