//! The gRPC edge. Only here are tonic and prost named.

pub mod proto;
