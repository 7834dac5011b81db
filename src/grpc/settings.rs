//! The limits of the edge, all in one place and all set: what tonic and hyper leave open by default
//! (streams, connections, header lists, messages that are sent) has a figure here.

use std::{path::PathBuf, time::Duration};

use crate::model::api_key::AddressRange;

/// Every limit of the gRPC server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSettings {
    /// Longest message that is taken, after decompression.
    pub max_receive_bytes: usize,
    /// Longest message that is sent. What can grow is paged or streamed, so this is a net, not a plan.
    pub max_send_bytes: usize,
    /// Longest list of request headers.
    pub max_header_bytes: u32,
    /// Open TCP connections; more are closed as soon as they are accepted.
    pub max_connections: usize,
    /// TLS handshakes at one time; more wait for their turn under `handshake_timeout`.
    pub max_handshakes: usize,
    /// Calls at one time on one connection.
    pub max_streams_per_connection: u32,
    /// Unary calls at one time over all connections.
    pub max_unary_calls: usize,
    /// Server streams at one time over all connections. Apart from the unary calls, so that subscribers
    /// cannot shut out everybody else.
    pub max_streams: usize,
    /// Longest wait for a TLS handshake, and then again for the first bytes of HTTP/2.
    pub handshake_timeout: Duration,
    /// A connection without traffic is pinged after this.
    pub keepalive_interval: Duration,
    /// A ping that stays unanswered for this closes the connection.
    pub keepalive_timeout: Duration,
    /// Deadline of a unary call whose caller names none.
    pub default_deadline: Duration,
    /// Latest deadline of a unary call, whatever its caller names. Streams have none but their caller's.
    pub max_deadline: Duration,
    /// Longest wait for open calls when the server stops; what is left then is cut off.
    pub drain_timeout: Duration,
    /// Answer browsers too (gRPC-Web), over HTTP/1.1 as well.
    pub web: bool,
    /// Proxies whose `x-forwarded-for` is believed.
    pub trusted_proxies: Vec<AddressRange>,
    /// Calls a second of one address; 0: any number.
    pub rate_per_address: u32,
    /// Calls a second of one caller; 0: any number.
    pub rate_per_caller: u32,
    /// Traces and metrics are sent to a collector.
    pub telemetry_exported: bool,
    /// Certificate and key; absent: in clear.
    pub tls: Option<TlsFiles>,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            max_receive_bytes: 16 * 1024 * 1024,
            max_send_bytes: 16 * 1024 * 1024,
            max_header_bytes: 16 * 1024,
            max_connections: 1024,
            max_handshakes: 64,
            max_streams_per_connection: 256,
            max_unary_calls: 1024,
            max_streams: 1024,
            handshake_timeout: Duration::from_secs(5),
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(20),
            default_deadline: Duration::from_secs(60),
            max_deadline: Duration::from_secs(15 * 60),
            drain_timeout: Duration::from_secs(20),
            web: false,
            trusted_proxies: Vec::new(),
            rate_per_address: 0,
            rate_per_caller: 0,
            telemetry_exported: false,
            tls: None,
        }
    }
}

/// Files with the server's own certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain in PEM, the server's own first.
    pub certificate: PathBuf,
    /// Private key in PEM.
    pub key: PathBuf,
    /// Authorities in PEM whose client certificates are taken; absent: none is asked for.
    pub client_ca: Option<PathBuf>,
    /// How often the files are looked at for a change.
    pub reload_interval: Duration,
}
