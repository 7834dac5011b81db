//! The text of an API key: `dbk_{id}_{secret}_{crc32}`, all in hex, so that leaked keys can be scanned for and a mistyped
//! one is told without a look-up.

use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::model::{Error, Result};

const PREFIX: &str = "dbk";
const ID_LENGTH: usize = 8;
const SECRET_LENGTH: usize = 32;

/// A key in clear.
pub struct ApiKey {
    id: String,
    secret: Zeroizing<Vec<u8>>,
}

impl ApiKey {
    /// A new random key.
    pub(super) fn generate() -> Result<Self> {
        let mut id = [0; ID_LENGTH];
        let mut secret = Zeroizing::new(vec![0; SECRET_LENGTH]);
        let random = SystemRandom::new();
        random
            .fill(&mut id)
            .and_then(|()| random.fill(&mut secret))
            .map_err(|_| Error::internal("the system gave no random bytes"))?;
        Ok(Self { id: hex::encode(id), secret })
    }

    /// Reads the text of a key; absent where its form or its checksum is wrong.
    pub fn parse(text: &str) -> Option<Self> {
        let (body, checksum) = text.rsplit_once('_')?;
        let (prefix, rest) = body.split_once('_')?;
        let (id, secret) = rest.split_once('_')?;
        let well_formed = prefix == PREFIX
            && id.len() == 2 * ID_LENGTH
            && secret.len() == 2 * SECRET_LENGTH
            && checksum == format!("{:08x}", crc32fast::hash(body.as_bytes()));
        if !well_formed {
            return None;
        }
        Some(Self { id: id.to_owned(), secret: Zeroizing::new(hex::decode(secret).ok()?) })
    }

    /// The text of the key.
    pub fn to_text(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(hex::encode(&self.secret[..]));
        let body = Zeroizing::new(format!("{PREFIX}_{}_{}", self.id, *secret));
        Zeroizing::new(format!("{}_{:08x}", *body, crc32fast::hash(body.as_bytes())))
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn secret(&self) -> &[u8] {
        &self.secret
    }
}
