//! Hosts that callers name: where they may lead, and servers there that mean no good.

mod policy;
mod rogue;
mod sockets;
