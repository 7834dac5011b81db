//! Where the master key comes from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::problem::Problems;

/// Where the master key comes from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Vault {
    /// File of the master key, mode 0600. Made on the first start. Not read where `key_env` is set.
    pub key_file: PathBuf,
    /// Name of an environment variable that holds the master key in base64.
    pub key_env: Option<String>,
}

/// The one place that the master key is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file, made on the first start.
    File(PathBuf),
    /// An environment variable of this name.
    Variable(String),
}

impl Default for Vault {
    fn default() -> Self {
        Self { key_file: PathBuf::from("master.key"), key_env: None }
    }
}

impl Vault {
    /// The one place that the master key is read from.
    pub fn key_source(&self) -> KeySource {
        match &self.key_env {
            Some(name) => KeySource::Variable(name.clone()),
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
    }
}

/// A name, not a key: a base64 key has small letters or is longer.
fn is_variable_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    (1..=64).contains(&text.len()) && text.chars().all(legal) && !text.starts_with(|c: char| c.is_ascii_digit())
}
