//! `dbkeeper health`: asks the server that the same configuration is of whether it is ready, for container images that hold no
//! other program which could.

use std::{
    error::Error,
    io::{self, Write as _},
    net::SocketAddr,
    process::ExitCode,
    time::Duration,
};

use super::dialled;
use crate::{
    config::Config,
    http_client::{self, Request},
};

/// Longest that the server may take. It answers out of memory.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Most that is read of its answer, which is one line.
const MAX_ANSWER: usize = 4096;

/// Prints what `/readyz` says. The code is 0 only where the server is ready.
pub async fn ask(config: &Config) -> Result<ExitCode, Box<dyn Error>> {
    let listen = config.metrics.listen.filter(|listen| listen.port() != 0);
    let listen = listen.ok_or("metrics.listen names no port; set it, for the server and for this command")?;
    let address = dialled(listen);
    let answer = tokio::time::timeout(TIMEOUT, ready(address)).await;
    let (ready, told) =
        answer.unwrap_or_else(|_| Err("it does not answer".into())).map_err(|cause| format!("{address}: {cause}"))?;
    io::stdout().lock().write_all(&told)?;
    Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn ready(address: SocketAddr) -> Result<(bool, Vec<u8>), http_client::Failure> {
    let url = format!("http://{address}/readyz");
    let request = Request { url: &url, header: None, body: None, ca_file: None, max_answer: MAX_ANSWER };
    let (status, told) = http_client::send(request).await?;
    Ok((status.is_success(), told.to_vec()))
}
