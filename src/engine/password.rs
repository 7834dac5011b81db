//! Passwords that the server makes, and the rules for those that it is given to set.

use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::model::{Error, Result};

/// Shortest and longest password that is set. Longer ones are cut or refused by one server or another.
const LENGTHS: std::ops::RangeInclusive<usize> = 12..=128;

/// How an engine's passwords are made: so many letters, of each group at least one.
#[derive(Debug, Clone, Copy)]
pub struct PasswordRecipe {
    /// How many letters.
    pub length: usize,
    /// Groups of letters.
    pub groups: &'static [&'static str],
}

impl PasswordRecipe {
    /// Makes one. Every letter is drawn evenly from all groups; a draw that lacks a group is thrown away.
    pub fn make(&self) -> Result<SecretString> {
        let letters: Vec<u8> = self.groups.iter().flat_map(|group| group.bytes()).collect();
        let count = u8::try_from(letters.len()).map_err(Error::internal)?;
        // Bytes above the last whole multiple would favour the first letters.
        let limit = u8::MAX - (u8::MAX % count + 1) % count;
        loop {
            let mut password = Zeroizing::new(String::with_capacity(self.length));
            while password.len() < self.length {
                let mut drawn = Zeroizing::new([0; 64]);
                let source = SystemRandom::new().fill(&mut drawn[..]);
                source.map_err(|_| Error::internal("the system gives no random numbers"))?;
                let usable = drawn.iter().filter(|byte| **byte <= limit);
                let missing = self.length - password.len();
                password.extend(usable.take(missing).map(|byte| char::from(letters[usize::from(byte % count)])));
            }
            if self.groups.iter().all(|group| password.contains(|letter| group.contains(letter))) {
                return Ok(SecretString::from(password.as_str()));
            }
        }
    }
}

/// Refuses a password that one of the servers, tools or logins would read in another way.
pub fn check(password: &SecretString) -> Result<()> {
    let text = password.expose_secret();
    if LENGTHS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Error::invalid_field("new_password", "must be 12 to 128 printable ASCII characters without spaces"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn made_passwords_differ_hold_every_group_and_pass_the_check() {
        let recipe = PasswordRecipe { length: 24, groups: &["abc", "XYZ", "0123456789", "_"] };
        let mut seen = BTreeSet::new();
        let mut letters = BTreeSet::new();
        for _ in 0..500 {
            let password = recipe.make().unwrap();
            check(&password).unwrap();
            let text = password.expose_secret().to_owned();
            assert_eq!(text.len(), 24);
            assert!(recipe.groups.iter().all(|group| text.contains(|letter| group.contains(letter))), "{text}");
            letters.extend(text.chars());
            assert!(seen.insert(text), "a password twice");
        }
        assert_eq!(letters.len(), 17, "every letter comes up");
    }

    #[test]
    fn passwords_that_would_be_read_in_another_way_are_refused() {
        for text in [
            "",
            "short",
            "with a space in it",
            "with\nnew-line-in",
            "ends-in-nul-\0-",
            "mit-Umlaut-äöü",
            &"x".repeat(129),
        ] {
            check(&SecretString::from(text)).unwrap_err();
        }
        for text in ["twelve-chars", r#"quotes'"\`;--{}"#, &"x".repeat(128)] {
            check(&SecretString::from(text)).unwrap();
        }
    }
}
