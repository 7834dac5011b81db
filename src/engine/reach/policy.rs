//! Which addresses may be dialled for a caller.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    ops::RangeInclusive,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use ipnet::IpNet;

use super::address::{self, AddressClass};

/// What is allowed before the lists are looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BasePolicy {
    /// Loopback, private networks and the Internet: callers are those who run the machine.
    #[default]
    Private,
    /// The Internet only.
    Public,
    /// Nothing but the list of what is allowed.
    Listed,
}

/// Which addresses, ports and sockets may be dialled. Some are never: see [`AddressClass`].
#[derive(Debug, Clone, Default)]
pub struct TargetPolicy {
    /// What is allowed before the lists are looked at.
    pub base: BasePolicy,
    /// Networks that are allowed whatever the base says.
    pub allow: Vec<IpNet>,
    /// Networks that are refused whatever else says so.
    pub deny: Vec<IpNet>,
    /// Ports that may be dialled; empty: any.
    pub ports: Vec<RangeInclusive<u16>>,
    /// Folders whose Unix sockets may be dialled; none: no socket may be.
    pub unix_sockets: Vec<PathBuf>,
    /// Where this server itself listens.
    pub own: OwnListeners,
}

/// Addresses that this server itself listens on; known once it listens.
#[derive(Debug, Clone, Default)]
pub struct OwnListeners(Arc<RwLock<Vec<SocketAddr>>>);

impl OwnListeners {
    /// Notes one.
    pub fn add(&self, listener: SocketAddr) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    fn hold(&self, target: SocketAddr) -> bool {
        let ip = target.ip().to_canonical();
        self.0.read().unwrap_or_else(PoisonError::into_inner).iter().any(|own| {
            let host = own.ip().to_canonical();
            own.port() == target.port() && (host == ip || (host.is_unspecified() && is_of_this_machine(ip)))
        })
    }
}

/// Only an address of this machine can be bound. Nothing is sent.
fn is_of_this_machine(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

/// Why an address may not be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forbidden {
    /// Never, because of what it is.
    Never(AddressClass),
    /// It is this server itself.
    Own,
    /// `targets.deny` names it.
    Denied,
    /// `targets.policy` does not cover what it is.
    Policy(AddressClass),
    /// `targets.allow` does not name it, and nothing else is allowed.
    Unlisted,
    /// `targets.ports` does not name its port.
    Port,
    /// It is a Unix socket in no folder of `targets.unix_sockets`.
    Socket,
}

impl TargetPolicy {
    /// Whether an address may be dialled. Every IPv4 address that it carries must pass as well.
    pub fn check(&self, target: SocketAddr) -> Result<(), Forbidden> {
        let ip = target.ip().to_canonical();
        let carried = address::embedded(ip).into_iter().map(IpAddr::V4);
        let all: Vec<IpAddr> = std::iter::once(ip).chain(carried).collect();
        if let Some(class) = all.iter().map(|ip| address::class(*ip)).find(|class| class.never_dialled()) {
            return Err(Forbidden::Never(class));
        }
        if all.iter().any(|ip| self.own.hold(SocketAddr::new(*ip, target.port()))) {
            return Err(Forbidden::Own);
        }
        self.check_port(target.port())?;
        if self.deny.iter().any(|network| all.iter().any(|ip| network.contains(ip))) {
            return Err(Forbidden::Denied);
        }
        if self.allow.iter().any(|network| network.contains(&ip)) {
            return Ok(());
        }
        match self.base {
            BasePolicy::Private => Ok(()),
            BasePolicy::Listed => Err(Forbidden::Unlisted),
            BasePolicy::Public => {
                let class = all.iter().map(|ip| address::class(*ip)).find(|class| *class != AddressClass::Global);
                class.map_or(Ok(()), |class| Err(Forbidden::Policy(class)))
            }
        }
    }

    /// Whether a port may be dialled on any address.
    pub fn check_port(&self, port: u16) -> Result<(), Forbidden> {
        let allowed = self.ports.is_empty() || self.ports.iter().any(|range| range.contains(&port));
        if allowed { Ok(()) } else { Err(Forbidden::Port) }
    }
}
