//! The `dbkeeper` command.

use std::{error::Error, io::Write as _, process::ExitCode};

use clap::Parser as _;
use dbkeeper::{
    cli::{Arguments, Command},
    config, telemetry,
};

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            // The last words of a process whose logs may not have been set up.
            let _ = writeln!(std::io::stderr(), "dbkeeper: {}", telemetry::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<ExitCode, Box<dyn Error>> {
    match command {
        Command::Config(arguments) => {
            write!(std::io::stdout().lock(), "{}", config::load(&arguments.flags())?)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Serve(_) | Command::Quickstart(_) => Err("this command is not wired up yet".into()),
    }
}
