//! Public keys of a JWK set (RFC 7517, 7518, 8037), each with the one algorithm that it is for.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

/// Most keys of a set.
const MAX_KEYS: usize = 100;
/// Bytes of an RSA modulus of 2048 to 8192 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;
/// Bytes of a coordinate of P-256, and of a key of Ed25519.
const POINT: usize = 32;

/// The algorithms that are taken. `none` and those with a shared secret are not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "EdDSA" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// A public key.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) kid: Option<String>,
    material: Material,
}

#[derive(Debug, Clone)]
enum Material {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Key {
    pub(super) fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::Rsa { .. } => Algorithm::Rs256,
            Material::P256(_) => Algorithm::Es256,
            Material::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), ()> {
        let checked = match &self.material {
            Material::Rsa { modulus, exponent } => RsaPublicKeyComponents { n: modulus, e: exponent }.verify(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
            Material::P256(point) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Material::Ed25519(point) => UnparsedPublicKey::new(&signature::ED25519, point).verify(message, signature),
        };
        checked.map_err(|_| ())
    }
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The usable keys of a set. Keys of other kinds and for other uses are passed over, as the RFC asks; a set that has none
/// that is usable is refused.
pub(super) fn parse_set(text: &[u8]) -> Result<Vec<Key>, &'static str> {
    let set: Set = serde_json::from_slice(text).map_err(|_| "it is not a JWK set: an object with a list `keys`")?;
    if set.keys.len() > MAX_KEYS {
        return Err("the JWK set has more than 100 keys");
    }
    let jwks = set.keys.into_iter().filter_map(|value| serde_json::from_value::<Jwk>(value).ok());
    let keys: Vec<Key> = jwks.filter_map(usable).collect();
    if keys.is_empty() {
        return Err("the JWK set has no key for RS256, ES256 or EdDSA");
    }
    Ok(keys)
}

fn usable(jwk: Jwk) -> Option<Key> {
    let signs = jwk.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
        && jwk.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|operation| operation == "verify"));
    let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => {
            let modulus = bytes(jwk.n.as_deref())?;
            let exponent = bytes(jwk.e.as_deref())?;
            MODULUS.contains(&modulus.len()).then_some(Material::Rsa { modulus, exponent })?
        }
        ("EC", Some("P-256")) => {
            let (x, y) = (point(jwk.x.as_deref())?, point(jwk.y.as_deref())?);
            // The uncompressed form of SEC 1.
            Material::P256([&[4], x.as_slice(), y.as_slice()].concat())
        }
        ("OKP", Some("Ed25519")) => Material::Ed25519(point(jwk.x.as_deref())?),
        _ => return None,
    };
    let key = Key { kid: jwk.kid, material };
    let named = jwk.alg.as_deref().is_none_or(|alg| Algorithm::parse(alg) == Some(key.algorithm()));
    (signs && named).then_some(key)
}

fn bytes(text: Option<&str>) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text?).ok()?;
    // ring wants numbers without leading zeros; some providers write one.
    let first = bytes.iter().position(|byte| *byte != 0)?;
    Some(bytes[first..].to_vec())
}

fn point(text: Option<&str>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok().filter(|bytes| bytes.len() == POINT)
}
