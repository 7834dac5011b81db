//! Changes the password of the own role.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ring::{
    digest, hmac, pbkdf2,
    rand::{SecureRandom, SystemRandom},
};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, Connection};
use zeroize::Zeroizing;

use super::connect::Dialer;
use crate::{
    engine::password::PasswordRecipe,
    model::{Error, Result},
};

/// Letters and digits alone: nothing that a connection string, a shell or a password file would have to escape.
pub(super) const RECIPE: PasswordRecipe =
    PasswordRecipe { length: 40, groups: &["abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"] };
/// As the servers make them.
const ROUNDS: std::num::NonZeroU32 = std::num::NonZeroU32::new(4096).unwrap();
const SALT_LENGTH: usize = 16;

/// What the server stores of a password. It is made here, so that the password itself never reaches the server, its log or
/// its list of statements. Its text is base64 and punctuation that has no meaning in a literal.
struct Verifier {
    salt: [u8; SALT_LENGTH],
    stored_key: digest::Digest,
    server_key: hmac::Tag,
}

impl Verifier {
    fn new(password: &SecretString) -> Result<Self> {
        let mut salt = [0; SALT_LENGTH];
        SystemRandom::new().fill(&mut salt).map_err(|_| Error::internal("the system gives no random numbers"))?;
        Ok(Self::salted(password, salt))
    }

    fn salted(password: &SecretString, salt: [u8; SALT_LENGTH]) -> Self {
        let mut salted = Zeroizing::new([0; digest::SHA256_OUTPUT_LEN]);
        let password = password.expose_secret().as_bytes();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, &salt, password, &mut salted[..]);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &salted[..]);
        let stored_key = digest::digest(&digest::SHA256, hmac::sign(&key, b"Client Key").as_ref());
        Self { salt, stored_key, server_key: hmac::sign(&key, b"Server Key") }
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored, server] =
            [&self.salt[..], self.stored_key.as_ref(), self.server_key.as_ref()].map(|part| BASE64.encode(part));
        write!(f, "SCRAM-SHA-256${ROUNDS}:{salt}${stored}:{server}")
    }
}

/// Gives the role that logs in another password. The role may always do that for itself.
pub(super) async fn change(dialer: &Dialer, password: &SecretString) -> Result<()> {
    let mut connection = dialer.dial().await?;
    let statement = format!("ALTER ROLE SESSION_USER PASSWORD '{}'", Verifier::new(password)?);
    let outcome = dialer.in_time(sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection)).await;
    // The answer is known; a failed good-bye changes nothing about it.
    let _ = connection.close().await;
    outcome.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, from which the keys were worked out apart.
    #[test]
    fn a_verifier_is_what_a_server_would_make() {
        let salt: [u8; SALT_LENGTH] = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap().try_into().unwrap();
        let verifier = Verifier::salted(&SecretString::from("pencil"), salt).to_string();
        assert_eq!(
            verifier,
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
             wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
    }
}
