//! Accepts connections: a cap on how many, a cap and a time-out on TLS handshakes, and a time-out on the first
//! bytes, so that a peer that connects and says nothing holds a place for seconds only.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls_pki_types::CertificateDer;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};

use super::{client_certificate, settings::ServerSettings, tls::Terms};
use crate::model::{ClientCertificate, Error, Result};

/// Length of what every HTTP/2 client sends first; no request of gRPC-Web is shorter. What it says is for hyper to read.
const PREFACE_LENGTH: usize = 24;
/// After a failed accept, such as one for want of file descriptors, trying again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Finds peers that vanished without a word, below HTTP/2's own pings.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// The listening socket and what it hands out.
pub(super) struct Listener {
    tcp: TcpListener,
    slots: Arc<Semaphore>,
}

/// A connection that was accepted and has not said anything yet.
pub(super) struct Accepted {
    stream: TcpStream,
    pub(super) peer: SocketAddr,
    slot: OwnedSemaphorePermit,
}

impl Listener {
    pub(super) async fn bind(address: SocketAddr, settings: &ServerSettings) -> Result<Self> {
        let tcp = TcpListener::bind(address).await.map_err(|cause| {
            let remedy = match cause.kind() {
                io::ErrorKind::AddrInUse => "; stop the program that does, or name another port with --listen",
                _ => "",
            };
            let message = format!("cannot listen on {address}: {}{remedy}", cause.kind());
            Error::invalid_field("listen", message).caused_by(cause)
        })?;
        Ok(Self { tcp, slots: Arc::new(Semaphore::new(settings.max_connections)) })
    }

    pub(super) fn local_address(&self) -> Result<SocketAddr> {
        self.tcp.local_addr().map_err(Error::internal)
    }

    /// The next connection for which there is a place. One too many is closed at once: its client
    /// sees UNAVAILABLE and tries again later, where waiting in line would look like a hang.
    pub(super) async fn accept(&self) -> Accepted {
        loop {
            let (stream, peer) = match self.tcp.accept().await {
                Ok(accepted) => accepted,
                Err(cause) => {
                    tracing::warn!(%cause, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
                tracing::warn!(%peer, "connection refused, too many are open");
                continue;
            };
            if let Err(cause) = set_options(&stream) {
                tracing::debug!(%peer, %cause, "socket options not set");
            }
            return Accepted { stream, peer, slot };
        }
    }
}

fn set_options(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(TCP_KEEPALIVE))
}

/// How a connection is opened.
#[derive(Clone)]
pub(super) struct Opening {
    pub(super) tls: Option<watch::Receiver<Terms>>,
    pub(super) handshakes: Arc<Semaphore>,
    pub(super) timeout: Duration,
}

impl Accepted {
    /// Shakes hands where there is TLS, and waits for the first bytes.
    pub(super) async fn open(self, opening: &Opening) -> io::Result<OpenConnection> {
        let (stream, shown): (Box<dyn Stream>, _) = match opening.tls.clone() {
            None => (Box::new(self.stream), None),
            Some(mut terms) => {
                let stream = timeout(opening.timeout, shake_hands(self.stream, &mut terms, opening)).await??;
                let shown = stream.get_ref().1.peer_certificates().and_then(|chain| Shown::read(chain, terms));
                (Box::new(stream), shown)
            }
        };
        let stream = timeout(opening.timeout, Begun::read(stream)).await??;
        Ok(OpenConnection { stream, shown, _slot: self.slot })
    }
}

async fn shake_hands(
    stream: TcpStream,
    terms: &mut watch::Receiver<Terms>,
    opening: &Opening,
) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    // A peer that says nothing waits here, where it is in nobody's way.
    stream.peek(&mut [0]).await?;
    let _turn = opening.handshakes.acquire().await.map_err(io::Error::other)?;
    // What comes after these terms is a change for who holds them.
    let acceptor = terms.borrow_and_update().acceptor.clone();
    acceptor.accept(stream).await
}

/// A client certificate that one of our authorities signed, as the handshake found.
pub(super) struct Shown {
    pub(super) certificate: Arc<ClientCertificate>,
    /// It and what came with it, in DER.
    chain: Vec<CertificateDer<'static>>,
    /// By which it was looked at, and those that come after.
    terms: watch::Receiver<Terms>,
}

impl Shown {
    fn read(chain: &[CertificateDer<'_>], terms: watch::Receiver<Terms>) -> Option<Self> {
        let certificate = client_certificate::read(chain.first()?)?;
        let chain = chain.iter().map(|der| der.clone().into_owned()).collect();
        Some(Self { certificate: Arc::new(certificate), chain, terms })
    }

    /// Ends what the certificate is good for once none of the authorities vouches for it any more.
    pub(super) async fn look_after(mut self) -> Infallible {
        while self.terms.changed().await.is_ok() {
            if !self.terms.borrow_and_update().vouch_for(&self.chain) {
                self.certificate.validity.end();
                break;
            }
        }
        // Once is for good, and a server that stops changes no terms.
        std::future::pending().await
    }
}

/// A connection whose client has begun to speak HTTP.
pub(super) struct OpenConnection {
    pub(super) stream: Begun,
    /// What the client showed, where it showed one of ours.
    pub(super) shown: Option<Shown>,
    _slot: OwnedSemaphorePermit,
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A stream whose first bytes were read, and are read again by who comes next.
pub(super) struct Begun {
    stream: Box<dyn Stream>,
    first: [u8; PREFACE_LENGTH],
    given: usize,
}

impl Begun {
    async fn read(mut stream: Box<dyn Stream>) -> io::Result<Self> {
        let mut first = [0; PREFACE_LENGTH];
        stream.read_exact(&mut first).await?;
        Ok(Self { stream, first, given: 0 })
    }
}

impl AsyncRead for Begun {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.given == self.first.len() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let count = buffer.remaining().min(self.first.len() - self.given);
        buffer.put_slice(&self.first[self.given..self.given + count]);
        self.given += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Begun {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
