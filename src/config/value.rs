//! Values as people write them: sizes such as `16MiB`, times such as `30s`, lists of folders.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Units of a size, the largest first, so that printing finds the shortest form.
const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A number of bytes, written as `512KiB`, `16MiB`, `1GiB` or as a bare number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    /// A size in bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// A size in KiB.
    pub const fn kib(count: u64) -> Self {
        Self(count << 10)
    }

    /// A size in MiB.
    pub const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    /// The bytes.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The bytes as a length in memory; the largest there is where the size is larger.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str = "must be a size such as 512KiB, 16MiB or 1GiB";
        let text = text.trim();
        let (number, factor) = UNITS
            .iter()
            .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, *factor)))
            .unwrap_or((text, 1));
        let number: u64 = number.trim().parse().map_err(|_| ALLOWED)?;
        number.checked_mul(factor).map(Self).ok_or(ALLOWED)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = UNITS
            .into_iter()
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor))
            .unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// For `#[serde(with = "duration")]`: a time such as `500ms`, `30s` or `1h 30m`.
pub(super) mod duration {
    use super::{Deserialize as _, Deserializer, Duration, Serializer};
    use serde::de::Error as _;

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        humantime::parse_duration(String::deserialize(deserializer)?.trim())
            .map_err(|_| D::Error::custom("must be a time with its unit, such as 500ms, 30s or 5m"))
    }

    pub(in crate::config) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        const DAY: u64 = 24 * 60 * 60;
        // Months and years of a text would be some days long, and odd hours.
        match value.as_secs() {
            seconds if seconds > DAY && seconds % DAY == 0 && value.subsec_nanos() == 0 => {
                serializer.collect_str(&format_args!("{}days", seconds / DAY))
            }
            _ => serializer.collect_str(&humantime::format_duration(*value)),
        }
    }
}

/// For `#[serde(deserialize_with = "folders")]`: a TOML array, or one text with `:` between the folders as in PATH.
pub(super) fn folders<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    let parts = parts(deserializer, ':', "must be a list of folders, or folders with : between them")?;
    Ok(parts.into_iter().map(PathBuf::from).collect())
}

/// For `#[serde(deserialize_with = "words")]`: a TOML array, or one text with `:` between the words.
pub(super) fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    parts(deserializer, ':', "must be a list of texts, or one text with : between the parts")
}

fn parts<'de, D: Deserializer<'de>>(deserializer: D, separator: char, allowed: &str) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Array(Vec<String>),
        Text(String),
    }
    match Form::deserialize(deserializer) {
        Ok(Form::Array(parts)) => Ok(parts),
        Ok(Form::Text(text)) => {
            Ok(text.split(separator).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
        }
        Err(_) => Err(D::Error::custom(allowed)),
    }
}

/// For `#[serde(deserialize_with = "texts")]`: a TOML array, or one text with `,` between the parts.
pub(super) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    parts(deserializer, ',', "must be a list of texts, or texts with , between them")
}

#[cfg(test)]
mod tests {
    use super::ByteSize;

    #[test]
    fn sizes_print_as_they_are_written() {
        for text in ["0B", "1B", "1000B", "512KiB", "16MiB", "3GiB"] {
            assert_eq!(text.parse::<ByteSize>().unwrap().to_string(), text);
        }
        assert_eq!("4096".parse::<ByteSize>(), Ok(ByteSize::kib(4)));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "MiB", "-1MiB", "1.5MiB", "16 MB", "99999999999GiB"] {
            text.parse::<ByteSize>().unwrap_err();
        }
    }
}
