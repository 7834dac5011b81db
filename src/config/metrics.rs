//! The listener for plain HTTP: health for load balancers, metrics for Prometheus.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::problem::Problems;

/// Health and metrics over plain HTTP.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Metrics {
    /// Address and port to listen on. Port 0: any free one. Absent: nothing listens.
    pub listen: Option<SocketAddr>,
    /// Listen on an address that others reach, although nobody is asked there who they are.
    pub insecure: bool,
}

impl Metrics {
    pub(super) fn check(&self, server: SocketAddr, problems: &mut Problems<'_>) {
        let Some(listen) = self.listen else { return };
        if listen == server && listen.port() != 0 {
            problems.add("metrics.listen", "must be another address or port than server.listen, which speaks gRPC");
        }
        if !listen.ip().is_loopback() && !self.insecure {
            problems.add(
                "metrics.listen",
                "others can reach this address, and health and metrics would be told in clear to whoever asks; listen on \
                 127.0.0.1, or accept it with metrics.insecure = true",
            );
        }
    }
}
