//! The way to a database: the host is looked up once, every address is checked against the policy of this server, and the
//! address that was checked is the one that is dialled. The same holds for a socket in the file system.
//!
//! The drivers dial by themselves and take a name or a Unix socket only. So each database gets a [`Passage`]: a socket of
//! this process that the driver dials, behind which the checked address is dialled here. The driver keeps the host name
//! and compares the certificate with it, whatever address was dialled.

mod address;
mod guard;
mod passage;
mod policy;
mod socket;

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use tokio::net::{TcpStream, UnixStream};
use tokio_util::task::TaskTracker;

pub use address::AddressClass;
use address::Spelling;
pub use guard::{LoginGuard, Refusal};
pub use passage::Passage;
pub use policy::{BasePolicy, Forbidden, OwnListeners, TargetPolicy};
use socket::FoundSocket;
pub use socket::{TLS_AT_SOCKET, socket_violation};

use crate::model::{Error, Reason, connection::is_socket};

/// Where a database listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// On a port of a host, which is a name or an address.
    Network(String, u16),
    /// At a socket in the file system of this machine.
    Socket(PathBuf),
}

impl Destination {
    /// Where host and port lead. Where the host is a path, `socket` says which file the engine means by it.
    pub fn new(host: &str, port: u16, socket: impl FnOnce(&Path) -> PathBuf) -> Self {
        if is_socket(host) { Self::Socket(socket(Path::new(host))) } else { Self::Network(host.to_owned(), port) }
    }

    /// What to look at where nothing answers.
    pub fn cure(&self) -> &'static str {
        match self {
            Self::Network(..) => {
                "check host and port, that the server runs and listens there, and the firewall between"
            }
            Self::Socket(_) => {
                "check that the server runs and has its socket there, and that dbkeeper's user may write to the socket"
            }
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(host, port) => write!(f, "{host}:{port}"),
            Self::Socket(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What a tool that dials by itself is given: it was checked a moment ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// An address.
    Address(IpAddr),
    /// The place of a socket, free of links.
    Socket(PathBuf),
}

/// The network, so that a test can stand in for it.
#[async_trait]
pub trait Network: Send + Sync {
    /// The addresses of a name.
    async fn look_up(&self, name: &str) -> io::Result<Vec<IpAddr>>;

    /// Connects to an address.
    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream>;
}

/// The network of this machine.
struct SystemNetwork;

#[async_trait]
impl Network for SystemNetwork {
    async fn look_up(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(address).await
    }
}

/// Why a database was not reached.
#[derive(Debug)]
pub enum Unreached {
    /// The host is no address and no name. The text says why.
    HostUnusable(&'static str),
    /// The name has no address.
    HostUnknown(Option<io::Error>),
    /// An address of it may not be dialled.
    Forbidden(Forbidden),
    /// Nothing answers there.
    NoAnswer(io::Error),
    /// What answers wants something that a database has no business to want.
    Refused(Refusal),
}

/// Dials databases. Cheap to clone.
#[derive(Clone)]
pub struct Reach(Arc<Inner>);

struct Inner {
    policy: TargetPolicy,
    network: Box<dyn Network>,
    tracker: TaskTracker,
}

impl Reach {
    /// Dials over the network of this machine. What goes through passages is carried by tasks of `tracker`.
    pub fn new(policy: TargetPolicy, tracker: TaskTracker) -> Self {
        Self::over(SystemNetwork, policy, tracker)
    }

    /// Dials over another network.
    pub fn over(network: impl Network + 'static, policy: TargetPolicy, tracker: TaskTracker) -> Self {
        Self(Arc::new(Inner { policy, network: Box::new(network), tracker }))
    }

    /// The addresses of a host, all of them checked. One that is forbidden forbids the host: a name that leads to two
    /// places is not trusted to lead to the right one.
    pub async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Unreached> {
        self.0.policy.check_port(port).map_err(Unreached::Forbidden)?;
        let found = match address::read(host) {
            Spelling::Address(address) => vec![address],
            Spelling::Unusable(why) => return Err(Unreached::HostUnusable(why)),
            Spelling::Name => {
                let found = self.0.network.look_up(host).await;
                found.map_err(|cause| Unreached::HostUnknown(Some(cause)))?
            }
        };
        if found.is_empty() {
            return Err(Unreached::HostUnknown(None));
        }
        let addresses: Vec<SocketAddr> = found.into_iter().map(|ip| SocketAddr::new(ip.to_canonical(), port)).collect();
        for address in &addresses {
            self.0.policy.check(*address).map_err(Unreached::Forbidden)?;
        }
        Ok(addresses)
    }

    /// Checks a socket and connects to it.
    async fn dial_socket(&self, path: &Path) -> Result<UnixStream, Unreached> {
        let socket = FoundSocket::find(path, &self.0.policy.unix_sockets)?;
        socket.connect().await.map_err(Unreached::NoAnswer)
    }

    /// The place of a socket that may be dialled.
    fn socket(&self, path: &Path) -> Result<PathBuf, Unreached> {
        FoundSocket::find(path, &self.0.policy.unix_sockets).map(|socket| socket.path)
    }

    /// Looks a host up, checks, and connects to the first of its addresses that answers.
    async fn dial(&self, host: &str, port: u16) -> Result<(TcpStream, SocketAddr), Unreached> {
        let mut failure = None;
        for address in self.addresses(host, port).await? {
            match self.0.network.connect(address).await {
                Ok(stream) => return Ok((stream, address)),
                Err(cause) => failure = Some(cause),
            }
        }
        Err(failure.map_or(Unreached::HostUnknown(None), Unreached::NoAnswer))
    }
}

impl Default for Reach {
    /// The policy `private` without lists.
    fn default() -> Self {
        Self::new(TargetPolicy::default(), TaskTracker::new())
    }
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reach").field("policy", &self.0.policy).finish_non_exhaustive()
    }
}

/// ADDRESS_FORBIDDEN. It does not tell the address: what a name leads to inside is nobody's business outside.
pub fn forbidden(place: &Destination, why: Forbidden) -> Error {
    let (kind, what, cure) = match why {
        Forbidden::Never(class) => {
            (class.as_str(), format!("is {}, which is never dialled", class.as_str()), "name the host of a database")
        }
        Forbidden::Own => ("own", "is this server itself".to_owned(), "name the host and port of a database"),
        Forbidden::Denied => {
            ("denied", "is denied by targets.deny".to_owned(), "name another host, or change targets.deny")
        }
        Forbidden::Policy(class) => (
            class.as_str(),
            format!("is {}, which targets.policy does not allow", class.as_str()),
            "name another host, or add its network to targets.allow",
        ),
        Forbidden::Unlisted => {
            ("unlisted", "is not in targets.allow".to_owned(), "name another host, or add its network to targets.allow")
        }
        Forbidden::Port => (
            "port",
            "has a port that is not in targets.ports".to_owned(),
            "use another port, or add it to targets.ports",
        ),
        Forbidden::Socket => (
            "unix socket",
            "is a Unix socket outside of the folders in targets.unix_sockets".to_owned(),
            "name a host that is reached over TCP, or add the folder of the socket to targets.unix_sockets",
        ),
    };
    Error::new(Reason::AddressForbidden, format!("{place} is not dialled, for its address {what}; {cure}"))
        .with_metadata("address_class", kind)
        .with_metadata("hint", cure)
}

/// LOGIN_UNSAFE or, for what is no database at all, DATABASE_UNREACHABLE.
pub fn refused(place: &Destination, refusal: Refusal) -> Error {
    let (what, cure) = refusal.words();
    Error::new(refusal.reason(), format!("what answers at {place} {what}; {cure}")).with_metadata("hint", cure)
}

#[cfg(test)]
mod tests;
