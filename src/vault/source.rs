//! Where the master key comes from.

use std::{
    env,
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::PathBuf,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::keyring::MasterKey;
use crate::model::{Error, Reason, Result};

/// Text before a key: what it is, the version of the format.
const PREFIX: &str = "dbkeeper-master-key:1";

/// Where the master key comes from. Its text is `dbkeeper-master-key:1:{version}:{32 bytes in base64}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file with mode 0600, made at the first start.
    File(PathBuf),
    /// A variable of the environment.
    Environment(String),
}

impl KeySource {
    /// Reads the key; absent where there is none.
    pub(super) fn read(&self) -> Result<Option<MasterKey>> {
        let text = match self {
            Self::File(path) => match fs::read_to_string(path) {
                Ok(text) => {
                    self.check_mode(path)?;
                    text
                }
                Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
                Err(cause) => return Err(self.unusable("cannot be read").caused_by(cause)),
            },
            Self::Environment(name) => match env::var(name) {
                Ok(text) => text,
                Err(env::VarError::NotPresent) => return Ok(None),
                Err(cause) => return Err(self.unusable("is not text").caused_by(cause)),
            },
        };
        parse(&Zeroizing::new(text))
            .map(Some)
            .ok_or_else(|| self.unusable("does not hold a key of the form dbkeeper-master-key:1:VERSION:BASE64"))
    }

    /// Writes a new key where there is none.
    pub(super) fn create(&self, key: MasterKey) -> Result<MasterKey> {
        let Self::File(path) = self else {
            return Err(self.unusable("is not set; set it to a key, or configure a key file, which is made by itself"));
        };
        let text = Zeroizing::new(format!("{PREFIX}:{}:{}\n", key.version, STANDARD.encode(&key.bytes[..])));
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            // The name must be durable too, before a record is sealed with the key.
            path.parent().map_or(Ok(()), |parent| fs::File::open(parent)?.sync_all())
        };
        write().map_err(|cause| self.unusable("cannot be written").caused_by(cause))?;
        Ok(key)
    }

    fn check_mode(&self, path: &PathBuf) -> Result<()> {
        let mode =
            fs::metadata(path).map_err(|cause| self.unusable("cannot be read").caused_by(cause))?.permissions().mode();
        if mode & 0o077 == 0 {
            return Ok(());
        }
        Err(self.unusable("can be read by others; run chmod 600 on it"))
    }

    fn unusable(&self, what: &str) -> Error {
        let source = match self {
            Self::File(path) => format!("the master key file {}", path.display()),
            Self::Environment(name) => format!("the master key variable {name}"),
        };
        Error::new(Reason::VaultSealed, format!("{source} {what}"))
    }
}

fn parse(text: &str) -> Option<MasterKey> {
    let (version, encoded) = text.trim().strip_prefix(PREFIX)?.strip_prefix(':')?.split_once(':')?;
    let version = version.parse().ok().filter(|version| *version > 0)?;
    let bytes = Zeroizing::new(STANDARD.decode(encoded).ok()?);
    Some(MasterKey { version, bytes: Zeroizing::new(bytes.as_slice().try_into().ok()?) })
}
