//! Names of migration files: version, title and, for golang-migrate, which part it is.

use crate::model::migration::Version;

/// Longest title in characters.
const MAX_TITLE_LENGTH: usize = 200;

/// Which part of a pair a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Up,
    Down,
}

/// A name that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileName<'a> {
    /// The last part of the path.
    pub(super) file: &'a str,
    pub(super) version: Version,
    pub(super) title: &'a str,
    /// Set for `.up.sql` and `.down.sql`.
    pub(super) part: Option<Part>,
}

impl<'a> FileName<'a> {
    /// Reads `<version>_<title>[.up|.down].sql`, the version being digits, which may have `.` between them.
    pub(super) fn parse(path: &'a str) -> Result<Self, String> {
        let file = path.rsplit(['/', '\\']).next().unwrap_or_default();
        let Some(stem) = file.strip_suffix(".sql") else {
            return Err(format!("{path:?} must end in .sql"));
        };
        let (stem, part) = if let Some(stem) = stem.strip_suffix(".up") {
            (stem, Some(Part::Up))
        } else if let Some(stem) = stem.strip_suffix(".down") {
            (stem, Some(Part::Down))
        } else {
            (stem, None)
        };
        let end = stem.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(stem.len());
        let number = stem[..end].trim_end_matches('.');
        let rest = &stem[number.len()..];
        let title = rest.trim_start_matches(['_', '-', '.']);
        if number.is_empty() || (title.len() == rest.len() && !rest.is_empty()) {
            return Err(format!("{path:?} must begin with a version and '_', such as 001_create_users.sql"));
        }
        if title.chars().count() > MAX_TITLE_LENGTH || title.chars().any(char::is_control) {
            return Err(format!("{path:?} must have a title of at most {MAX_TITLE_LENGTH} printable characters"));
        }
        let version = Version::parse(number, "version")
            .map_err(|_| format!("{path:?} must begin with a version of at most 64 digits"))?;
        Ok(Self { file, version, title, part })
    }
}
