//! The text of an API key: `dbk_{id}_{secret}_{crc32}`, all in hex, so that leaked keys can be scanned for and a mistyped
//! one is told without a look-up.

use ring::rand::{SecureRandom, SystemRandom};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::model::{ApiKeyId, Error, Result};

const PREFIX: &str = "dbk";
const ID_LENGTH: usize = ApiKeyId::LENGTH / 2;
const SECRET_LENGTH: usize = 32;

/// A key in clear.
pub struct KeyText {
    id: ApiKeyId,
    secret: Zeroizing<Vec<u8>>,
}

impl KeyText {
    /// A new random key.
    pub(super) fn generate() -> Result<Self> {
        let mut id = [0; ID_LENGTH];
        SystemRandom::new().fill(&mut id).map_err(|_| no_random_bytes())?;
        Self::with_id(ApiKeyId::from_stored(hex::encode(id)))
    }

    /// A new random secret for a key that exists.
    pub(super) fn with_id(id: ApiKeyId) -> Result<Self> {
        let mut secret = Zeroizing::new(vec![0; SECRET_LENGTH]);
        SystemRandom::new().fill(&mut secret).map_err(|_| no_random_bytes())?;
        Ok(Self { id, secret })
    }

    /// Reads the text of a key; absent where its form or its checksum is wrong.
    pub fn parse(text: &str) -> Option<Self> {
        let (body, checksum) = text.rsplit_once('_')?;
        let (prefix, rest) = body.split_once('_')?;
        let (id, secret) = rest.split_once('_')?;
        let well_formed = prefix == PREFIX
            && secret.len() == 2 * SECRET_LENGTH
            && checksum == format!("{:08x}", crc32fast::hash(body.as_bytes()));
        if !well_formed {
            return None;
        }
        // In constant time, for it is a secret.
        let secret = base16ct::lower::decode_vec(secret).ok()?;
        Some(Self { id: ApiKeyId::parse(id, "key").ok()?, secret: Zeroizing::new(secret) })
    }

    /// The text of the key.
    pub fn to_text(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(hex::encode(&self.secret[..]));
        let body = Zeroizing::new(format!("{PREFIX}_{}_{}", self.id, *secret));
        Zeroizing::new(format!("{}_{:08x}", *body, crc32fast::hash(body.as_bytes())))
    }

    /// The text of the key, to be told to its owner.
    pub(super) fn into_secret(self) -> SecretString {
        SecretString::from(self.to_text().as_str())
    }

    pub(super) fn id(&self) -> &ApiKeyId {
        &self.id
    }

    pub(super) fn secret(&self) -> &[u8] {
        &self.secret
    }
}

fn no_random_bytes() -> Error {
    Error::internal("the system gave no random bytes")
}
