//! A file of wrapped master keys, which a key management service with the HTTP interface of Vault's transit engine wraps and
//! unwraps: `POST /v1/{mount}/encrypt/{key}` and `POST /v1/{mount}/decrypt/{key}`. The keys themselves are in memory only.
//!
//! The file holds one line a version, `dbkeeper-wrapped-key:1:{version}:{ciphertext}`.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{KeyTrouble, file};
use crate::{
    http_client,
    model::vault::SealReason,
    vault::keyring::{MasterKey, MasterKeys},
};

const PREFIX: &str = "dbkeeper-wrapped-key:1:";
/// Header of the token in Vault's interface.
const TOKEN_HEADER: HeaderName = HeaderName::from_static("x-vault-token");
/// Most that is read of an answer.
const MAX_ANSWER: usize = 64 * 1024;

/// The service and the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitKeys {
    /// Where the service is: `https://host:port`, or `http://` on this machine.
    pub address: String,
    /// Path of the transit engine.
    pub mount: String,
    /// Name of the wrapping key in it.
    pub key: String,
    /// File with the token. Read at each use, because tokens are renewed.
    pub token_file: PathBuf,
    /// CA of the service in PEM. Absent: the public ones.
    pub ca_file: Option<PathBuf>,
    /// Longest that one call may take.
    pub timeout: Duration,
    /// File of the wrapped keys, made at the first start.
    pub wrapped_key_file: PathBuf,
}

/// Unwraps the keys of the file; absent where there is no file.
pub(super) async fn read(transit: &TransitKeys) -> Result<Option<MasterKeys>, KeyTrouble> {
    let path = &transit.wrapped_key_file;
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(KeyTrouble::because(SealReason::SourceUnavailable, path.display(), cause)),
    };
    let malformed = |what: &str| KeyTrouble::because(SealReason::KeyMalformed, path.display(), what);
    let wrapped = parse(&text).ok_or_else(|| malformed("it holds no wrapped keys"))?;
    let mut keys = MasterKeys::default();
    for (version, ciphertext) in wrapped {
        let answer = call(transit, "decrypt", json!({ "ciphertext": ciphertext }), "plaintext").await?;
        let bytes = STANDARD.decode(answer.as_bytes()).map(Zeroizing::new);
        let bytes = bytes.ok().and_then(|bytes| bytes.as_slice().try_into().ok());
        let bytes = bytes.ok_or_else(|| malformed("the service unwraps a key to something that is none"))?;
        keys.insert(version, MasterKey(Zeroizing::new(bytes)));
    }
    Ok(Some(keys))
}

/// Wraps keys and replaces the file with them.
pub(super) async fn write(transit: &TransitKeys, keys: &MasterKeys) -> Result<(), KeyTrouble> {
    let mut text = String::new();
    for (version, key) in keys.iter() {
        let plaintext = Zeroizing::new(STANDARD.encode(&key.0[..]));
        let ciphertext = call(transit, "encrypt", json!({ "plaintext": plaintext.as_str() }), "ciphertext").await?;
        if ciphertext.is_empty() || ciphertext.contains(char::is_whitespace) {
            let detail = format!("{}: the service wraps a key to something that is no ciphertext", transit.address);
            return Err(KeyTrouble::new(SealReason::SourceUnavailable, detail));
        }
        text.push_str(&format!("{PREFIX}{version}:{}\n", ciphertext.as_str()));
    }
    file::write(&transit.wrapped_key_file, &text)
}

fn parse(text: &str) -> Option<BTreeMap<u32, String>> {
    let mut wrapped = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (version, ciphertext) = line.strip_prefix(PREFIX)?.split_once(':')?;
        let version = version.parse().ok().filter(|version| *version > 0)?;
        if ciphertext.is_empty() || wrapped.insert(version, ciphertext.to_owned()).is_some() {
            return None;
        }
    }
    (!wrapped.is_empty()).then_some(wrapped)
}

/// One call of the service: the text `data.{wanted}` of its answer.
async fn call(transit: &TransitKeys, action: &str, body: Value, wanted: &str) -> Result<Zeroizing<String>, KeyTrouble> {
    let TransitKeys { address, mount, key, .. } = transit;
    let trouble = |what: String| {
        KeyTrouble::new(SealReason::SourceUnavailable, format!("{address} /v1/{mount}/{action}/{key}: {what}"))
    };
    let token = fs::read_to_string(&transit.token_file).map(Zeroizing::new);
    let token = token.map_err(|cause| trouble(format!("the token file cannot be read: {cause}")))?;
    let header = HeaderValue::from_str(token.trim());
    let mut header = header.map_err(|_| trouble("the token is not printable ASCII".to_owned()))?;
    header.set_sensitive(true);
    let request = http_client::Request {
        url: &format!("{}/v1/{mount}/{action}/{key}", address.trim_end_matches('/')),
        header: Some((TOKEN_HEADER, header)),
        body: Some(Zeroizing::new(body.to_string())),
        ca_file: transit.ca_file.as_deref(),
        max_answer: MAX_ANSWER,
    };
    let (status, answer) = tokio::time::timeout(transit.timeout, http_client::send(request))
        .await
        .map_err(|_| trouble(format!("no answer within {}", humantime::format_duration(transit.timeout))))?
        .map_err(|cause| trouble(cause.to_string()))?;
    if status != StatusCode::OK {
        let hint = match status.as_u16() {
            401 | 403 => "; look at the token in vault.transit.token_file and at its policy",
            404 => "; look at vault.transit.mount and vault.transit.key",
            _ => "",
        };
        return Err(trouble(format!("status {}{hint}", status.as_u16())));
    }
    let answer: Option<Value> = serde_json::from_slice(&answer).ok();
    let text = answer.as_ref().and_then(|answer| answer["data"][wanted].as_str());
    text.map(|text| Zeroizing::new(text.to_owned())).ok_or_else(|| trouble(format!("the answer has no data.{wanted}")))
}
