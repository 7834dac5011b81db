//! The tools of the two products, and the option file that tells them where to log in.

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use crate::{
    engine::{
        mysql::{connect::Connector, server::Server},
        reach::Checked,
        tool::{self, SECRET_PATH, ToolName, ToolRun},
    },
    model::{Result, connection::TlsMode},
};

/// Where Debian keeps the public CAs.
const PUBLIC_CAS: &str = "/etc/ssl/certs";

/// The program that dumps; that of the server's own product is looked for first.
pub(in crate::engine::mysql) fn dump_tool(server: &Server) -> ToolName {
    if server.is_mariadb() {
        ToolName { programs: &["mariadb-dump", "mysqldump"], package: "mariadb-client" }
    } else {
        ToolName { programs: &["mysqldump", "mariadb-dump"], package: "default-mysql-client" }
    }
}

/// The program that runs a dump.
pub(in crate::engine::mysql) fn client_tool(server: &Server) -> ToolName {
    if server.is_mariadb() {
        ToolName { programs: &["mariadb", "mysql"], package: "mariadb-client" }
    } else {
        ToolName { programs: &["mysql", "mariadb"], package: "default-mysql-client" }
    }
}

/// A tool that was found and told its version.
pub(super) struct Tool {
    path: PathBuf,
    /// Its name with its version.
    pub(super) version: String,
    /// It is MariaDB's, whatever its name is: Debian calls both by either name.
    pub(super) is_mariadb: bool,
}

impl Tool {
    /// Finds a tool and asks for its version.
    pub(super) async fn find(name: ToolName, directories: &[PathBuf]) -> Result<Self> {
        let path = tool::find(name, directories)?;
        let line = ToolRun::new(path.clone()).argument("--version").first_line().await?;
        Ok(Self { version: short_version(&path, &line), is_mariadb: line.contains("MariaDB"), path })
    }

    /// A run that logs in as the user of a connection. The option file must come first, so that no other one is read.
    ///
    /// The tool gets the address that was checked. Where it compares the certificate with the name of the host it must get
    /// that name, and looks it up again: it may then knock at another address, and says nothing secret there before the
    /// certificate has proved the name.
    pub(super) async fn run(&self, connector: &Connector) -> Result<ToolRun> {
        let tls = &connector.settings.tls;
        let compares_name = tls.mode == TlsMode::VerifyFull || (self.is_mariadb && tls.mode == TlsMode::VerifyCa);
        let place = match connector.checked().await? {
            Checked::Address(_) if compares_name => Place::Host(connector.settings.host.clone()),
            Checked::Address(address) => Place::Host(address.to_string()),
            // An option file is text. A path that is none is not found then.
            Checked::Socket(path) => Place::Socket(path.to_string_lossy().into_owned()),
        };
        let mut run = ToolRun::new(self.path.clone())
            .argument(format!("--defaults-file={SECRET_PATH}"))
            .secret_file(option_file(connector, &place, self.is_mariadb))
            .secret_file(Zeroizing::new(tls.ca_pem.clone().into_bytes()));
        if let (false, Some(key)) = (tls.client_cert_pem.is_empty(), &connector.client_key_pem) {
            run = run
                .secret_file(Zeroizing::new(tls.client_cert_pem.clone().into_bytes()))
                .secret_file(Zeroizing::new(key.expose_secret().as_bytes().to_vec()));
        }
        Ok(run)
    }
}

/// `mariadb-dump 10.19` of `mariadb-dump  Ver 10.19 Distrib 10.11.19-MariaDB, for ...`.
fn short_version(path: &Path, line: &str) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let after =
        |word: &str| line.split_once(word).and_then(|(_, rest)| rest.split([' ', ',']).find(|text| !text.is_empty()));
    let version = after("Distrib ").or_else(|| after(" from ")).or_else(|| after("Ver ")).unwrap_or_default();
    format!("{name} {version}")
}

/// Where a tool is sent.
enum Place {
    Host(String),
    Socket(String),
}

fn option_file(connector: &Connector, place: &Place, mariadb_tool: bool) -> Zeroizing<Vec<u8>> {
    let settings = &connector.settings;
    let mut file = Zeroizing::new(String::from("[client]\n"));
    let mut set = |option: &str, value: &str| {
        file.push_str(option);
        file.push_str("=\"");
        push_escaped(&mut file, value);
        file.push_str("\"\n");
    };
    set("user", &settings.username);
    set("password", connector.password.expose_secret());
    match place {
        Place::Host(host) => {
            set("host", host);
            set("port", &settings.port.to_string());
            // Without it `localhost` would mean a socket in the file system.
            set("protocol", "TCP");
        }
        Place::Socket(path) => {
            set("socket", path);
            set("protocol", "SOCKET");
        }
    }
    set("default-character-set", "utf8mb4");
    set("max-allowed-packet", "1G");
    // A server must not be able to ask for files of this machine. A tool that has no such option never sends any.
    set("loose-local-infile", "0");
    let mode = settings.tls.mode;
    if mariadb_tool {
        set("ssl", if mode == TlsMode::Disabled { "0" } else { "1" });
        // MariaDB's tools check the name of the host whenever they check the certificate, so VERIFY_CA is as strict as
        // VERIFY_FULL for them: a dump may be refused where a query is not, and never the other way round.
        set("ssl-verify-server-cert", if verifies(mode) { "1" } else { "0" });
    } else {
        set(
            "ssl-mode",
            match mode {
                TlsMode::Disabled => "DISABLED",
                TlsMode::Required => "REQUIRED",
                TlsMode::VerifyCa => "VERIFY_CA",
                TlsMode::VerifyFull => "VERIFY_IDENTITY",
            },
        );
    }
    if !settings.tls.ca_pem.is_empty() {
        set("ssl-ca", &tool::secret_path(1));
    } else if verifies(mode) {
        set("ssl-capath", PUBLIC_CAS);
    }
    if !settings.tls.client_cert_pem.is_empty() && connector.client_key_pem.is_some() {
        set("ssl-cert", &tool::secret_path(2));
        set("ssl-key", &tool::secret_path(3));
    }
    Zeroizing::new(file.as_bytes().to_vec())
}

fn verifies(mode: TlsMode) -> bool {
    matches!(mode, TlsMode::VerifyCa | TlsMode::VerifyFull)
}

/// Within double quotes an option file knows these escapes; everything else stands for itself.
fn push_escaped(file: &mut String, value: &str) {
    for letter in value.chars() {
        match letter {
            '\\' => file.push_str("\\\\"),
            '"' => file.push_str("\\\""),
            '\n' => file.push_str("\\n"),
            '\r' => file.push_str("\\r"),
            '\t' => file.push_str("\\t"),
            other => file.push(other),
        }
    }
}
