//! Watches a login on its way: what a server may ask for before it is known to be the right one.
//!
//! The drivers answer whatever a server asks: with the password in clear, with a proof of it after any number of rounds,
//! and they keep whatever it sends in memory. A guard reads along and breaks off before the driver has the whole question.

mod mysql;
mod postgres;

use crate::model::{Reason, connection::TlsMode};

use self::{mysql::MysqlGuard, postgres::PostgresGuard};

/// Most that a server may send before it has let a user in. Certificates and messages of a login take a few KiB.
const LOGIN_BYTES: usize = 1 << 20;

/// Why a login was broken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The server asks for the password in clear, and nobody has proved who it is.
    ClearPassword,
    /// The server asks for the digest of MySQL before 4.1, which can be turned back into the password.
    OldPassword,
    /// The server asks for so many rounds that the login would not end.
    EndlessRounds,
    /// The server sends more than a login needs.
    TooMuch,
    /// The server sends what is not of the protocol.
    NotTheProtocol,
}

impl Refusal {
    pub(super) fn reason(self) -> Reason {
        match self {
            Self::ClearPassword | Self::OldPassword | Self::EndlessRounds => Reason::LoginUnsafe,
            Self::TooMuch | Self::NotTheProtocol => Reason::DatabaseUnreachable,
        }
    }

    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::ClearPassword => (
                "asks for the password in clear",
                "give the user a safer login (SCRAM, caching_sha2_password, ed25519), or set tls.mode to TLS_MODE_VERIFY_FULL",
            ),
            Self::OldPassword => (
                "asks for the login of MySQL before 4.1",
                "give the user another login, such as mysql_native_password or caching_sha2_password",
            ),
            Self::EndlessRounds => (
                "asks for more rounds of SCRAM than a login may take",
                "check host and port; lower scram_iterations on the server where it is yours",
            ),
            Self::TooMuch => (
                "sends more than the login to a database needs",
                "check that host and port are those of a database of this engine",
            ),
            Self::NotTheProtocol => (
                "does not speak the protocol of this engine",
                "check that host and port are those of a database of this engine",
            ),
        }
    }
}

/// Which login is watched.
#[derive(Debug, Clone, Copy)]
pub enum LoginGuard {
    /// PostgreSQL, with the traffic protected so.
    Postgres(TlsMode),
    /// MySQL and MariaDB, with the traffic protected so.
    Mysql(TlsMode),
}

impl LoginGuard {
    pub(super) fn watch(self) -> Watch {
        match self {
            Self::Postgres(mode) => Watch::Postgres(PostgresGuard::new(mode)),
            Self::Mysql(mode) => Watch::Mysql(MysqlGuard::new(mode)),
        }
    }
}

/// One login that is watched.
pub(super) enum Watch {
    Postgres(PostgresGuard),
    Mysql(MysqlGuard),
}

impl Watch {
    /// The driver sends this.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        match self {
            Self::Postgres(guard) => guard.sent(bytes),
            Self::Mysql(guard) => guard.sent(bytes),
        }
    }

    /// The server sends this; on a refusal nothing of it may reach the driver.
    pub(super) fn received(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        match self {
            Self::Postgres(guard) => guard.received(bytes),
            Self::Mysql(guard) => guard.received(bytes),
        }
    }
}

/// A password in clear is for a server that has proved who it is.
fn proves_itself(mode: TlsMode) -> bool {
    matches!(mode, TlsMode::VerifyCa | TlsMode::VerifyFull)
}
