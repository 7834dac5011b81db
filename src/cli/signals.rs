//! SIGTERM and Ctrl-C.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that the first SIGTERM or Ctrl-C cancels. A second one ends the process at once: whoever sends it does not want
/// to wait for the drain. The task that listens ends with the process.
pub fn stop_on_signal() -> io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = stop.clone();
    tokio::spawn(async move {
        wait_for_either(&mut terminate, &mut interrupt).await;
        tracing::info!("stopping; a second signal ends at once");
        token.cancel();
        wait_for_either(&mut terminate, &mut interrupt).await;
        std::process::exit(130);
    });
    Ok(stop)
}

async fn wait_for_either(terminate: &mut tokio::signal::unix::Signal, interrupt: &mut tokio::signal::unix::Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
