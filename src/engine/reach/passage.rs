//! A socket of this process through which a driver reaches a checked address, or a checked socket.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};
use tokio_util::task::AbortOnDropHandle;

use super::{Checked, Destination, LoginGuard, Reach, Refusal, Unreached};
use crate::model::on_record::OnRecord;

/// Bytes that are carried at once in one direction.
const BUFFER: usize = 16 << 10;
/// A peer that is silent for so long is asked for a sign of life, so that a lost one does not hold a connection for ever.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// The way to one database. Its socket has a name in the abstract namespace of the kernel, so that nothing lies in the file
/// system, and takes calls of this process only. It closes when the last holder lets go; connections that were made go on.
pub struct Passage {
    socket: PathBuf,
    way: Arc<Way>,
    _accepting: AbortOnDropHandle<()>,
}

/// Where a passage leads.
struct Way {
    reach: Reach,
    destination: Destination,
    guard: LoginGuard,
    /// One deadline over look-up and dial, for the driver that gave up does not tell.
    timeout: Duration,
    on_record: OnRecord,
    last_failure: Mutex<Option<(Instant, Unreached)>>,
    last_address: Mutex<Option<SocketAddr>>,
}

impl Passage {
    /// Opens one. `suffix` is what the driver puts behind the path that it is given. What the driver sends goes on its way
    /// once the call is on record.
    pub fn open(
        reach: &Reach,
        destination: Destination,
        guard: LoginGuard,
        timeout: Duration,
        suffix: &str,
        on_record: OnRecord,
    ) -> io::Result<Arc<Self>> {
        let socket = PathBuf::from(format!("\0dbkeeper-{}", ulid::Ulid::generate()));
        let listener = UnixListener::bind(format!("{}{suffix}", socket.display()))?;
        let way = Arc::new(Way {
            reach: reach.clone(),
            destination,
            guard,
            timeout,
            on_record,
            last_failure: Mutex::default(),
            last_address: Mutex::default(),
        });
        let accepting = AbortOnDropHandle::new(tokio::spawn(way.clone().accept(listener)));
        Ok(Arc::new(Self { socket, way, _accepting: accepting }))
    }

    /// Path for the driver.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Why the database was not reached, by the last call that failed since then. The driver only sees its socket close.
    pub fn failure_since(&self, began: Instant) -> Option<Unreached> {
        let mut last = self.way.last_failure.lock().unwrap_or_else(PoisonError::into_inner);
        last.take_if(|(when, _)| *when >= began).map(|(_, failure)| failure)
    }

    /// What a tool that dials by itself is given: of a host the address that answered last, where it still has that.
    pub async fn checked(&self) -> Result<Checked, Unreached> {
        match &self.way.destination {
            Destination::Network(host, port) => Ok(Checked::Address(self.address(host, *port).await?.ip())),
            Destination::Socket(path) => self.way.reach.socket(path).map(Checked::Socket),
        }
    }

    async fn address(&self, host: &str, port: u16) -> Result<SocketAddr, Unreached> {
        let way = &self.way;
        let look_up = tokio::time::timeout(way.timeout, way.reach.addresses(host, port));
        let timed_out = |_| Unreached::NoAnswer(io::ErrorKind::TimedOut.into());
        let addresses = look_up.await.map_err(timed_out)??;
        let last = *way.last_address.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last.filter(|last| addresses.contains(last));
        known.or_else(|| addresses.first().copied()).ok_or(Unreached::HostUnknown(None))
    }
}

impl Way {
    async fn accept(self: Arc<Self>, listener: UnixListener) {
        loop {
            match listener.accept().await {
                Ok((driver, _)) if is_ours(&driver) => {
                    self.reach.0.tracker.spawn(self.clone().carry(driver));
                }
                Ok(_) => tracing::warn!("call of another process refused"),
                Err(error) => {
                    // Most likely no descriptor is free; those that end give theirs back.
                    tracing::warn!(error = %error, "passage cannot take a call");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// Serves one call of the driver, to the end of its connection. Why it failed is noted before the driver sees its
    /// socket close.
    async fn carry(self: Arc<Self>, mut driver: UnixStream) {
        let outcome = match &self.destination {
            Destination::Network(host, port) => self.carry_to_host(&mut driver, host, *port).await,
            Destination::Socket(path) => self.carry_to_socket(&mut driver, path).await,
        };
        if let Err(failure) = outcome {
            let mut last = self.last_failure.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some((Instant::now(), failure));
        }
    }

    async fn carry_to_host(&self, driver: &mut UnixStream, host: &str, port: u16) -> Result<(), Unreached> {
        let (mut server, address) = self.in_time(self.reach.dial(host, port)).await?;
        *self.last_address.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
        // A connection without these works as well, only slower to notice what happens.
        let _ = server.set_nodelay(true);
        let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE);
        let _ = socket2::SockRef::from(&server).set_tcp_keepalive(&keepalive);
        self.exchange(driver, server.split()).await.map_err(Unreached::Refused)
    }

    async fn carry_to_socket(&self, driver: &mut UnixStream, path: &Path) -> Result<(), Unreached> {
        let mut server = self.in_time(self.reach.dial_socket(path)).await?;
        self.exchange(driver, server.split()).await.map_err(Unreached::Refused)
    }

    async fn in_time<T>(&self, dial: impl Future<Output = Result<T, Unreached>>) -> Result<T, Unreached> {
        let dialled = tokio::time::timeout(self.timeout, dial).await;
        dialled.unwrap_or_else(|_| Err(Unreached::NoAnswer(io::ErrorKind::TimedOut.into())))
    }

    /// Carries bytes until either end closes, or until the server asks for what it must not have. The two directions do not wait
    /// for each other: a server that stops reading while it answers would otherwise hold both.
    async fn exchange(
        &self,
        driver: &mut UnixStream,
        (mut from_server, mut to_server): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    ) -> Result<(), Refusal> {
        let watch = Mutex::new(self.guard.watch());
        let (mut from_driver, mut to_driver) = driver.split();
        let up = async {
            if self.on_record.wait().await.is_err() {
                return;
            }
            let mut buffer = vec![0; BUFFER];
            while let Ok(length @ 1..) = from_driver.read(&mut buffer).await {
                watch.lock().unwrap_or_else(PoisonError::into_inner).sent(&buffer[..length]);
                if to_server.write_all(&buffer[..length]).await.is_err() {
                    // A server that closes may have said why; that is still read.
                    return std::future::pending().await;
                }
            }
        };
        let down = async {
            let mut buffer = vec![0; BUFFER];
            while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
                watch.lock().unwrap_or_else(PoisonError::into_inner).received(&buffer[..length])?;
                if to_driver.write_all(&buffer[..length]).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        let outcome = tokio::select! {
            () = up => Ok(()),
            outcome = down => outcome,
        };
        // The last bytes are on their way; a peer that is gone needs no good-bye.
        let _ = to_server.shutdown().await;
        outcome
    }
}

/// Whether the caller is this very process.
fn is_ours(driver: &UnixStream) -> bool {
    let caller = driver.peer_cred().ok().and_then(|credentials| credentials.pid());
    caller.and_then(|pid| u32::try_from(pid).ok()) == Some(std::process::id())
}
