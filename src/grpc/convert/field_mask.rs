//! Update masks: which fields of a resource a caller wants changed.

use std::collections::BTreeSet;

use prost_types::FieldMask;

use crate::model::{Detail, Error, Reason, Result};

/// A field that can be changed, and whether the request has a value in it. Paths have dots: `pool.min_idle`.
pub type Populated = (&'static str, bool);

/// The fields that an update changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdatePaths(BTreeSet<&'static str>);

impl UpdatePaths {
    /// Reads a mask against all fields that can be changed. Absent or empty: those that are populated; `*`: all;
    /// the name of a message: all fields in it; any other path: UNKNOWN_FIELD.
    pub fn resolve(mask: Option<&FieldMask>, fields: &[Populated]) -> Result<Self> {
        let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
        if paths.is_empty() {
            return Ok(Self(fields.iter().filter(|(_, populated)| *populated).map(|(path, _)| *path).collect()));
        }
        let mut changed = BTreeSet::new();
        for path in paths {
            let before = changed.len();
            changed.extend(fields.iter().map(|(field, _)| *field).filter(|field| path == "*" || covers(path, field)));
            let known = changed.len() > before || fields.iter().any(|(field, _)| covers(path, field));
            if !known {
                return Err(unknown(path));
            }
        }
        Ok(Self(changed))
    }

    /// This field is to be changed.
    pub fn contains(&self, path: &str) -> bool {
        self.0.contains(path)
    }

    /// Nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields in order.
    pub fn iter(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().copied()
    }
}

fn covers(path: &str, field: &str) -> bool {
    field.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn unknown(path: &str) -> Error {
    let description = format!("{path:?} is not a field that can be changed");
    Error::new(Reason::UnknownField, format!("update_mask: {description}"))
        .with(Detail::Field { field: "update_mask".to_owned(), description })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [Populated; 4] =
        [("display_name", true), ("host", false), ("pool.max_connections", true), ("pool.min_idle", false)];

    fn resolve(paths: &[&str]) -> Result<Vec<&'static str>> {
        let mask = FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() };
        UpdatePaths::resolve(Some(&mask), &FIELDS).map(|paths| paths.iter().collect())
    }

    #[test]
    fn a_mask_selects_what_it_names() {
        assert_eq!(resolve(&["host"]).unwrap(), ["host"]);
        assert_eq!(resolve(&["pool", "pool.min_idle"]).unwrap(), ["pool.max_connections", "pool.min_idle"]);
        assert_eq!(resolve(&["*"]).unwrap().len(), 4);
        assert_eq!(resolve(&[]).unwrap(), ["display_name", "pool.max_connections"]);
    }

    #[test]
    fn a_path_that_does_not_exist_is_refused() {
        for path in ["hosts", "hos", "pool.", "", "name", "pool.min_idle.x"] {
            assert_eq!(resolve(&["host", path]).unwrap_err().reason(), Reason::UnknownField, "{path:?}");
        }
    }
}
