//! A socket of this process through which a driver reaches a checked address.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixListener, UnixStream},
};
use tokio_util::task::AbortOnDropHandle;

use super::{LoginGuard, Reach, Refusal, Unreached};

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
    host: String,
    port: u16,
    guard: LoginGuard,
    /// One deadline over look-up and dial, for the driver that gave up does not tell.
    timeout: Duration,
    last_failure: Mutex<Option<(Instant, Unreached)>>,
    last_address: Mutex<Option<SocketAddr>>,
}

impl Passage {
    /// Opens one. `suffix` is what the driver puts behind the path that it is given.
    pub fn open(
        reach: &Reach,
        (host, port): (&str, u16),
        guard: LoginGuard,
        timeout: Duration,
        suffix: &str,
    ) -> io::Result<Arc<Self>> {
        let socket = PathBuf::from(format!("\0dbkeeper-{}", ulid::Ulid::generate()));
        let listener = UnixListener::bind(format!("{}{suffix}", socket.display()))?;
        let way = Arc::new(Way {
            reach: reach.clone(),
            host: host.to_owned(),
            port,
            guard,
            timeout,
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

    /// A checked address for a tool that dials by itself: the one that answered last, where the host still has it.
    pub async fn address(&self) -> Result<SocketAddr, Unreached> {
        let way = &self.way;
        let look_up = tokio::time::timeout(way.timeout, way.reach.addresses(&way.host, way.port));
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
        let dial = tokio::time::timeout(self.timeout, self.reach.dial(&self.host, self.port));
        let failure = match dial.await {
            Ok(Ok((server, address))) => {
                *self.last_address.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
                self.exchange(&mut driver, server).await.err().map(Unreached::Refused)
            }
            Ok(Err(failure)) => Some(failure),
            Err(_) => Some(Unreached::NoAnswer(io::ErrorKind::TimedOut.into())),
        };
        if let Some(failure) = failure {
            let mut last = self.last_failure.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some((Instant::now(), failure));
        }
    }

    /// Carries bytes until either end closes, or until the server asks for what it must not have.
    async fn exchange(&self, driver: &mut UnixStream, mut server: TcpStream) -> Result<(), Refusal> {
        // A connection without these works as well, only slower to notice what happens.
        let _ = server.set_nodelay(true);
        let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE);
        let _ = socket2::SockRef::from(&server).set_tcp_keepalive(&keepalive);
        let mut watch = self.guard.watch();
        let (mut up, mut down) = (vec![0; BUFFER], vec![0; BUFFER]);
        let mut server_listens = true;
        loop {
            tokio::select! {
                read = driver.read(&mut up), if server_listens => {
                    let Ok(length @ 1..) = read else { break };
                    watch.sent(&up[..length]);
                    // A server that closes may have said why; that is still read.
                    server_listens = server.write_all(&up[..length]).await.is_ok();
                }
                read = server.read(&mut down) => {
                    let Ok(length @ 1..) = read else { break };
                    watch.received(&down[..length])?;
                    if driver.write_all(&down[..length]).await.is_err() {
                        break;
                    }
                }
            }
        }
        // The last bytes are on their way; a peer that is gone needs no good-bye.
        let _ = server.shutdown().await;
        Ok(())
    }
}

/// Whether the caller is this very process.
fn is_ours(driver: &UnixStream) -> bool {
    let caller = driver.peer_cred().ok().and_then(|credentials| credentials.pid());
    caller.and_then(|pid| u32::try_from(pid).ok()) == Some(std::process::id())
}
