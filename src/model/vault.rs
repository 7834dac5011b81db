//! The master key as it is stored and told of: by its versions, never by its bytes.

use super::time::Timestamp;

/// Length of the check value of a master key in bytes.
pub const KEY_CHECK_LENGTH: usize = 32;

/// Where a version of the master key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MasterKeyState {
    /// New records are sealed with it.
    Current,
    /// A newer one is current; records that are sealed with it are still there and are read.
    Reading,
    /// No record is sealed with it, and none can be stored any more.
    Retired,
}

impl MasterKeyState {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Reading => "reading",
            Self::Retired => "retired",
        }
    }

    /// Reads what `as_str` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Current, Self::Reading, Self::Retired].into_iter().find(|state| state.as_str() == text)
    }
}

/// A version of the master key, as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterKeyVersion {
    /// Counts the rotations, from 1.
    pub version: u32,
    /// Where it stands.
    pub state: MasterKeyState,
    /// Tells the right key from a wrong one, and tells nothing else of it.
    pub key_check: [u8; KEY_CHECK_LENGTH],
    /// When it became current.
    pub created: Timestamp,
    /// When it was retired.
    pub retired: Option<Timestamp>,
}

/// Where the master key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySourceKind {
    /// A file.
    File,
    /// A variable of the environment.
    Environment,
    /// A command that prints it.
    Command,
    /// A file of wrapped keys, which a key management service unwraps.
    Transit,
}

/// Why a vault cannot open anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealReason {
    /// The source has no key, or lacks a version, and the store holds records of it.
    KeyMissing,
    /// The source has a key that is not the one of this store.
    KeyWrong,
    /// Others may read the file of the key.
    KeyExposed,
    /// What the source gives is no master key.
    KeyMalformed,
    /// The source cannot be read.
    SourceUnavailable,
}

impl SealReason {
    /// What is wrong and what to do. Says nothing of where things lie: it is told to callers that nobody knows.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::KeyMissing => {
                "the master key, or a version of it, is missing and the store holds records that only it opens; \
                 put the key back where the configuration says, where a running server finds it by itself; \
                 or call Unseal with it"
            }
            Self::KeyWrong => {
                "the master key is not the one of this store; nothing was changed; put the right key where the \
                 configuration says, where a running server finds it by itself; or call Unseal with it"
            }
            Self::KeyExposed => {
                "others can read the file of the master key; run chmod 600 on it, which a running server notices \
                 by itself, and think of who may have read it; or call Unseal with the key"
            }
            Self::KeyMalformed => {
                "what stands in the place of the master key is no master key of the form \
                 dbkeeper-master-key:1:VERSION:BASE64; put the key back, which a running server notices by itself; \
                 or call Unseal with it"
            }
            Self::SourceUnavailable => {
                "the master key cannot be read from its source; the server's log has the cause; mend it, which a \
                 running server notices by itself; or call Unseal with the key"
            }
        }
    }
}
