//! Where the master key comes from.

mod command;
mod file;
mod transit;

use std::{
    env, fmt,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

pub use self::{command::KeyCommand, transit::TransitKeys};
use super::keyring::MasterKeys;
use crate::model::{
    Error, Reason,
    vault::{KeySourceKind, SealReason},
};

/// Where the master key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file with mode 0600, made at the first start.
    File(PathBuf),
    /// A variable of the environment.
    Environment(String),
    /// What a command prints.
    Command(KeyCommand),
    /// A file of wrapped keys, which a key management service unwraps.
    Transit(TransitKeys),
}

/// Why a source gave no key, or did not take one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTrouble {
    /// What may be told to anybody.
    pub reason: SealReason,
    /// What the log tells: which source, and what is wrong with it.
    pub detail: String,
}

impl KeyTrouble {
    fn new(reason: SealReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// Why what a source holds does not open a store.
    pub fn unfit(reason: SealReason, source: &KeySource) -> Self {
        let what = match reason {
            SealReason::KeyMissing => "is empty, or lacks a version that the store needs",
            _ => "holds another key than that of the store",
        };
        Self::new(reason, format!("{source} {what}"))
    }

    fn because(reason: SealReason, detail: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Self::new(reason, format!("{detail}: {cause}"))
    }
}

impl fmt::Display for KeyTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for KeyTrouble {}

impl From<KeyTrouble> for Error {
    fn from(trouble: KeyTrouble) -> Self {
        Self::new(Reason::VaultSealed, trouble.reason.describe()).caused_by(trouble)
    }
}

impl KeySource {
    /// What sort of source it is.
    pub fn kind(&self) -> KeySourceKind {
        match self {
            Self::File(_) => KeySourceKind::File,
            Self::Environment(_) => KeySourceKind::Environment,
            Self::Command(_) => KeySourceKind::Command,
            Self::Transit(_) => KeySourceKind::Transit,
        }
    }

    /// True where the server can put a new key there.
    pub fn can_write(&self) -> bool {
        self.file().is_some()
    }

    /// The file that the server keeps the key in, in clear or wrapped; absent where it cannot put a key there.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Transit(transit) => Some(&transit.wrapped_key_file),
            Self::Environment(_) | Self::Command(_) => None,
        }
    }

    /// What the source holds; absent where it holds nothing.
    pub async fn read(&self) -> Result<Option<MasterKeys>, KeyTrouble> {
        let text = match self {
            Self::File(path) => file::read(path)?,
            Self::Environment(name) => match env::var(name) {
                Ok(text) => Some(Zeroizing::new(text)),
                Err(env::VarError::NotPresent) => None,
                Err(env::VarError::NotUnicode(_)) => {
                    return Err(KeyTrouble::new(SealReason::KeyMalformed, format!("the variable {name} is no text")));
                }
            },
            Self::Command(command) => command::read(command).await?,
            Self::Transit(transit) => return transit::read(transit).await,
        };
        let Some(text) = text else { return Ok(None) };
        let malformed = || KeyTrouble::new(SealReason::KeyMalformed, format!("{self} holds no master key"));
        MasterKeys::parse(&text).map(Some).ok_or_else(malformed)
    }

    /// Puts keys in the place of what the source held. They are durable when this returns.
    pub async fn write(&self, keys: &MasterKeys) -> Result<(), KeyTrouble> {
        match self {
            Self::File(path) => file::write(path, &keys.to_text()),
            Self::Transit(transit) => transit::write(transit, keys).await,
            Self::Environment(_) | Self::Command(_) => {
                let detail = format!("{self} gives no key, and the server cannot put one there");
                Err(KeyTrouble::new(SealReason::KeyMissing, detail))
            }
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the master key file {}", path.display()),
            Self::Environment(name) => write!(f, "the master key variable {name}"),
            Self::Command(command) => write!(f, "the master key command {}", command.program.display()),
            Self::Transit(transit) => write!(f, "the wrapped key file {}", transit.wrapped_key_file.display()),
        }
    }
}
