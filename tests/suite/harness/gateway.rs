//! A port in front of a database server that a test can close, silence and open again, and that counts who knocks.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// First byte of the message with which a client of PostgreSQL leaves.
const GOOD_BYE: u8 = b'X';

/// What the gateway does with a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// Hands it on to the server.
    Open,
    /// Nothing listens.
    Closed,
    /// Takes it and says nothing.
    Silent,
    /// Takes it, and closes it after this.
    Hangup(Duration),
    /// Takes it and says nothing; those that are open stay so, and are silent as well.
    Held,
}

/// The port.
pub(crate) struct Gateway {
    port: u16,
    mode: watch::Sender<Mode>,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    now: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
    held: AtomicUsize,
    asked: AtomicUsize,
}

impl Gateway {
    /// A port of its own on 127.0.0.1 in front of another.
    pub(crate) async fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let (mode, modes) = watch::channel(Mode::Open);
        let counts = Arc::<Counts>::default();
        let task = tokio::spawn(run(listener, target, modes, counts.clone()));
        Self { port, mode, counts, task }
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends the connections that are open, unless it is to hold them, and treats the next ones otherwise.
    pub(crate) fn turn(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Most connections that were open at one time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.counts.most.load(Ordering::SeqCst)
    }

    /// Connections that are open.
    pub(crate) fn open_now(&self) -> usize {
        self.counts.now.load(Ordering::SeqCst)
    }

    /// Connections that were open and are held.
    pub(crate) fn held(&self) -> usize {
        self.counts.held.load(Ordering::SeqCst)
    }

    /// Connections of PostgreSQL clients that were held and asked something then; a good-bye does not count.
    pub(crate) fn asked_in_vain(&self) -> usize {
        self.counts.asked.load(Ordering::SeqCst)
    }

    /// Connections that were taken.
    pub(crate) fn taken(&self) -> usize {
        self.counts.all.load(Ordering::SeqCst)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(listener: TcpListener, target: u16, mut modes: watch::Receiver<Mode>, counts: Arc<Counts>) {
    let address = listener.local_addr().expect("it is bound");
    let mut listener = Some(listener);
    let mut open = JoinSet::new();
    loop {
        let mode = *modes.borrow_and_update();
        if mode == Mode::Closed {
            listener = None;
        } else if listener.is_none() {
            listener = Some(bind(address).await);
        }
        let accept = async {
            match &listener {
                Some(listener) => listener.accept().await.expect("a connection is taken").0,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = modes.changed() => {
                if *modes.borrow() != Mode::Held {
                    open.shutdown().await;
                }
                if changed.is_err() {
                    return;
                }
            }
            stream = accept => {
                open.spawn(serve(stream, target, mode, counts.clone(), modes.clone()));
            }
        }
    }
}

async fn bind(address: SocketAddr) -> TcpListener {
    loop {
        if let Ok(listener) = TcpListener::bind(address).await {
            return listener;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Counts a connection for as long as it is open, however it ends.
struct Counted(Arc<Counts>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn serve(mut stream: TcpStream, target: u16, mode: Mode, counts: Arc<Counts>, mut modes: watch::Receiver<Mode>) {
    let now = counts.now.fetch_add(1, Ordering::SeqCst) + 1;
    counts.most.fetch_max(now, Ordering::SeqCst);
    counts.all.fetch_add(1, Ordering::SeqCst);
    let _counted = Counted(counts.clone());
    match mode {
        Mode::Open => {
            let mut server = TcpStream::connect(("127.0.0.1", target)).await.expect("the server is there");
            tokio::select! {
                // Either side may hang up; that is the end of it.
                _ = tokio::io::copy_bidirectional(&mut stream, &mut server) => return,
                _ = modes.wait_for(|mode| *mode == Mode::Held) => {}
            }
            counts.held.fetch_add(1, Ordering::SeqCst);
            if stream.read_u8().await.is_ok_and(|first| first != GOOD_BYE) {
                counts.asked.fetch_add(1, Ordering::SeqCst);
            }
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
        Mode::Closed => {}
        Mode::Silent | Mode::Held => {
            // To the end of the caller's patience.
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
        Mode::Hangup(after) => tokio::time::sleep(after).await,
    }
}
