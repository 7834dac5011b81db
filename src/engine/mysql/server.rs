//! Which server answers: the two products differ in their catalogs and their settings.

use sqlx::MySqlConnection;

use super::row;
use crate::model::connection::ServerInfo;

/// A product that speaks the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Product {
    /// MariaDB.
    MariaDb,
    /// MySQL.
    MySql,
}

/// A server as it introduced itself.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) product: Product,
    pub(super) info: ServerInfo,
    /// Id of the session that asked.
    pub(super) session: u64,
}

impl Server {
    /// Asks a new session for its server.
    pub(super) async fn ask(connection: &mut MySqlConnection, tls_active: bool) -> Result<Self, sqlx::Error> {
        let answer = sqlx::query("SELECT VERSION(), CONNECTION_ID()").fetch_one(connection).await?;
        Ok(Self::of(row::text(&answer, 0)?, row::unsigned(&answer, 1)?, tls_active))
    }

    /// A server by what it says of its version.
    pub(super) fn of(version: String, session: u64, tls_active: bool) -> Self {
        let product = if version.contains("MariaDB") { Product::MariaDb } else { Product::MySql };
        let info = ServerInfo {
            product: if product == Product::MariaDb { "MariaDB" } else { "MySQL" },
            version_number: version_number(&version),
            version,
            tls_active,
            pooler: None,
        };
        Self { product, info, session }
    }

    pub(super) fn is_mariadb(&self) -> bool {
        self.product == Product::MariaDb
    }

    /// A MariaDB of at least this version.
    pub(super) fn mariadb_from(&self, major: u32, minor: u32) -> bool {
        self.is_mariadb() && self.info.version_number >= (major, minor)
    }

    /// A MySQL of at least this version.
    pub(super) fn mysql_from(&self, major: u32, minor: u32) -> bool {
        !self.is_mariadb() && self.info.version_number >= (major, minor)
    }

    /// Whether REPLICA is the word for a server that copies. MySQL learned it in 8.0.22 and forgot SLAVE in 8.4, MariaDB
    /// learned it in 10.5: all of MySQL 8.0 understands the old one.
    pub(super) fn says_replica(&self) -> bool {
        self.mysql_from(8, 1) || self.mariadb_from(10, 5)
    }
}

/// Major and minor version; what is not a number counts as 0.
fn version_number(version: &str) -> (u32, u32) {
    // Old MariaDB servers write a MySQL version before their own, for old replicas.
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut parts = version.split(|letter: char| !letter.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::version_number;

    #[test]
    fn versions_are_read_from_both_products() {
        assert_eq!(version_number("10.11.19-MariaDB-0+deb12u1"), (10, 11));
        assert_eq!(version_number("5.5.5-10.3.39-MariaDB"), (10, 3));
        assert_eq!(version_number("8.0.36-0ubuntu0.22.04.1"), (8, 0));
        assert_eq!(version_number("nonsense"), (0, 0));
    }
}
