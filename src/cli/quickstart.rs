//! The quick start: a server on a data directory of its own, and a walk through the main job on a sample database.
//!
//! The walk is a client of that server like any other: what it does, it does by calls, and shows for each the command
//! that makes the same call. `walk` has the steps in order, `steps` what each does and what must come of it, `place`
//! the names that a walk takes; `sample` makes the database, `contents` reads what is compared; `follow` shows an
//! operation at work; `screen`, `present` and `command` are the paper that all of it is written on.

mod command;
mod contents;
mod follow;
mod place;
mod present;
pub mod sample;
mod screen;
mod steps;
mod walk;

use std::{error::Error, net::SocketAddr, path::Path, process::ExitCode};

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use self::{
    command::Commands,
    place::Place,
    screen::Screen,
    walk::{Failure, Walk},
};
use super::dialled;
use crate::{app::App, config::Config, grpc::client::Client};

/// How a walk ended.
enum Outcome {
    /// Every step was right.
    Right,
    /// A step was not.
    Wrong,
    /// It was told to stop before.
    Stopped,
}

/// Serves and walks. With `exit` it ends after the walk, else when it is told to stop. The code is 0 where every step
/// was right, and where a walk that may be left was left.
pub async fn run(config: Config, exit: bool, stop: CancellationToken) -> Result<ExitCode, Box<dyn Error>> {
    if config.server.tls() {
        return Err("the quick start serves in clear; unset server.tls_certificate_file and server.tls_key_file".into());
    }
    let screen = Screen::of_standard_output();
    let app = App::start(config.clone()).await?;
    let address = dialled(app.address()?);

    let serving = async {
        let served = app.run(stop.clone()).await;
        stop.cancel();
        served
    };
    let walking = async {
        let outcome = tokio::select! {
            biased;
            () = stop.cancelled() => Ok(Outcome::Stopped),
            outcome = Box::pin(walk(&screen, &config, address)) => outcome,
        };
        let outcome = outcome.and_then(|outcome| {
            if !exit && !matches!(outcome, Outcome::Stopped) {
                invite(&screen, &config, address)?;
            }
            Ok(outcome)
        });
        if exit || outcome.is_err() {
            stop.cancel();
        }
        stop.cancelled().await;
        if !exit && outcome.is_ok() {
            screen.paragraph("Stopping: open calls come to their end; a second Ctrl-C does not wait for them.")?;
        }
        outcome
    };
    let (served, outcome) = tokio::join!(serving, walking);
    served?;
    match outcome? {
        Outcome::Right => Ok(ExitCode::SUCCESS),
        Outcome::Stopped if !exit => Ok(ExitCode::SUCCESS),
        Outcome::Wrong | Outcome::Stopped => Ok(ExitCode::FAILURE),
    }
}

/// Takes the walk and tells of the first step that was wrong. An error: the output is gone.
async fn walk(screen: &Screen, config: &Config, address: SocketAddr) -> Result<Outcome, Failure> {
    screen.title("dbkeeper quick start")?;
    let reach = if config.server.listen.ip().is_loopback() { "for this machine only" } else { "for all who reach it" };
    screen.facts(&[
        ("server", format!("{address}, in clear, {reach}")),
        ("data", config.data_dir.display().to_string()),
        ("admin key", config.admin_key_file().display().to_string()),
    ])?;
    screen.paragraph(
        "Each step shows the command that makes the same call, then the answer. While the server runs, the commands can \
         be pasted into another terminal, again and again.",
    )?;
    let outcome = async {
        let client = client(address, &config.admin_key_file())?;
        let place = Place::find(config, &client).await?;
        let commands = Commands::new(address, &config.admin_key_file(), screen.inner_width());
        Walk::new(screen, place, client, commands).run().await
    };
    match outcome.await {
        Ok(()) => {
            screen.paragraph("Every step was right.")?;
            Ok(Outcome::Right)
        }
        Err(Failure::Wrong(text)) => {
            screen.wrong(&text)?;
            screen.paragraph("The walk ends at this step.")?;
            Ok(Outcome::Wrong)
        }
        Err(gone @ Failure::Output(_)) => Err(gone),
    }
}

fn client(address: SocketAddr, key_file: &Path) -> Result<Client, Failure> {
    let key = std::fs::read_to_string(key_file).map_err(|cause| {
        Failure::Wrong(format!(
            "the admin key in {} cannot be read ({cause}); take another --data-dir, where a new one is made",
            key_file.display()
        ))
    })?;
    Ok(Client::new(&format!("http://{address}"), None)?.with_key(&SecretString::from(key.trim()))?)
}

fn invite(screen: &Screen, config: &Config, address: SocketAddr) -> Result<(), Failure> {
    let text = format!(
        "The server goes on serving on {address} until Ctrl-C. The admin key lies in {}; send it as \
         `authorization: Bearer KEY`. Everything is in {}: remove it to start anew.",
        config.admin_key_file().display(),
        config.data_dir.display()
    );
    Ok(screen.paragraph(&text)?)
}
