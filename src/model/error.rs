//! The one error of the whole crate.
//!
//! `message` and `details` are public: they never hold an internal cause, a secret
//! or a path of the server. The cause lives in `source` and goes to the log only.
//! `grpc/status.rs` is the only place that turns this into a gRPC status.

mod reason;

use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

use serde::{Deserialize, Serialize};

pub use reason::{ErrorKind, Reason};

/// A result with the crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a statement failed on the database that it was meant for. Empty strings and
/// zeroes mean that the engine did not say. Same fields as the message of the contract.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementFailure {
    /// File that the statement stands in.
    pub file: String,
    /// Position of the statement in its file, from 1.
    pub statement_index: u32,
    /// Statements of the file in this direction.
    pub statement_count: u32,
    /// Line of the file, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// SQLSTATE.
    pub sql_state: String,
    /// Error number of the vendor.
    pub vendor_code: i32,
    /// The statement, cut to 2,000 characters.
    pub statement: String,
    /// What the database answered.
    pub message: String,
    /// How to go on.
    pub hint: String,
}

/// A further fact about an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// A field of the request is at fault (BadRequest).
    Field {
        /// Path of the field.
        field: String,
        /// What it must be.
        description: String,
    },
    /// Something has to be changed first (PreconditionFailure).
    Precondition {
        /// What sort of thing, in UPPER_SNAKE.
        kind: &'static str,
        /// Which thing.
        subject: String,
        /// What has to be done.
        description: String,
    },
    /// When a repeat makes sense (RetryInfo).
    RetryAfter(Duration),
    /// The resource in question (ResourceInfo).
    Resource {
        /// Type, for example `connection`.
        kind: &'static str,
        /// Name, for example `connections/x`.
        name: String,
    },
    /// A limit that is reached (QuotaFailure).
    Quota {
        /// What is limited.
        subject: String,
        /// The limit and the use.
        description: String,
    },
    /// A named fact (metadata of ErrorInfo).
    Metadata(&'static str, String),
    /// The statement that failed.
    Statement(StatementFailure),
}

/// The crate's error: a reason, a public message, details, and the cause for the log.
pub struct Error(Box<Inner>);

struct Inner {
    reason: Reason,
    message: Cow<'static, str>,
    details: Vec<Detail>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error with its public message: what is wrong, where, and what to do.
    pub fn new(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner { reason, message: message.into(), details: Vec::new(), source: None }))
    }

    /// One field of the request is at fault.
    pub fn invalid_field(field: &str, description: impl Into<String>) -> Self {
        let description = description.into();
        Self::new(Reason::InvalidField, format!("{field}: {description}"))
            .with(Detail::Field { field: field.to_owned(), description })
    }

    /// Several fields of the request are at fault. `violations` holds (field, description) and is not empty.
    pub fn invalid_fields(violations: Vec<(String, String)>) -> Self {
        let text = violations
            .iter()
            .map(|(field, description)| format!("{field}: {description}"))
            .collect::<Vec<_>>()
            .join("; ");
        violations.into_iter().fold(Self::new(Reason::InvalidField, text), |error, (field, description)| {
            error.with(Detail::Field { field, description })
        })
    }

    /// A resource does not exist for this caller.
    pub fn not_found(reason: Reason, kind: &'static str, name: impl Into<String>) -> Self {
        let name = name.into();
        Self::new(reason, format!("{kind} {name:?} does not exist")).with(Detail::Resource { kind, name })
    }

    /// A resource is no longer as the caller has seen it.
    pub fn etag_mismatch(kind: &'static str, name: impl Into<String>) -> Self {
        let name = name.into();
        Self::new(Reason::EtagMismatch, format!("{name} has changed since it was read; read it again and repeat"))
            .with(Detail::Resource { kind, name })
    }

    /// A page token that was not made for this list.
    pub fn page_token_invalid() -> Self {
        const CURE: &str = "was not made by this server for this caller and this list; begin again without one";
        Self::new(Reason::PageTokenInvalid, format!("page_token {CURE}"))
            .with(Detail::Field { field: "page_token".to_owned(), description: CURE.to_owned() })
    }

    /// A database that is to be restored into holds something. `message` says what.
    pub fn target_not_empty(database: &str, message: String) -> Self {
        Self::new(Reason::TargetNotEmpty, message).with_metadata("database", database).with(Detail::Precondition {
            kind: "EMPTY",
            subject: database.to_owned(),
            description: "restore into a new or an empty database".to_owned(),
        })
    }

    /// A fault of our own. The public text says only that the log has more.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Reason::Internal, "internal error; the server's log has the cause under this request id")
            .caused_by(source)
    }

    /// The engine lacks an ability.
    pub fn unsupported(engine: &str, ability: &str) -> Self {
        Self::new(Reason::EngineUnsupported, format!("{engine} does not support {ability}"))
    }

    /// The operation or call was asked to stop.
    pub fn cancelled() -> Self {
        Self::new(Reason::Cancelled, "cancelled")
    }

    /// Says which message of the request the fields at fault stand in, for a rule that knows only that message.
    #[must_use]
    pub fn within(mut self, message: &str) -> Self {
        for detail in &mut self.0.details {
            if let Detail::Field { field, .. } = detail {
                *field = format!("{message}.{field}");
            }
        }
        self
    }

    /// The same error for another caller who waits for the same. The cause stays with the first.
    #[must_use]
    pub fn repeat(&self) -> Self {
        Self(Box::new(Inner {
            reason: self.0.reason,
            message: self.0.message.clone(),
            details: self.0.details.clone(),
            source: None,
        }))
    }

    /// Adds a detail.
    #[must_use]
    pub fn with(mut self, detail: Detail) -> Self {
        self.0.details.push(detail);
        self
    }

    /// Adds a named fact.
    #[must_use]
    pub fn with_metadata(self, key: &'static str, value: impl Into<String>) -> Self {
        self.with(Detail::Metadata(key, value.into()))
    }

    /// Adds the cause, for the log only.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Puts words before the message, such as which of several things failed.
    #[must_use]
    pub fn context(mut self, prefix: impl fmt::Display) -> Self {
        self.0.message = Cow::Owned(format!("{prefix}: {}", self.0.message));
        self
    }

    /// The reason.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// The sort of error.
    pub fn kind(&self) -> ErrorKind {
        self.0.reason.kind()
    }

    /// The public message.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The details.
    pub fn details(&self) -> &[Detail] {
        &self.0.details
    }

    /// The statement that failed, where one did.
    pub fn statement(&self) -> Option<&StatementFailure> {
        self.0.details.iter().find_map(|detail| match detail {
            Detail::Statement(failure) => Some(failure),
            _ => None,
        })
    }

    /// The value of a named fact, where there is one.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.0.details.iter().find_map(|detail| match detail {
            Detail::Metadata(name, value) if *name == key => Some(value.as_str()),
            _ => None,
        })
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("reason", &self.0.reason.as_str())
            .field("message", &self.0.message)
            .field("details", &self.0.details)
            .field("source", &self.0.source.as_ref().map(|source| source.to_string()))
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.reason.as_str(), self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| source.as_ref() as &(dyn StdError + 'static))
    }
}
