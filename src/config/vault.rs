//! Where the master key comes from.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use http::Uri;
use serde::{Deserialize, Serialize};

use super::{problem::Problems, value};

/// Where the master key comes from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Vault {
    /// File of the master key, mode 0600. Made on the first start. Not read where another source is set.
    pub key_file: PathBuf,
    /// Name of an environment variable that holds the master key in the form of the file.
    pub key_env: Option<String>,
    /// Command that prints the master key in the form of the file: the absolute path of the program, then its arguments.
    #[serde(deserialize_with = "value::words")]
    pub key_command: Vec<String>,
    /// Longest that the command may take.
    #[serde(with = "value::duration")]
    pub key_command_timeout: Duration,
    /// Time between two looks at the source while the server is sealed.
    #[serde(with = "value::duration")]
    pub retry_interval: Duration,
    /// A key management service that unwraps the master key.
    pub transit: Transit,
}

/// A key management service with the HTTP interface of Vault's transit engine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Transit {
    /// Address of the service. Set: the master key is kept wrapped, and unwrapped by the service.
    pub address: Option<String>,
    /// Path of the transit engine.
    pub mount: String,
    /// Name of the wrapping key in it.
    pub key: String,
    /// File with the token.
    pub token_file: Option<PathBuf>,
    /// CA of the service in PEM.
    pub ca_file: Option<PathBuf>,
    /// Longest that one call of the service may take.
    #[serde(with = "value::duration")]
    pub timeout: Duration,
    /// File of the wrapped master key. Made on the first start.
    pub wrapped_key_file: PathBuf,
}

/// The one place that the master key is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file, made on the first start.
    File(PathBuf),
    /// An environment variable of this name.
    Variable(String),
    /// The program and its arguments, with the longest time that it may take.
    Command(PathBuf, Vec<String>, Duration),
    /// `vault.transit`.
    Transit,
}

impl Default for Vault {
    fn default() -> Self {
        Self {
            key_file: PathBuf::from("master.key"),
            key_env: None,
            key_command: Vec::new(),
            key_command_timeout: Duration::from_secs(10),
            retry_interval: Duration::from_secs(10),
            transit: Transit::default(),
        }
    }
}

impl Default for Transit {
    fn default() -> Self {
        Self {
            address: None,
            mount: "transit".to_owned(),
            key: "dbkeeper".to_owned(),
            token_file: None,
            ca_file: None,
            timeout: Duration::from_secs(10),
            wrapped_key_file: PathBuf::from("master.key.wrapped"),
        }
    }
}

impl Vault {
    /// The one place that the master key is read from.
    pub fn key_source(&self) -> KeySource {
        if let Some(name) = &self.key_env {
            return KeySource::Variable(name.clone());
        }
        if let Some((program, arguments)) = self.key_command.split_first() {
            return KeySource::Command(PathBuf::from(program), arguments.to_vec(), self.key_command_timeout);
        }
        match self.transit.address {
            Some(_) => KeySource::Transit,
            None => KeySource::File(self.key_file.clone()),
        }
    }

    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        if self.key_env.as_deref().is_some_and(|name| !is_variable_name(name)) {
            problems.add(
                "vault.key_env",
                "must be the name of an environment variable such as DBKEEPER_MASTER_KEY, not the key itself: \
                 capital letters, digits and _, at most 64",
            );
        }
        if self.key_command.first().is_some_and(|program| !program.starts_with('/')) {
            problems.add(
                "vault.key_command",
                "must begin with the absolute path of a program, such as [\"/usr/local/bin/fetch-key\", \"dbkeeper\"]",
            );
        }
        let bounds = Duration::from_secs(1)..=Duration::from_secs(120);
        problems.time("vault.key_command_timeout", self.key_command_timeout, bounds.clone());
        problems.time("vault.transit.timeout", self.transit.timeout, bounds);
        let bounds = Duration::from_secs(1)..=Duration::from_secs(3600);
        problems.time("vault.retry_interval", self.retry_interval, bounds);
        self.transit.check(problems);
        let set = [
            ("vault.key_env", self.key_env.is_some()),
            ("vault.key_command", !self.key_command.is_empty()),
            ("vault.transit.address", self.transit.address.is_some()),
        ];
        let set: Vec<&str> = set.into_iter().filter(|(_, set)| *set).map(|(key, _)| key).collect();
        if let [first, others @ ..] = &set[..] {
            for other in others {
                problems.add(other, format!("must not be set together with {first}: the master key has one source"));
            }
        }
    }
}

impl Transit {
    fn check(&self, problems: &mut Problems<'_>) {
        let Some(address) = &self.address else { return };
        if !is_address(address) {
            problems.add(
                "vault.transit.address",
                "must be https://HOST:PORT without a path; http:// only for an address of this machine such as \
                 http://127.0.0.1:8200, because the token and the key would cross the network in clear",
            );
        }
        if self.token_file.is_none() {
            problems
                .add("vault.transit.token_file", "must name the file with the token, as vault.transit.address is set");
        }
        for (key, path) in [("vault.transit.mount", &self.mount), ("vault.transit.key", &self.key)] {
            let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if path.split('/').any(|part| part.is_empty() || part.starts_with('.') || !part.chars().all(legal)) {
                problems.add(key, "must be a path of letters, digits, -, _ and . with / between its parts");
            }
        }
    }
}

/// A name, not a key: a base64 key has small letters or is longer.
fn is_variable_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    (1..=64).contains(&text.len()) && text.chars().all(legal) && !text.starts_with(|c: char| c.is_ascii_digit())
}

fn is_address(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let (Some(host), Some(authority)) = (uri.host(), uri.authority()) else { return false };
    let local = || {
        let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
    };
    let bare = matches!(uri.path(), "" | "/") && uri.query().is_none() && !authority.as_str().contains('@');
    bare && (uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && local()))
}
