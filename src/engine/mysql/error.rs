//! Words what the driver and the server say: a reason, what to do, SQLSTATE and number.

use std::{io, time::Duration};

use sqlx::mysql::MySqlDatabaseError;

use crate::{
    engine::{
        mysql::connect::destination,
        reach::{self, Destination, Unreached},
    },
    model::{
        Detail, Error, Reason, StatementFailure,
        connection::{ConnectionSettings, TlsMode},
    },
};

/// How soon a repeat makes sense where a limit was reached.
const RETRY_SOON: Duration = Duration::from_secs(1);

/// What is wrong and what to do where TLS is demanded.
const TLS_REQUIRED: (&str, &str) = (
    "the server demands TLS and the connection does not use it",
    "set tls.mode to TLS_MODE_VERIFY_FULL, with tls.ca_pem where the CA is your own",
);

/// The server's own words about an error, where it was the server that answered.
pub(super) fn server_error(error: &sqlx::Error) -> Option<&MySqlDatabaseError> {
    match error {
        sqlx::Error::Database(database) => database.try_downcast_ref::<MySqlDatabaseError>(),
        _ => None,
    }
}

/// Number that the server gave, where it was the server that answered.
pub(super) fn vendor_code(error: &sqlx::Error) -> Option<u16> {
    server_error(error).map(MySqlDatabaseError::number)
}

/// A lock time-out or a deadlock: a repeat may work.
pub(super) fn is_lock_conflict(error: &sqlx::Error) -> bool {
    matches!(vendor_code(error), Some(1205 | 1213))
}

/// The server ended the statement because another session asked it to.
pub(super) fn is_interrupted(error: &sqlx::Error) -> bool {
    vendor_code(error) == Some(1317)
}

/// An error while a connection is made.
pub(super) fn while_connecting(error: sqlx::Error, settings: &ConnectionSettings) -> Error {
    let place = destination(settings);
    match &error {
        sqlx::Error::Database(_) => from_server(error, settings),
        sqlx::Error::Tls(cause) => tls(&cause.to_string(), &place).caused_by(error),
        sqlx::Error::Io(cause) => while_dialling(cause, &place).caused_by(error),
        sqlx::Error::Protocol(_) | sqlx::Error::Configuration(_) => hinted(
            Reason::DatabaseUnreachable,
            format!("what answers at {place} does not speak the protocol of MySQL in a way that can be used"),
            "check host and port, and the authentication plugin of the user: caching_sha2_password needs TLS",
        )
        .caused_by(error),
        _ => while_using(error, settings),
    }
}

fn while_dialling(cause: &io::Error, place: &Destination) -> Error {
    // A failed handshake reaches us as an input error with the words of the TLS library.
    if cause.kind() == io::ErrorKind::InvalidData || cause.to_string().contains("certificate") {
        return tls(&cause.to_string(), place);
    }
    hinted(Reason::DatabaseUnreachable, format!("no connection to {place}: {}", cause.kind()), place.cure())
}

fn tls(cause: &str, place: &Destination) -> Error {
    if cause.contains("does not support TLS") {
        return hinted(
            Reason::TlsUnavailable,
            format!("the connection demands TLS and the server at {place} has none"),
            "give the server a certificate (ssl_cert, ssl_key), or set tls.mode to TLS_MODE_DISABLED",
        );
    }
    hinted(
        Reason::CertificateInvalid,
        format!("the TLS handshake with {place} failed: {cause}"),
        "check tls.ca_pem, and that the certificate is for the host that is dialled",
    )
}

/// The database was not reached, or broke the rules of a login.
pub(super) fn unreached(failure: Unreached, settings: &ConnectionSettings) -> Error {
    let (host, place) = (&settings.host, destination(settings));
    match failure {
        Unreached::HostUnusable(why) => hinted(Reason::HostUnknown, format!("the host {host:?} cannot be used"), why),
        Unreached::HostUnknown(cause) => {
            let unknown = hinted(
                Reason::HostUnknown,
                format!("the host name {host:?} has no address"),
                "check the spelling of host and the name service of dbkeeper's machine",
            );
            match cause {
                Some(cause) => unknown.caused_by(cause),
                None => unknown,
            }
        }
        Unreached::Forbidden(why) => reach::forbidden(&place, why),
        Unreached::NoAnswer(cause) => while_dialling(&cause, &place).caused_by(cause),
        Unreached::Refused(refusal) => reach::refused(&place, refusal),
    }
}

/// Look-up, dial and authentication took too long.
pub(super) fn connect_timeout(settings: &ConnectionSettings, limit: Duration) -> Error {
    hinted(
        Reason::ConnectTimeout,
        format!("{} did not answer within {} s", destination(settings), limit.as_secs_f32()),
        "check that this is a MySQL or MariaDB server and that no firewall drops the packets",
    )
}

/// An error while a connection is used.
pub(super) fn while_using(error: sqlx::Error, settings: &ConnectionSettings) -> Error {
    match &error {
        sqlx::Error::Database(_) => from_server(error, settings),
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed => hinted(
            Reason::DatabaseUnreachable,
            format!("the connection to {} broke", destination(settings)),
            "repeat the call; where it happens again, look at the server's log",
        )
        .caused_by(error),
        _ => Error::internal(error),
    }
}

fn from_server(error: sqlx::Error, settings: &ConnectionSettings) -> Error {
    let Some(said) = server_error(&error) else {
        return Error::internal(error);
    };
    let (number, state, message) =
        (said.number(), said.code().unwrap_or_default().to_owned(), said.message().to_owned());
    let user = &settings.username;
    let (reason, text, hint) = match number {
        // 1698: the plugin of the user takes no password, as unix_socket; 1862: the password has expired.
        // MariaDB before 11 says no more than this where it demands TLS, too. To find out, the password would have to be sent
        // to a server that has proved nothing.
        1045 if settings.tls.mode == TlsMode::Disabled => (
            Reason::CredentialsRejected,
            format!("the server does not accept user {user:?} with this password in a session without TLS"),
            "check username and password, that the user may log in from dbkeeper's machine (mysql.user.Host), and \
             whether it must use TLS (REQUIRE SSL): set tls.mode then",
        ),
        1045 | 1698 | 1862 | 1820 => (
            Reason::CredentialsRejected,
            format!("the server does not accept user {user:?} with this password"),
            "check username and password, and that the user may log in from dbkeeper's machine (mysql.user.Host)",
        ),
        // 1130 and 1129: this machine may not connect at all, or was blocked after too many errors.
        1129 | 1130 => (
            Reason::CredentialsRejected,
            format!("the server does not let dbkeeper's machine in: {message}"),
            "create the user for this host, or run FLUSH HOSTS where the host is blocked",
        ),
        1049 => (
            Reason::DatabaseUnknown,
            format!("the server has no database {:?}", settings.database),
            "check the field database, or create it with CREATE DATABASE",
        ),
        _ if is_privilege(number) => (
            Reason::PrivilegeMissing,
            format!("user {user:?} lacks a privilege: {message}"),
            "grant the privilege that the message names to this user",
        ),
        3159 | 4151 => (Reason::TlsRequired, TLS_REQUIRED.0.to_owned(), TLS_REQUIRED.1),
        1040 | 1203 | 1226 => (
            Reason::TooManyConnections,
            format!("the server has no connection left for us: {message}"),
            "close idle sessions, lower pool.max_connections, or raise max_connections on the server",
        ),
        1205 | 1213 => (
            Reason::LockTimeout,
            format!("a lock was not to be had: {message}"),
            "repeat it when the session that holds the lock has ended; ListSessions shows who blocks whom",
        ),
        1969 | 3024 => (
            Reason::StatementTimeout,
            "the statement ran longer than pool.statement_timeout allows".to_owned(),
            "raise pool.statement_timeout, or look for what slows the server down",
        ),
        1053 | 1927 | 1152 => (
            Reason::DatabaseUnreachable,
            format!("the server ended the session: {message}"),
            "repeat the call when the server is up again",
        ),
        _ => (Reason::StatementFailed, format!("the server refused a statement: {message}"), ""),
    };
    let answer = if hint.is_empty() { Error::new(reason, text) } else { hinted(reason, text, hint) };
    let answer = answer.with_metadata("sql_state", state).with_metadata("vendor_code", number.to_string());
    let answer = match reason {
        Reason::TooManyConnections | Reason::LockTimeout => answer.with(Detail::RetryAfter(RETRY_SOON)),
        _ => answer,
    };
    answer.caused_by(error)
}

fn is_privilege(number: u16) -> bool {
    // Database, table, column, global, routine, view and host-wide privileges, in this order.
    matches!(number, 1044 | 1142 | 1143 | 1227 | 1370 | 1345 | 1419 | 1471 | 1410 | 1290 | 1836)
}

/// What a statement of a user failed with.
pub(super) fn statement_failure(error: &sqlx::Error) -> StatementFailure {
    let Some(said) = server_error(error) else {
        return StatementFailure { message: error.to_string(), ..StatementFailure::default() };
    };
    StatementFailure {
        sql_state: said.code().unwrap_or_default().to_owned(),
        vendor_code: i32::from(said.number()),
        message: said.message().to_owned(),
        ..StatementFailure::default()
    }
}

fn hinted(reason: Reason, text: String, hint: &'static str) -> Error {
    Error::new(reason, format!("{text}; {hint}")).with_metadata("hint", hint)
}
