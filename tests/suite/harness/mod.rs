//! Real servers for the tests, started by the tests themselves.

pub(crate) mod certificates;
pub(crate) mod faulty_store;
pub(crate) mod gateway;
pub(crate) mod mariadb;
pub(crate) mod pgbouncer;
pub(crate) mod port;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod server;
pub(crate) mod sqlite;
pub(crate) mod transit;
pub(crate) mod vault;
