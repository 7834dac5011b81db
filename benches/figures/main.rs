//! The figures of `docs/performance.md`, measured on the release binary with real servers.
//!
//! Each is a ratio to a peer or to a floor that is measured in the same run, in turns with dbkeeper, so that a busy
//! machine disturbs both. What counts is the best of the rounds: the round that was disturbed least.

#![expect(clippy::expect_used, reason = "a figure that cannot be taken ends the run, and says why")]
#![expect(clippy::print_stdout, reason = "the figures are printed")]

mod access;
mod backup;
mod calls;
mod echo;
mod harness;
mod health;
mod idle;
mod migrations;
mod pools;
mod report;
mod schema;
mod schema_engines;
mod server;
mod vault;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

/// Measures speed and memory of dbkeeper against peers and floors.
#[derive(Parser)]
struct Arguments {
    /// End with status 1 where a target is missed.
    #[arg(long)]
    strict: bool,
    /// What to measure; nothing: everything.
    areas: Vec<Area>,
    /// Be the peer of `calls`: answer every GetConnection with this message, in hex.
    #[arg(long, hide = true)]
    echo: Option<String>,
    /// What cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Area {
    Calls,
    Schema,
    Engines,
    Migrations,
    Backup,
    Idle,
    Access,
    Health,
    Pools,
    Vault,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(answer) = &arguments.echo {
        echo::serve(answer).await;
        return ExitCode::SUCCESS;
    }
    let areas = if arguments.areas.is_empty() { Area::value_variants() } else { &arguments.areas };
    let mut figures = Vec::new();
    for area in areas {
        report::announce(*area);
        figures.extend(match area {
            Area::Calls => calls::measure().await,
            Area::Schema => schema::measure().await,
            Area::Engines => schema_engines::measure().await,
            Area::Migrations => migrations::measure().await,
            Area::Backup => backup::measure().await,
            Area::Idle => idle::measure().await,
            Area::Access => access::measure().await,
            Area::Health => health::measure().await,
            Area::Pools => pools::measure().await,
            Area::Vault => vault::measure().await,
        });
    }
    let missed = report::print(&figures);
    if arguments.strict && missed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
