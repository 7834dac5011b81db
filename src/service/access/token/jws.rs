//! Compact JWS (RFC 7515), read strictly: three parts, unpadded base64url, a header that says nothing twice.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::jwk::{Algorithm, Key};

/// Longest key id that is looked at.
const MAX_KID_LENGTH: usize = 256;

/// The protected header. What it says about where keys are (`jku`, `x5u`, `jwk`, `x5c`) is not looked at.
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    alg: String,
    pub(super) kid: Option<String>,
    typ: Option<String>,
    /// Extensions that must be understood. None are.
    crit: Option<serde_json::Value>,
}

/// A token in its parts.
#[derive(Debug)]
pub(super) struct Compact<'a> {
    pub(super) header: Header,
    signed: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Reads the parts. The error says what is wrong, for the log.
    pub(super) fn parse(token: &'a str) -> Result<Self, &'static str> {
        let (signed, signature) = token.rsplit_once('.').ok_or("it has no signature")?;
        let (header, payload) = signed.split_once('.').ok_or("it has no payload")?;
        if payload.contains('.') {
            return Err("it has more than three parts");
        }
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| "a part is not base64url");
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| "the header cannot be read")?;
        if header.crit.is_some() {
            return Err("the header demands an extension");
        }
        if header.kid.as_ref().is_some_and(|kid| kid.len() > MAX_KID_LENGTH) {
            return Err("the key id is too long");
        }
        let known = |typ: &String| ["jwt", "at+jwt", "application/at+jwt"].contains(&typ.to_ascii_lowercase().as_str());
        if header.typ.as_ref().is_some_and(|typ| !known(typ)) {
            return Err("it is not a token by its type");
        }
        Ok(Self { header, signed, payload, signature: decode(signature)? })
    }

    /// The payload, where the key made the signature by the algorithm that belongs to the key. What the header calls the
    /// algorithm must be that one, and chooses nothing.
    pub(super) fn verified_by(&self, key: &Key) -> Result<Vec<u8>, &'static str> {
        if Algorithm::parse(&self.header.alg) != Some(key.algorithm()) {
            return Err("the algorithm is not that of the key");
        }
        key.verify(self.signed.as_bytes(), &self.signature).map_err(|()| "the signature is not good")?;
        URL_SAFE_NO_PAD.decode(self.payload).map_err(|_| "the payload is not base64url")
    }
}
