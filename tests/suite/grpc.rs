//! The gRPC edge over real sockets, with a service behind it that does what a test needs.

mod calls;
mod connections;
mod discovery;
mod shutdown;
mod streams;
pub(crate) mod support;
mod tls;
mod web;
