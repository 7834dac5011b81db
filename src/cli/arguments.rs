//! The arguments, with the help that people read.

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{self, Path, PathBuf},
};

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{Styles, styling::AnsiColor},
};

use crate::config::Flags;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  dbkeeper quickstart                         Try everything on a sample database, then keep serving
  dbkeeper serve                              Serve on 127.0.0.1:7341 with the default data directory
  dbkeeper serve --data-dir /srv/dbkeeper     Keep everything in one folder of your choice
  dbkeeper config --listen 127.0.0.1:9000     See what serve would use, and where each value comes from

A client calls with the API key in the file admin.key of the data directory:
  grpcurl -plaintext -H \"authorization: Bearer $(cat DATA_DIR/admin.key)\" \\
    127.0.0.1:7341 dbkeeper.v1.ConnectionService/ListConnections";

const SERVE_EXAMPLES: &str = "\
Examples:
  dbkeeper serve --listen 127.0.0.1:9000
  dbkeeper serve --listen 0.0.0.0:7341 --tls-certificate server.pem --tls-key server.key
  dbkeeper serve --config /etc/dbkeeper.toml --set operations.max_running=8
  dbkeeper serve --metrics-listen 127.0.0.1:7342
  DBKEEPER_TELEMETRY_LOG=debug dbkeeper serve

SIGTERM and Ctrl-C end it: calls finish, streams are told, operations are checkpointed.";

const QUICKSTART_EXAMPLES: &str = "\
Examples:
  dbkeeper quickstart                         Walk through, then keep serving until Ctrl-C
  dbkeeper quickstart --exit                  End after the walk; status 0 only if every step was right
  dbkeeper quickstart --data-dir ./try-out    Keep what it makes in a folder of your choice";

const HEALTH_EXAMPLES: &str = "\
Examples:
  dbkeeper health --metrics-listen 127.0.0.1:7342
  dbkeeper health --config /etc/dbkeeper/dbkeeper.toml

It is for container images that hold no other program which could ask. Give it what serve was given.";

const ADMIN_KEY_EXAMPLES: &str = "\
Examples:
  dbkeeper admin-key
  dbkeeper admin-key --data-dir /srv/dbkeeper

The key is an administrator's of the account default. Keys that exist stay good: revoke the lost one with
AccessService.RevokeApiKey. The command needs the master key, as the server does.";

const MASTER_KEY_EXPORT_EXAMPLES: &str = "\
Examples:
  dbkeeper master-key export --recipient age1... --output escrow.age
  dbkeeper master-key export --data-dir /srv/dbkeeper --recipients-file board.txt --output /mnt/usb/escrow.age

Each recipient alone can open the file, with dbkeeper master-key import or with age --decrypt, which prints the text of
master.key. Recipients are public keys of age-keygen. The command needs the master key, as the server does, from
whatever source the configuration names, and leaves a record in the audit log.";

const MASTER_KEY_IMPORT_EXAMPLES: &str = "\
Examples:
  dbkeeper master-key import --identity key.txt --input escrow.age
  dbkeeper master-key import --data-dir /srv/dbkeeper --identity key.txt --input /mnt/usb/escrow.age

A key that is there is never overwritten, and one that does not open the store that is there is not written.";

/// Register, inspect, migrate, back up and watch your databases through one gRPC service.
#[derive(Debug, Parser)]
#[command(name = "dbkeeper", version, styles = STYLES, after_help = EXAMPLES, max_term_width = 110)]
#[command(disable_help_subcommand = true, arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server until it is told to stop
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServerArguments),
    /// Start a server and walk through the main job on a sample SQLite database
    #[command(after_help = QUICKSTART_EXAMPLES)]
    Quickstart(QuickstartArguments),
    /// Make a new admin key where the old one was lost, while no server runs; prints the file that holds it
    #[command(after_help = ADMIN_KEY_EXAMPLES)]
    AdminKey(ServerArguments),
    /// Take the master key out to escrow, or bring it back, while no server runs
    #[command(subcommand)]
    MasterKey(MasterKeyCommand),
    /// Print the effective configuration as TOML, each value with where it comes from, secrets masked
    Config(ServerArguments),
    /// Ask a server that runs here, at its metrics.listen, whether it is ready; status 0 only if it is
    #[command(after_help = HEALTH_EXAMPLES)]
    Health(ServerArguments),
}

/// What to do with the master key.
#[derive(Debug, Subcommand)]
pub enum MasterKeyCommand {
    /// Encrypt every version of the master key to recipients of age, into a new file
    #[command(after_help = MASTER_KEY_EXPORT_EXAMPLES)]
    Export(ExportArguments),
    /// Bring the master key back out of an export, to a data directory that has lost it
    #[command(after_help = MASTER_KEY_IMPORT_EXAMPLES)]
    Import(ImportArguments),
}

/// Arguments of an export of the master key.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// Who can open the file: a public key of age-keygen; may be repeated
    #[arg(long, value_name = "age1...", required_unless_present = "recipients_file")]
    pub recipient: Vec<String>,
    /// File with a recipient a line; lines that begin with # are left out
    #[arg(long, value_name = "FILE")]
    pub recipients_file: Option<PathBuf>,
    /// File to write, which must not be there yet; mode 0600
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
    /// Which server's.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// Arguments of an import of the master key.
#[derive(Debug, Args)]
pub struct ImportArguments {
    /// File with the identity of one of the recipients, as age-keygen wrote it
    #[arg(long, value_name = "FILE")]
    pub identity: PathBuf,
    /// The export
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// Which server's.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// Arguments that say how the server runs. Each overrides the environment and the file.
#[derive(Debug, Default, Args)]
pub struct ServerArguments {
    /// Configuration file [default: dbkeeper.toml in the data directory, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of everything that the server keeps, made if it is not there
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address and port to listen on, port 0 for any free one [default: 127.0.0.1:7341]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// Accept an address that others reach although there is no TLS
    #[arg(long)]
    pub insecure: bool,
    /// Address and port of /healthz, /readyz and /metrics over plain HTTP [default: nothing listens]
    #[arg(long, value_name = "ADDR:PORT")]
    pub metrics_listen: Option<SocketAddr>,
    /// Certificate chain of the server in PEM
    #[arg(long, value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,
    /// Private key of the certificate in PEM
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// What to log: off, error, warn, info, debug, trace, or directives such as info,dbkeeper::pool=debug
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// How a log line is written [default: auto]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<Format>,
    /// Any other setting, such as operations.max_running=8; docs/configuration.md lists them
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub set: Vec<(String, String)>,
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Format {
    /// Text on a terminal, JSON elsewhere
    Auto,
    /// A line for a person
    Text,
    /// One JSON object a line
    Json,
}

/// Arguments of the quick start.
#[derive(Debug, Default, Args)]
pub struct QuickstartArguments {
    /// Folder of everything that it makes [default: a folder dbkeeper-quickstart here]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address and port to listen on, port 0 for any free one [default: 127.0.0.1:7341]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// End after the walk, with status 0 only if every step was right
    #[arg(long)]
    pub exit: bool,
}

impl ServerArguments {
    /// The arguments as a layer of the configuration. Paths are taken from the current folder.
    pub fn flags(&self) -> Flags {
        let mut flags = Flags { file: self.config.clone(), ..Flags::default() };
        for (key, value) in &self.set {
            flags.set(key, value, "--set");
        }
        let paths = [
            ("data_dir", &self.data_dir, "--data-dir"),
            ("server.tls_certificate_file", &self.tls_certificate, "--tls-certificate"),
            ("server.tls_key_file", &self.tls_key, "--tls-key"),
        ];
        for (key, path, flag) in paths {
            if let Some(path) = path {
                flags.set(key, absolute(path), flag);
            }
        }
        if let Some(listen) = self.listen {
            flags.set("server.listen", listen.to_string(), "--listen");
        }
        if let Some(listen) = self.metrics_listen {
            flags.set("metrics.listen", listen.to_string(), "--metrics-listen");
        }
        if self.insecure {
            flags.set("server.insecure", "true", "--insecure");
        }
        if let Some(log) = &self.log {
            flags.set("telemetry.log", log, "--log");
        }
        if let Some(format) = self.log_format.and_then(|format| format.to_possible_value()) {
            flags.set("telemetry.log_format", format.get_name(), "--log-format");
        }
        flags
    }
}

impl QuickstartArguments {
    /// The arguments as a layer of the configuration. The logs of the server stay out of the walk unless they matter.
    pub fn flags(&self) -> Flags {
        let data_dir = self.data_dir.clone().unwrap_or_else(|| PathBuf::from("dbkeeper-quickstart"));
        let mut flags = ServerArguments {
            data_dir: Some(data_dir),
            listen: self.listen,
            log_format: Some(Format::Text),
            ..ServerArguments::default()
        }
        .flags();
        if std::env::var_os("DBKEEPER_TELEMETRY_LOG").is_none() {
            flags.set("telemetry.log", "warn", "quickstart");
        }
        flags
    }
}

fn absolute(path: &Path) -> String {
    let absolute = path::absolute(path).unwrap_or_else(|_| path.to_owned());
    OsString::from(absolute).to_string_lossy().into_owned()
}

fn key_and_value(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE, for example operations.max_running=8")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Arguments, Command};

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_flag_reaches_the_configuration() {
        let line = "dbkeeper config --data-dir /d --listen 127.0.0.1:0 --insecure --tls-certificate /c --tls-key /k \
                    --log debug --log-format json --metrics-listen [::1]:0 --set pools.max_connections=3";
        let Command::Config(arguments) = Arguments::parse_from(line.split_whitespace()).command else {
            panic!("another command")
        };
        let config = crate::config::load(&arguments.flags()).unwrap().config;
        assert_eq!(config.data_dir, std::path::Path::new("/d"));
        assert_eq!(config.server.listen.port(), 0);
        assert!(config.server.insecure && config.server.tls());
        assert_eq!(config.metrics.listen.unwrap().to_string(), "[::1]:0");
        assert_eq!(config.telemetry.log, "debug");
        assert_eq!(config.telemetry.log_format, crate::config::LogFormat::Json);
        assert_eq!(config.pools.max_connections, 3);
    }

    #[test]
    fn a_setting_without_a_value_is_refused() {
        let error = Arguments::try_parse_from(["dbkeeper", "serve", "--set", "pools.max_connections"]).unwrap_err();
        assert!(error.to_string().contains("must be KEY=VALUE"), "{error}");
    }
}
