//! Turns what SQLite answers into our errors.

use crate::model::{Error, Reason};

/// Primary result codes, the low byte of an extended one.
mod code {
    pub(super) const PERM: i32 = 3;
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const READONLY: i32 = 8;
    pub(super) const INTERRUPT: i32 = 9;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANTOPEN: i32 = 14;
    pub(super) const AUTH: i32 = 23;
    pub(super) const NOTADB: i32 = 26;
}

/// The extended result code; 0 where it is no answer of SQLite.
pub(super) fn extended_code(error: &sqlx::Error) -> i32 {
    let code = error.as_database_error().and_then(|answer| answer.code());
    code.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn primary_code(error: &sqlx::Error) -> i32 {
    extended_code(error) & 0xff
}

/// Another connection holds a lock that stands in the way; a repeat may work.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), code::BUSY | code::LOCKED)
}

/// The progress handler stopped the statement.
pub(super) fn is_interrupted(error: &sqlx::Error) -> bool {
    primary_code(error) == code::INTERRUPT
}

/// [`super::confine`] refused the statement.
pub(super) fn is_denied(error: &sqlx::Error) -> bool {
    primary_code(error) == code::AUTH
}

/// The file is no database, or a damaged one.
pub(super) fn is_damaged(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), code::CORRUPT | code::NOTADB)
}

/// What SQLite said, without the code.
pub(super) fn message(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), |answer| answer.message().to_owned())
}

/// An error of opening or of a query of ours. `doing` says what was tried, such as `cannot read the schema`.
pub(super) fn from_sqlx(error: sqlx::Error, doing: &str) -> Error {
    let extended = extended_code(&error);
    let (reason, text, hint) = classify(extended & 0xff, &error);
    Error::new(reason, format!("{doing}: {text}"))
        .with_metadata("vendor_code", extended.to_string())
        .with_metadata("hint", hint)
        .caused_by(error)
}

fn classify(primary: i32, error: &sqlx::Error) -> (Reason, String, &'static str) {
    match primary {
        code::BUSY | code::LOCKED => (
            Reason::LockTimeout,
            "another connection holds the lock of this database".to_owned(),
            "end the other transaction, or try again",
        ),
        code::INTERRUPT => (
            Reason::StatementTimeout,
            "the statement ran longer than it may".to_owned(),
            "raise pool.statement_timeout",
        ),
        code::CORRUPT => {
            (Reason::DatabaseUnreachable, "the database file is damaged".to_owned(), "restore it from a backup")
        }
        code::NOTADB => (
            Reason::DatabaseUnknown,
            "the file is no SQLite database, or it is encrypted".to_owned(),
            "name the file of an SQLite database",
        ),
        code::FULL => (Reason::StorageFull, "the disk is full".to_owned(), "free space on the disk"),
        code::PERM | code::READONLY | code::CANTOPEN | code::AUTH => (
            Reason::PrivilegeMissing,
            "dbkeeper's user may not read or write the file or its folder".to_owned(),
            "change the owner or the mode of the file and its folder",
        ),
        0 => (Reason::DatabaseUnreachable, "SQLite did not answer".to_owned(), "try again"),
        _ => (Reason::DatabaseUnreachable, message(error), ""),
    }
}

/// A fault of reading or writing a file of ours. A full disk has a reason of its own.
pub(super) fn from_io(error: std::io::Error, doing: &str) -> Error {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            Error::new(Reason::StorageFull, format!("{doing}: the disk is full; free space on it")).caused_by(error)
        }
        std::io::ErrorKind::PermissionDenied => Error::new(
            Reason::PrivilegeMissing,
            format!("{doing}: dbkeeper's user may not write in that folder; change its owner or mode"),
        )
        .caused_by(error),
        _ => Error::internal(error).context(doing),
    }
}
