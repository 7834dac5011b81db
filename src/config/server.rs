//! The gRPC server: where it listens, TLS, and its limits.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    problem::Problems,
    value::{ByteSize, duration},
};

/// The gRPC server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Server {
    /// Address and port to listen on. Port 0: any free one.
    pub listen: SocketAddr,
    /// Listen on an address that others reach although there is no TLS.
    pub insecure: bool,
    /// Certificate chain of the server in PEM. Read again when it changes.
    pub tls_certificate_file: Option<PathBuf>,
    /// Private key of the certificate in PEM. Read again when it changes.
    pub tls_key_file: Option<PathBuf>,
    /// Authorities in PEM whose client certificates are taken. Read again when it changes.
    pub tls_client_ca_file: Option<PathBuf>,
    /// Answer gRPC-Web requests too, for browsers.
    pub grpc_web: bool,
    /// What one caller, and all of them together, may ask for.
    pub limits: Limits,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7341)),
            insecure: false,
            tls_certificate_file: None,
            tls_key_file: None,
            tls_client_ca_file: None,
            grpc_web: false,
            limits: Limits::default(),
        }
    }
}

/// Limits of the gRPC server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Largest message that is taken.
    pub max_message_size: ByteSize,
    /// Largest set of headers of a request that is taken.
    pub max_header_size: ByteSize,
    /// Most TCP connections at one time.
    pub max_connections: u32,
    /// Most TLS handshakes at one time; more wait.
    pub max_handshakes: u32,
    /// Most calls and streams at one time on one TCP connection.
    pub max_streams_per_connection: u32,
    /// Most calls that are no streams at one time, over all connections.
    pub max_unary_calls: u32,
    /// Most streams at one time, over all connections.
    pub max_streams: u32,
    /// Longest a TLS handshake, and then the first bytes of HTTP/2, may take.
    #[serde(with = "duration")]
    pub handshake_timeout: Duration,
    /// Deadline of a call that is no stream and brings none.
    #[serde(with = "duration")]
    pub default_deadline: Duration,
    /// Latest deadline of a call that is no stream, whatever it brings.
    #[serde(with = "duration")]
    pub max_deadline: Duration,
    /// A silent peer is asked for a sign of life this often.
    #[serde(with = "duration")]
    pub keepalive_interval: Duration,
    /// How long it may take to give one before its connection is closed.
    #[serde(with = "duration")]
    pub keepalive_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_size: ByteSize::mib(16),
            max_header_size: ByteSize::kib(16),
            max_connections: 1024,
            max_handshakes: 64,
            max_streams_per_connection: 256,
            max_unary_calls: 1024,
            max_streams: 1024,
            handshake_timeout: Duration::from_secs(5),
            default_deadline: Duration::from_secs(60),
            max_deadline: Duration::from_secs(15 * 60),
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(20),
        }
    }
}

impl Server {
    /// True where there is a certificate to serve TLS with.
    pub fn tls(&self) -> bool {
        self.tls_certificate_file.is_some() && self.tls_key_file.is_some()
    }

    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        if self.tls_certificate_file.is_some() && self.tls_key_file.is_none() {
            problems.add("server.tls_key_file", "must be set where server.tls_certificate_file is");
        } else if self.tls_key_file.is_some() && self.tls_certificate_file.is_none() {
            problems.add("server.tls_certificate_file", "must be set where server.tls_key_file is");
        } else if !self.listen.ip().is_loopback() && !self.tls() && !self.insecure {
            problems.add(
                "server.listen",
                "others can reach this address, and keys and data would cross the network in clear; set \
                 server.tls_certificate_file and server.tls_key_file, listen on 127.0.0.1, or accept it with \
                 server.insecure = true (--insecure)",
            );
        }
        if self.tls_client_ca_file.is_some() && !self.tls() {
            problems.add("server.tls_client_ca_file", "needs server.tls_certificate_file and server.tls_key_file");
        }
        self.limits.check(problems);
    }
}

impl Limits {
    fn check(&self, problems: &mut Problems<'_>) {
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        let (largest_message, largest_headers) = (ByteSize::mib(256), ByteSize::mib(1));
        problems.size("server.limits.max_message_size", self.max_message_size, ByteSize::kib(64)..=largest_message);
        problems.size("server.limits.max_header_size", self.max_header_size, ByteSize::kib(4)..=largest_headers);
        problems.count("server.limits.max_connections", self.max_connections, 1..=100_000);
        problems.count("server.limits.max_handshakes", self.max_handshakes, 1..=10_000);
        problems.count("server.limits.max_unary_calls", self.max_unary_calls, 1..=100_000);
        problems.count("server.limits.max_streams", self.max_streams, 1..=100_000);
        problems.count("server.limits.max_streams_per_connection", self.max_streams_per_connection, 1..=10_000);
        problems.time("server.limits.handshake_timeout", self.handshake_timeout, second..=Duration::from_secs(60));
        problems.time("server.limits.max_deadline", self.max_deadline, second..=hour);
        problems.time("server.limits.default_deadline", self.default_deadline, second..=self.max_deadline.max(second));
        problems.time("server.limits.keepalive_interval", self.keepalive_interval, second..=hour);
        problems.time("server.limits.keepalive_timeout", self.keepalive_timeout, second..=hour);
    }
}
