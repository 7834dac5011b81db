//! Changes the password of the own account.

use ring::digest;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};
use zeroize::Zeroizing;

use super::{connect::Connector, error, row};
use crate::{engine::password::PasswordRecipe, model::Result};

/// One of each group, as the servers' checks of passwords ask for.
pub(super) const RECIPE: PasswordRecipe = PasswordRecipe {
    length: 32,
    groups: &["abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", "_-.+="],
};

/// Gives the account that logs in another password. It may always do that for itself.
///
/// MySQL keeps passwords out of its own logs. MariaDB does not, so it is sent the digest where the account logs in by
/// `mysql_native_password` and no check of passwords is on; else the statement with the password stands in its general log.
pub(super) async fn change(connector: &Connector, password: &SecretString) -> Result<()> {
    let (mut connection, server) = connector.dial().await?;
    let work = async {
        if !server.is_mariadb() {
            let literal = Zeroizing::new(quoted(password));
            return run(&mut connection, format!("ALTER USER CURRENT_USER() IDENTIFIED BY {}", *literal)).await;
        }
        if takes_native_digest(&mut connection).await {
            match run(&mut connection, format!("SET PASSWORD = '{}'", native_digest(password))).await {
                // A check of passwords wants to see the password.
                Err(cause) if matches!(error::vendor_code(&cause), Some(1290 | 1819 | 1372)) => {}
                outcome => return outcome,
            }
        }
        let literal = Zeroizing::new(quoted(password));
        run(&mut connection, format!("SET PASSWORD = PASSWORD({})", *literal)).await
    };
    let outcome = connector.in_time(work).await;
    // The answer is known; a failed good-bye changes nothing about it.
    let _ = connection.close().await;
    outcome
}

async fn run(connection: &mut MySqlConnection, statement: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(drop)
}

/// Whether the account logs in by a digest of the password that can be made here. A server that does not tell is taken to
/// know other logins only.
async fn takes_native_digest(connection: &mut MySqlConnection) -> bool {
    let definition = sqlx::query("SHOW CREATE USER CURRENT_USER()").fetch_one(connection).await;
    let text = definition.and_then(|definition| row::text(&definition, 0)).unwrap_or_default();
    text.contains("IDENTIFIED BY PASSWORD '*") || text.contains("IDENTIFIED VIA mysql_native_password")
}

/// `*` and twice SHA-1 in hexadecimal: what `mysql_native_password` stores.
fn native_digest(password: &SecretString) -> String {
    let once = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, password.expose_secret().as_bytes());
    let twice = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, once.as_ref());
    format!("*{}", hex::encode_upper(twice))
}

/// A literal under the SQL mode of our sessions, in which a backslash escapes.
fn quoted(password: &SecretString) -> String {
    let escaped = Zeroizing::new(password.expose_secret().replace('\\', "\\\\").replace('\'', "\\'"));
    format!("'{}'", *escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_and_literals_are_those_of_the_server() {
        // SELECT PASSWORD('mariadb')
        assert_eq!(native_digest(&SecretString::from("mariadb")), "*54958E764CE10E50764C2EECBB71D01F08549980");
        assert_eq!(quoted(&SecretString::from(r"a'b\c")), r"'a\'b\\c'");
    }
}
