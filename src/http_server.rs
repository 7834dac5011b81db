//! Plain HTTP for those who do not speak gRPC: load balancers ask whether the server lives and is ready, Prometheus fetches
//! its metrics. [`answers`] has what they are told.
//!
//! Nobody says here who they are, so all that a peer can cost is bounded: one request a connection, of a bounded size and in a
//! bounded time, whose body is not read, and so many connections. Where there is one too many, the oldest is closed and not
//! refused the newest: peers that only hold on to what they have then keep nobody out.

mod answers;

use std::{collections::VecDeque, convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use self::answers::Answers;
use crate::model::{Error, Result, readiness::Readiness};

/// Most connections at one time.
const MAX_CONNECTIONS: usize = 64;
/// Most bytes of a request line with its headers; 8 KiB is also the least that hyper can be told.
const MAX_HEAD: usize = 8 * 1024;
/// Most headers of a request.
const MAX_HEADERS: usize = 64;
/// Longest that a request line with its headers may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest that a connection may last, its answer taken by its peer.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest that answers under way are waited for when the listener ends.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// After a failed accept, such as one for want of file descriptors, trying again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener for plain HTTP.
pub struct HttpServer {
    listener: TcpListener,
    answers: Arc<Answers>,
}

impl HttpServer {
    /// Listens, and answers once [`HttpServer::serve`] runs.
    pub async fn bind(address: SocketAddr, readiness: Readiness) -> Result<Self> {
        let listener = TcpListener::bind(address).await.map_err(|cause| {
            let remedy = match cause.kind() {
                io::ErrorKind::AddrInUse => "; stop the program that does, or name another port with --metrics-listen",
                _ => "",
            };
            let message = format!("cannot listen on {address}: {}{remedy}", cause.kind());
            Error::invalid_field("metrics.listen", message).caused_by(cause)
        })?;
        Ok(Self { listener, answers: Arc::new(Answers::new(readiness)) })
    }

    /// Where it listens.
    pub fn local_address(&self) -> Result<SocketAddr> {
        self.listener.local_addr().map_err(Error::internal)
    }

    /// Answers until `end`. Answers that are under way then get a moment; a peer that has not asked by then is not waited for.
    pub async fn serve(&self, end: &CancellationToken) {
        let mut open = OpenConnections::default();
        while let Some(stream) = end.run_until_cancelled(self.accept()).await {
            open.add(answer_once(stream, Arc::clone(&self.answers)));
        }
        open.finish().await;
    }

    async fn accept(&self) -> TcpStream {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return stream,
                Err(cause) => {
                    tracing::warn!(%cause, "accept of a plain HTTP connection failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// The connections that are open. Dropping them closes them.
#[derive(Default)]
struct OpenConnections {
    tasks: JoinSet<()>,
    /// The oldest first.
    by_age: VecDeque<AbortHandle>,
}

impl OpenConnections {
    fn add(&mut self, connection: impl Future<Output = ()> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        self.by_age.retain(|connection| !connection.is_finished());
        if self.by_age.len() >= MAX_CONNECTIONS
            && let Some(oldest) = self.by_age.pop_front()
        {
            oldest.abort();
        }
        self.by_age.push_back(self.tasks.spawn(connection));
    }

    async fn finish(mut self) {
        let all_answered = async { while self.tasks.join_next().await.is_some() {} };
        // Whoever is left then is closed with the set.
        let _ = timeout(LAST_ANSWERS, all_answered).await;
    }
}

/// Reads a request and answers it; the connection ends with that, or with its time.
async fn answer_once(stream: TcpStream, answers: Arc<Answers>) {
    let service = service_fn(|request: Request<Incoming>| {
        let answers = Arc::clone(&answers);
        async move { Ok::<_, Infallible>(answers.answer(request.method(), request.uri().path()).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .keep_alive(false)
        // A peer may close its side when it has asked.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(CONNECTION_TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(cause)) => tracing::debug!(%cause, "plain HTTP connection ended"),
        Err(_) => tracing::debug!("plain HTTP connection cut off, it took too long"),
    }
}
