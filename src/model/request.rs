//! What makes the repeat of a call that makes something safe.

use super::error::{Error, Result};

/// The caller's `request_id` with a digest of what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// Method, for example `CreateConnection`.
    pub method: &'static str,
    /// The caller's id: 1 to 64 printable ASCII characters.
    pub id: String,
    /// Keyed digest of the body without the id.
    pub digest: [u8; 32],
}

impl RequestKey {
    /// Takes an id; empty means that the call has none.
    pub fn parse(method: &'static str, id: &str, digest: impl FnOnce() -> [u8; 32]) -> Result<Option<Self>> {
        if id.is_empty() {
            return Ok(None);
        }
        if id.len() > 64 || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::invalid_field(
                "request_id",
                "must be up to 64 printable ASCII characters without spaces",
            ));
        }
        Ok(Some(Self { method, id: id.to_owned(), digest: digest() }))
    }
}
