//! Etags: the revision of a resource, in a form that nobody counts on.

use crate::model::{Error, Reason, Result};

/// The etag of a revision.
pub fn etag(revision: u64) -> String {
    format!("r{revision}")
}

/// The revision that a caller has seen; absent where it sends no etag and wants none checked.
pub fn revision_from_etag(etag: &str) -> Result<Option<u64>> {
    if etag.is_empty() {
        return Ok(None);
    }
    let revision = etag.strip_prefix('r').and_then(|digits| digits.parse().ok());
    revision.map(Some).ok_or_else(|| {
        Error::new(
            Reason::EtagMismatch,
            "the etag is not one of this resource; read the resource again and use its etag",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_comes_back_as_its_revision() {
        assert_eq!(revision_from_etag(&etag(7)).unwrap(), Some(7));
        assert_eq!(revision_from_etag("").unwrap(), None);
        assert_eq!(revision_from_etag("x").unwrap_err().reason(), Reason::EtagMismatch);
    }
}
