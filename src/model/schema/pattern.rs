//! Patterns over names: SQL's LIKE, the same for every engine.

use crate::model::{Error, Result};

/// Longest pattern in characters: as long as the longest name.
const MAX_LENGTH: usize = 255;

/// A pattern over names: `%` stands for any text, `_` for one character, a backslash takes the meaning of the next of the
/// two or of a backslash away. Case counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NamePattern(String);

/// What a pattern asks for at one place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Any,
    One,
    Exactly(char),
}

impl NamePattern {
    /// Reads a pattern.
    pub fn parse(text: &str, field: &str) -> Result<Self> {
        if text.is_empty() || text.chars().count() > MAX_LENGTH || text.contains('\0') {
            return Err(Error::invalid_field(field, "must be 1 to 255 characters and hold no NUL"));
        }
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            if character == '\\' && !matches!(characters.next(), Some('%' | '_' | '\\')) {
                let text = "has a backslash that is not before %, _ or another backslash; write \\\\ for a backslash";
                return Err(Error::invalid_field(field, text));
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// As it was written: the pattern of a LIKE with the backslash as its escape, for a bind value.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a name matches.
    pub fn matches(&self, name: &str) -> bool {
        let (parts, name) = (self.parts(), name.chars().collect::<Vec<_>>());
        let (mut part, mut at) = (0, 0);
        // Where to go on when the last `%` has to take one character more. An earlier one never has to.
        let mut retry = None;
        loop {
            match (parts.get(part), name.get(at)) {
                (None, None) => return true,
                (Some(Part::Any), _) => {
                    retry = Some((part, at));
                    part += 1;
                    continue;
                }
                (Some(Part::One), Some(_)) => (part, at) = (part + 1, at + 1),
                (Some(Part::Exactly(wanted)), Some(found)) if wanted == found => (part, at) = (part + 1, at + 1),
                _ => match retry {
                    Some((any, from)) if from < name.len() => {
                        retry = Some((any, from + 1));
                        (part, at) = (any + 1, from + 1);
                    }
                    _ => return false,
                },
            }
        }
    }

    fn parts(&self) -> Vec<Part> {
        let mut characters = self.0.chars();
        let mut parts = Vec::new();
        while let Some(character) = characters.next() {
            parts.push(match character {
                '%' => Part::Any,
                '_' => Part::One,
                '\\' => Part::Exactly(characters.next().unwrap_or('\\')),
                other => Part::Exactly(other),
            });
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_like_does() {
        for (pattern, matching, others) in [
            ("orders", vec!["orders"], vec!["Orders", "order", "orders2", ""]),
            ("order%", vec!["order", "orders", "order_lines"], vec!["an order"]),
            ("%s", vec!["s", "orders"], vec!["order"]),
            ("%a%b%", vec!["ab", "xaybz", "aab"], vec!["ba", "a"]),
            ("a_c", vec!["abc", "a_c", "aéc"], vec!["ac", "abbc"]),
            (r"a\_c", vec!["a_c"], vec!["abc"]),
            (r"100\%", vec!["100%"], vec!["100", "1000"]),
            (r"a\\b", vec![r"a\b"], vec!["ab", r"a\\b"]),
            ("%", vec!["", "x"], vec![]),
            ("_%_", vec!["ab", "abc"], vec!["a", ""]),
            ("%ab%ab", vec!["abab", "ab ab ab"], vec!["ab", "aba"]),
        ] {
            let parsed = NamePattern::parse(pattern, "name_pattern").unwrap();
            assert!(matching.iter().all(|name| parsed.matches(name)), "{pattern} misses one of {matching:?}");
            assert!(!others.iter().any(|name| parsed.matches(name)), "{pattern} takes one of {others:?}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_its_field() {
        for text in [r"a\", r"\a", r"\\\", "a\0", &"x".repeat(256), ""] {
            let error = NamePattern::parse(text, "name_pattern").unwrap_err();
            assert!(error.message().starts_with("name_pattern: "), "{text}: {}", error.message());
        }
    }
}
