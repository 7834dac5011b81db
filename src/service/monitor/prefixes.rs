//! Which metrics a reader wants.

use crate::model::{Error, Result};

/// Most prefixes of one request.
pub const MAX_NAME_PREFIXES: usize = 100;

/// Beginnings of the names of the metrics that a reader wants; none of them: all metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamePrefixes(Vec<String>);

impl NamePrefixes {
    /// Takes up to [`MAX_NAME_PREFIXES`] prefixes; `field` names them in the error.
    pub fn parse(prefixes: Vec<String>, field: &str) -> Result<Self> {
        if prefixes.len() > MAX_NAME_PREFIXES {
            return Err(Error::invalid_field(field, format!("must hold at most {MAX_NAME_PREFIXES} prefixes")));
        }
        if prefixes.iter().any(String::is_empty) {
            return Err(Error::invalid_field(
                field,
                "must not hold an empty prefix; leave the field out for all metrics",
            ));
        }
        Ok(Self(prefixes))
    }

    /// Whether a metric of this name is wanted.
    pub fn contain(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|prefix| name.starts_with(prefix.as_str()))
    }
}
