//! Finds the tools that fit a server, and tells them how to reach it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use crate::{
    engine::{
        postgres::connect::{Dialer, socket_file},
        reach::Checked,
        tool::{self, SECRET_PATH, ToolName, ToolRun},
    },
    model::{Detail, Error, Reason, Result, connection::TlsMode},
};

/// Where Debian keeps the programs of each major version, in `<major>/bin`.
const VERSIONED: &str = "/usr/lib/postgresql";
/// The public CAs where the settings name none.
const PUBLIC_CAS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where to look for tools, and for which server.
pub(super) struct Tools {
    directories: Vec<PathBuf>,
    major: u32,
}

impl Tools {
    pub(super) fn new(directories: Vec<PathBuf>, major: u32) -> Self {
        Self { directories, major }
    }

    /// A tool of the server's major version, else the closest newer one, with its name and version.
    /// A newer tool writes settings that an older server does not know, and an older one refuses the server.
    pub(super) async fn find(&self, program: &'static str) -> Result<(PathBuf, String)> {
        let found = self.installed(program).await?;
        if let Some(fit) = found.iter().filter(|tool| tool.major >= self.major).min_by_key(|tool| tool.major) {
            return Ok((fit.path.clone(), fit.version.clone()));
        }
        let newest = found.iter().max_by_key(|tool| tool.major).map_or("", |tool| &tool.version);
        let package = format!("postgresql-client-{}", self.major);
        let text = format!(
            "{newest} is older than the server, which is PostgreSQL {}; install a newer one with: apt-get install {package}",
            self.major
        );
        Err(Error::new(Reason::ToolTooOld, text)
            .with(Detail::Precondition {
                kind: "TOOL",
                subject: program.to_owned(),
                description: format!("apt-get install {package}"),
            })
            .with_metadata("tool", program)
            .with_metadata("package", package))
    }

    /// The newest of the installed ones: it reads what every older one wrote.
    pub(super) async fn newest(&self, program: &'static str) -> Result<PathBuf> {
        let found = self.installed(program).await?;
        let newest = found.into_iter().max_by_key(|tool| tool.major).map(|tool| tool.path);
        newest.ok_or_else(|| Error::internal(format!("{program} was found and has no version")))
    }

    /// Every installed one. TOOL_MISSING where there is none.
    async fn installed(&self, program: &'static str) -> Result<Vec<InstalledTool>> {
        let programs: &'static [&'static str] = match program {
            "pg_dump" => &["pg_dump"],
            _ => &["pg_restore"],
        };
        let name = ToolName { programs, package: "postgresql-client" };
        let mut paths: Vec<PathBuf> = self
            .directories
            .iter()
            .chain(&versioned_directories())
            .map(|directory| directory.join(program))
            .filter(|path| path.is_file())
            .collect();
        if paths.is_empty() {
            paths.push(tool::find(name, &self.directories)?);
        }
        paths.sort();
        paths.dedup();
        let mut found = Vec::new();
        for path in paths {
            let line = ToolRun::new(path.clone()).argument("--version").first_line().await?;
            if let Some((version, major)) = parse_version(program, &line) {
                found.push(InstalledTool { path, version, major });
            }
        }
        Ok(found)
    }
}

struct InstalledTool {
    path: PathBuf,
    version: String,
    major: u32,
}

/// Reads `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn parse_version(program: &str, line: &str) -> Option<(String, u32)> {
    let number = line.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    Some((format!("{program} {number}"), digits.parse().ok()?))
}

fn versioned_directories() -> Vec<PathBuf> {
    let entries = fs::read_dir(VERSIONED).into_iter().flatten().flatten();
    entries.map(|entry| entry.path().join("bin")).collect()
}

/// A run of a tool that logs in to a database under the application name. Everything that libpq would look for in a home
/// directory or guess is set; the password, the certificates and the key lie in files without a name. It dials what was
/// checked, and compares the certificate with the name.
pub(super) async fn connected(program: PathBuf, dialer: &Dialer, application_name: &str) -> Result<ToolRun> {
    let place = &dialer.place;
    let password = dialer.password.expose_secret();
    if password.contains(['\n', '\r', '\0']) {
        return Err(Error::invalid_field("password", "must be one line, for the tools read it from a line of a file"));
    }
    let escaped = Zeroizing::new(password.replace('\\', "\\\\").replace(':', "\\:"));
    let line = Zeroizing::new(format!("*:*:*:*:{}\n", escaped.as_str()).into_bytes());
    let run = with_place(ToolRun::new(program), dialer)
        .await?
        .argument("--no-password")
        .variable("HOME", "/nonexistent")
        .variable("PGPASSFILE", SECRET_PATH)
        .variable("PGPORT", place.port.to_string())
        .variable("PGUSER", &place.username)
        .variable("PGAPPNAME", application_name)
        .variable("PGCONNECT_TIMEOUT", place.timeout.as_secs().max(1).to_string())
        .variable("PGCLIENTENCODING", "UTF8")
        .variable("PGGSSENCMODE", "disable")
        .secret_file(line);
    Ok(with_tls(run, dialer))
}

/// The name with its checked address, or the folder of the checked socket.
async fn with_place(run: ToolRun, dialer: &Dialer) -> Result<ToolRun> {
    let place = &dialer.place;
    Ok(match dialer.checked().await? {
        Checked::Address(address) => run.variable("PGHOST", &place.host).variable("PGHOSTADDR", address.to_string()),
        Checked::Socket(path) => match path.parent() {
            Some(folder) if socket_file(folder, place.port) == path => run.variable("PGHOST", folder),
            // A link inside of the folder gave the socket another name, which libpq does not know how to ask for.
            _ => run.variable("PGHOST", &place.host),
        },
    })
}

fn with_tls(mut run: ToolRun, dialer: &Dialer) -> ToolRun {
    let tls = &dialer.tls;
    let mode = match tls.mode {
        TlsMode::Disabled => "disable",
        TlsMode::Required => "require",
        TlsMode::VerifyCa => "verify-ca",
        TlsMode::VerifyFull => "verify-full",
    };
    run = run.variable("PGSSLMODE", mode);
    let verifies = matches!(tls.mode, TlsMode::VerifyCa | TlsMode::VerifyFull);
    if !verifies {
        // Known to libpq 16 and later; an older one is not told and would answer.
        run = run.variable("PGREQUIREAUTH", "!password");
    }
    if verifies {
        if tls.ca_pem.is_empty() {
            run = run.variable("PGSSLROOTCERT", Path::new(PUBLIC_CAS));
        } else {
            run = with_file(run, "PGSSLROOTCERT", tls.ca_pem.as_bytes());
        }
    }
    if let Some(key) = dialer.client_key_pem.as_ref().filter(|_| !tls.client_cert_pem.is_empty()) {
        run = with_file(run, "PGSSLCERT", tls.client_cert_pem.as_bytes());
        run = with_file(run, "PGSSLKEY", key.expose_secret().as_bytes());
    }
    run
}

fn with_file(run: ToolRun, variable: &'static str, content: &[u8]) -> ToolRun {
    let path = run.next_secret_path();
    run.variable(variable, path).secret_file(Zeroizing::new(content.to_vec()))
}

/// The `--dbname` of a tool, in the one form that no name can turn into other settings.
pub(super) fn database_argument(database: &str) -> String {
    let escaped = database.replace('\\', "\\\\").replace('\'', "\\'");
    format!("--dbname=dbname='{escaped}'")
}
