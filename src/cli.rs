//! The command line: arguments, help, and the commands that talk to a server or to people.

mod arguments;
pub mod health;
pub mod master_key;
pub mod quickstart;
mod signals;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub use arguments::{
    Arguments, Command, ExportArguments, Format, ImportArguments, MasterKeyCommand, QuickstartArguments,
    ServerArguments,
};
pub use signals::stop_on_signal;

/// An address that listens on all interfaces is dialled on the loopback.
fn dialled(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}
