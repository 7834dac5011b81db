//! The `dbkeeper` command.

use std::{error::Error, io::Write as _, process::ExitCode};

use clap::Parser as _;
use dbkeeper::{
    app::{App, commands},
    cli::{self, Arguments, Command, MasterKeyCommand, health, master_key},
    config::{self, Config, Flags},
    telemetry,
};

/// Calls and streams make and drop many small things and some large ones; this allocator is quicker at it than that of glibc, and
/// gives back what was needed for a moment.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
        Command::Health(arguments) => {
            let config = config::load(&arguments.flags())?.config;
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(health::ask(&config))
        }
        Command::AdminKey(arguments) => on_runtime(&arguments.flags(), admin_key),
        Command::MasterKey(MasterKeyCommand::Export(arguments)) => {
            on_runtime(&arguments.server.flags(), |config| master_key::export(config, arguments))
        }
        Command::MasterKey(MasterKeyCommand::Import(arguments)) => {
            on_runtime(&arguments.server.flags(), |config| master_key::import(config, arguments))
        }
        Command::Serve(arguments) => on_runtime(&arguments.flags(), serve),
        Command::Quickstart(arguments) => on_runtime(&arguments.flags(), |config| quickstart(config, arguments.exit)),
    }
}

/// Loads the configuration, starts telemetry and runs a command. Work that does not end with the command is left behind
/// after it: the grace of a shutdown has passed by then.
fn on_runtime<F>(flags: &Flags, command: impl FnOnce(Config) -> F) -> Result<ExitCode, Box<dyn Error>>
where
    F: Future<Output = Result<ExitCode, Box<dyn Error>>>,
{
    let config = config::load(flags)?.config;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let guard = runtime
        .block_on(async { telemetry::start(&config.telemetry, config.metrics.listen.is_some()) })
        .map_err(|error| error as Box<dyn Error>)?;
    let outcome = runtime.block_on(command(config));
    guard.shutdown();
    runtime.shutdown_background();
    outcome
}

async fn admin_key(config: Config) -> Result<ExitCode, Box<dyn Error>> {
    let path = commands::make_admin_key(&config).await?;
    writeln!(std::io::stdout().lock(), "{}", path.display())?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: Config) -> Result<ExitCode, Box<dyn Error>> {
    let stop = cli::stop_on_signal()?;
    let app = App::start(config).await?;
    let metrics_address = app.metrics_address()?.map(tracing::field::display);
    let admin_key_file = app.admin_key_file();
    tracing::info!(address = %app.address()?, metrics_address, admin_key_file = %admin_key_file.display(), "listening");
    app.run(stop).await?;
    Ok(ExitCode::SUCCESS)
}

async fn quickstart(config: Config, exit: bool) -> Result<ExitCode, Box<dyn Error>> {
    cli::quickstart::run(config, exit, cli::stop_on_signal()?).await
}
