//! Turns what sqlx and the server say into our reasons, with a text that says what to do.

use std::{error::Error as StdError, io, time::Duration};

use sqlx::postgres::PgDatabaseError;
use tokio_rustls::rustls;

use crate::{
    engine::reach::{self, Destination, Unreached},
    model::{Detail, Error, Reason},
};

const RETRY_SOON: Duration = Duration::from_secs(2);
const RETRY_LATER: Duration = Duration::from_secs(10);

/// Where a connection leads, for the texts.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) destination: Destination,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: String,
    pub(super) username: String,
    pub(super) timeout: Duration,
}

impl Place {
    /// The database was not reached, or broke the rules of a login.
    pub(super) fn unreached(&self, failure: Unreached) -> Error {
        match failure {
            Unreached::HostUnusable(why) => {
                Error::new(Reason::HostUnknown, format!("the host {:?} {why}", self.host)).with_metadata("hint", why)
            }
            Unreached::HostUnknown(None) => self.host_unknown(),
            Unreached::HostUnknown(Some(cause)) => self.host_unknown().caused_by(cause),
            Unreached::Forbidden(why) => reach::forbidden(&self.destination, why),
            Unreached::NoAnswer(cause) => classify_io(cause, self),
            Unreached::Refused(refusal) => reach::refused(&self.destination, refusal),
        }
    }

    fn host_unknown(&self) -> Error {
        Error::new(Reason::HostUnknown, format!("the host {:?} has no address; check its spelling and DNS", self.host))
            .with(Detail::RetryAfter(RETRY_LATER))
    }

    pub(super) fn timed_out(&self) -> Error {
        let seconds = self.timeout.as_secs_f32();
        let text = format!("{} did not answer within {seconds} s; {}", self.destination, self.destination.cure());
        Error::new(Reason::ConnectTimeout, text).with(Detail::RetryAfter(RETRY_LATER))
    }

    fn unreachable(&self, what: &str) -> Error {
        let text = format!("{} cannot be reached: {what}; {}", self.destination, self.destination.cure());
        Error::new(Reason::DatabaseUnreachable, text).with(Detail::RetryAfter(RETRY_SOON))
    }
}

/// Names what went wrong on a connection to a place.
pub(super) fn classify(error: sqlx::Error, place: &Place) -> Error {
    match error {
        sqlx::Error::Database(database_error) => match database_error.try_downcast::<PgDatabaseError>() {
            Ok(server_error) => classify_server(*server_error, place),
            Err(other) => Error::internal(sqlx::Error::Database(other)),
        },
        sqlx::Error::Io(cause) => classify_io(cause, place),
        sqlx::Error::Tls(cause) => classify_tls(cause, place),
        // A server that is going down ends the stream in the middle of a message.
        sqlx::Error::Protocol(cause) => {
            place.unreachable("its answer is not of PostgreSQL's protocol").caused_by(cause)
        }
        sqlx::Error::Configuration(cause) => {
            Error::invalid_field("tls", "certificate or key cannot be read; give PEM text with BEGIN and END lines")
                .caused_by(cause)
        }
        other => Error::internal(other),
    }
}

/// SQLSTATE of an error that the server sent.
pub(super) fn sql_state(error: &sqlx::Error) -> Option<String> {
    server_error(error).map(|error| error.code().to_owned())
}

/// The server's own error, where it is one.
pub(super) fn server_error(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
}

fn classify_server(error: PgDatabaseError, place: &Place) -> Error {
    let Place { database, username, .. } = place;
    let said = error.message().to_owned();
    let code = error.code().to_owned();
    let hint = error.hint().unwrap_or_default().to_owned();
    let (reason, text, remedy) = match code.as_str() {
        "28000" if refuses_clear_text(&said) => (
            Reason::TlsRequired,
            "the server takes encrypted connections only".to_owned(),
            "set tls.mode to TLS_MODE_REQUIRED or stricter".to_owned(),
        ),
        // PgBouncer says it so, and says the same of a user that is not in its list.
        _ if code == "28P01" || said == "SASL authentication failed" => (
            Reason::CredentialsRejected,
            format!("the server does not accept the password of user {username:?}"),
            "check username and password".to_owned(),
        ),
        "28000" => (
            Reason::CredentialsRejected,
            format!("the server does not let user {username:?} in: {said}"),
            "check the user, its client certificate and the server's pg_hba.conf".to_owned(),
        ),
        "3D000" => (
            Reason::DatabaseUnknown,
            format!("the server has no database {database:?}"),
            "check the name, or create it".to_owned(),
        ),
        "53300" => (
            Reason::TooManyConnections,
            format!("the server has no connection left for us: {said}"),
            "raise max_connections or the role's limit, or lower pool.max_connections".to_owned(),
        ),
        "42501" => (
            Reason::PrivilegeMissing,
            format!("user {username:?} lacks a privilege: {said}"),
            "grant it to the user".to_owned(),
        ),
        "55P03" => (
            Reason::LockTimeout,
            "a lock held by another session was not released in time".to_owned(),
            "try again when it is done".to_owned(),
        ),
        "57014" => (
            Reason::StatementTimeout,
            format!("the server stopped the statement: {said}"),
            "raise pool.statement_timeout or relieve the server".to_owned(),
        ),
        // A pooler says so of a server behind it that it does not reach; it says the same of settings that it does not know.
        code if code.starts_with("08") && !said.contains("startup parameter") => {
            return place.unreachable(&said).with_metadata("sql_state", code).caused_by(error);
        }
        "57P01" | "57P02" | "57P03" => {
            return place.unreachable(&said).with_metadata("sql_state", code).caused_by(error);
        }
        _ => (Reason::StatementFailed, format!("PostgreSQL answered: {said}"), String::new()),
    };
    let text = if remedy.is_empty() { text } else { format!("{text}; {remedy}") };
    let mut public = Error::new(reason, text).with_metadata("sql_state", code);
    let hint = if hint.is_empty() { remedy } else { hint };
    if !hint.is_empty() {
        public = public.with_metadata("hint", hint);
    }
    if reason == Reason::TooManyConnections {
        public = public.with(Detail::RetryAfter(RETRY_LATER));
    }
    public.caused_by(error)
}

/// The server's words when its pg_hba.conf has no line for a connection without TLS.
fn refuses_clear_text(message: &str) -> bool {
    message.contains("no encryption") || message.contains("SSL off")
}

fn classify_io(cause: io::Error, place: &Place) -> Error {
    if let Some(tls) = cause.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return tls_failure(tls, place).caused_by(cause);
    }
    let what = match cause.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there",
        io::ErrorKind::NotFound => "there is no such socket",
        io::ErrorKind::PermissionDenied => "it is not open to dbkeeper's user",
        io::ErrorKind::TimedOut => return place.timed_out().caused_by(cause),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "the connection was lost"
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "there is no route to it",
        _ => "the connection failed",
    };
    place.unreachable(what).caused_by(cause)
}

fn classify_tls(cause: Box<dyn StdError + Send + Sync>, place: &Place) -> Error {
    if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
        return tls_failure(tls, place).caused_by(cause);
    }
    if cause.to_string().contains("does not support TLS") {
        return Error::new(
            Reason::TlsUnavailable,
            "the server has no TLS; switch it on there (ssl = on), or set tls.mode to TLS_MODE_DISABLED",
        )
        .caused_by(cause);
    }
    Error::new(
        Reason::CertificateInvalid,
        "tls.ca_pem or tls.client_cert_pem cannot be used; give PEM certificates with BEGIN and END lines",
    )
    .caused_by(cause)
}

fn tls_failure(error: &rustls::Error, place: &Place) -> Error {
    use rustls::CertificateError;
    let why = match error {
        // A CA of the same name with another key is told as a bad signature.
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "is not issued by a known CA; set tls.ca_pem to the CA of the server".to_owned()
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => format!("is not for the host {:?}; use a host name of the certificate", place.host),
        rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "has expired; renew it on the server".to_owned()
        }
        rustls::Error::InvalidCertificate(other) => format!("does not pass the check: {other}"),
        rustls::Error::AlertReceived(alert) => {
            return Error::new(
                Reason::CertificateInvalid,
                format!("the server broke off the TLS handshake ({alert:?}); check tls.client_cert_pem"),
            );
        }
        other => return place.unreachable("the TLS handshake failed").with_metadata("hint", other.to_string()),
    };
    Error::new(Reason::CertificateInvalid, format!("the certificate of the server {why}"))
}
