//! The walk itself: the steps in order, and what each of them works with.

use std::{
    fmt, io,
    time::{Duration, Instant},
};

use super::{command::Commands, place::Place, screen::Screen, steps};
use crate::{
    grpc::{
        client::{Client, ClientError},
        json::Request,
    },
    model,
};

/// Steps of the walk.
const STEPS: usize = 10;
/// Longest wait for the answer of a call that does not stream.
const CALL_DEADLINE: Duration = Duration::from_secs(60);

/// Why a walk did not come to its end.
#[derive(Debug)]
pub(super) enum Failure {
    /// The result of a step was not right.
    Wrong(String),
    /// Nothing can be shown any more.
    Output(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong(text) => f.write_str(text),
            Self::Output(cause) => write!(f, "cannot write the output: {cause}"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(cause: io::Error) -> Self {
        Self::Output(cause)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Wrong(error.to_string())
    }
}

impl From<model::Error> for Failure {
    fn from(error: model::Error) -> Self {
        Self::Wrong(crate::telemetry::chain(&error).to_string())
    }
}

/// What the steps work with.
pub(super) struct Walk<'a> {
    /// Where it is shown.
    pub(super) screen: &'a Screen,
    /// The sample and what is made of it.
    pub(super) place: Place,
    /// A client with the admin key.
    client: Client,
    commands: Commands,
    begun: Instant,
    number: usize,
}

impl<'a> Walk<'a> {
    /// A walk through the server that `client` calls.
    pub(super) fn new(screen: &'a Screen, place: Place, client: Client, commands: Commands) -> Self {
        Self { screen, place, client, commands, begun: Instant::now(), number: 0 }
    }

    /// Takes every step, until one is not right.
    pub(super) async fn run(mut self) -> Result<(), Failure> {
        steps::connection::register(&mut self).await?;
        steps::connection::test(&mut self).await?;
        steps::schema::list_tables(&mut self).await?;
        steps::migration::import(&mut self).await?;
        steps::migration::apply(&mut self).await?;
        steps::monitor::watch(&mut self).await?;
        let backup = steps::backup::create(&mut self).await?;
        steps::backup::verify(&mut self, &backup).await?;
        steps::backup::restore(&mut self, &backup).await?;
        steps::compare::compare(&mut self).await
    }

    /// For calls that answer once.
    pub(super) fn calls(&self) -> Client {
        self.client.clone().with_deadline(CALL_DEADLINE)
    }

    /// For calls that stream for as long as it takes.
    pub(super) fn streams(&self) -> &Client {
        &self.client
    }

    /// Begins the next step.
    pub(super) fn step(&mut self, title: &str, text: &str) -> io::Result<()> {
        self.number += 1;
        self.begun = Instant::now();
        self.screen.step(self.number, STEPS, title, text)
    }

    /// Shows the command that makes a call.
    pub(super) fn show(&self, method: &str, request: &impl Request) -> Result<(), Failure> {
        let method = format!("dbkeeper.v1.{method}");
        let command = self.commands.call(&method, &request.to_json(&method)?);
        Ok(self.screen.command(&command)?)
    }

    /// Writes a request that is too long for a command into a file, and shows the command that reads it.
    pub(super) fn show_with_file(&self, method: &str, request: &impl Request) -> Result<(), Failure> {
        let method = format!("dbkeeper.v1.{method}");
        let file = self.place.request_file();
        std::fs::write(&file, request.to_json(&method)?)?;
        Ok(self.screen.command(&self.commands.call_with_file(&method, &file))?)
    }

    /// Ends a step whose result was right.
    pub(super) fn right(&self, text: &str) -> io::Result<()> {
        self.screen.right(&format!("{text} ({})", super::present::time(self.begun.elapsed())))
    }
}

/// Fails the step with what is wrong unless it is right.
pub(super) fn ensure(right: bool, wrong: impl FnOnce() -> String) -> Result<(), Failure> {
    if right { Ok(()) } else { Err(Failure::Wrong(wrong())) }
}
