//! Ids that were checked once, when they came in. Code that holds one need not check it again.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};

/// Longest id in characters.
pub const MAX_ID_LENGTH: usize = 63;

fn is_id(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= MAX_ID_LENGTH
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes an id of the form `[a-z][a-z0-9-]{0,62}`; `field` names it in the error.
            pub fn parse(text: &str, field: &str) -> Result<Self> {
                if is_id(text) {
                    return Ok(Self(text.to_owned()));
                }
                Err(Error::invalid_field(
                    field,
                    "must be 1 to 63 characters: a lower-case letter, then lower-case letters, digits or '-'",
                ))
            }

            /// A new id that sorts by the time it was made.
            pub fn generate() -> Self {
                Self(format!("{}{}", $prefix, ulid::Ulid::generate().to_string().to_ascii_lowercase()))
            }

            /// An id that this server stored before, so that it was checked then.
            pub fn from_stored(text: String) -> Self {
                Self(text)
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id_type!(/// Whose resources these are. It comes from the caller's key alone.
    AccountId, "a-");
id_type!(/// A registered database: the last part of `connections/{id}`.
    ConnectionId, "c-");
id_type!(/// A set of migrations: the last part of `migrationSets/{id}`.
    MigrationSetId, "m-");
id_type!(/// A backup: the last part of `connections/{id}/backups/{id}`.
    BackupId, "b-");
id_type!(/// A long-running operation: the last part of `operations/{id}`.
    OperationId, "o-");

/// The public part of an API key: the last part of `accounts/{id}/apiKeys/{id}`. Made by the server, 16 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiKeyId(String);

impl ApiKeyId {
    /// How many hex digits an id has.
    pub const LENGTH: usize = 16;

    /// Takes an id; `field` names it in the error.
    pub fn parse(text: &str, field: &str) -> Result<Self> {
        let well_formed =
            text.len() == Self::LENGTH && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if well_formed {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::invalid_field(field, "the id of an API key is 16 lower-case hex digits"))
    }

    /// An id that this server stored or made itself.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of one call, in every log line and every error of it: the caller's own
/// `x-request-id` where that is 1 to 64 printable ASCII characters, else made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// Takes the caller's id where it is usable.
    pub fn parse(text: &str) -> Option<Self> {
        let usable = !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
        usable.then(|| Self(text.to_owned()))
    }

    /// A new id.
    pub fn generate() -> Self {
        Self(ulid::Ulid::generate().to_string().to_ascii_lowercase())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
