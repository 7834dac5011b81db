//! Master keys by version: as a source holds them, and as the vault uses them.
//!
//! A source holds one line a version, `dbkeeper-master-key:1:{version}:{32 bytes in base64}`. A file with one line, as
//! the first start makes it, is a ring of one version. Lines that begin with `#` are left to people.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{aead::LessSafeKey, hmac};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::cipher::{self, KEY_LENGTH};
use crate::model::{Result, vault::KEY_CHECK_LENGTH};

/// Text before a key: what it is, and the version of the format.
const PREFIX: &str = "dbkeeper-master-key:1:";

/// One master key in clear. It has no Debug, and its bytes are wiped when it is dropped.
#[derive(Clone)]
pub(super) struct MasterKey(pub(super) Zeroizing<[u8; KEY_LENGTH]>);

impl MasterKey {
    pub(super) fn generate() -> Result<Self> {
        Ok(Self(cipher::random()?))
    }
}

/// The versions of the master key that a source holds, in clear. It has no Debug.
#[derive(Clone, Default)]
pub struct MasterKeys(BTreeMap<u32, MasterKey>);

impl MasterKeys {
    /// A new random key as the only version.
    pub fn generate() -> Result<Self> {
        Self::default().with_new(1)
    }

    /// Reads the text form. Absent where any line is no key, a version is there twice, or there is none at all.
    pub fn parse(text: &str) -> Option<Self> {
        let mut keys = BTreeMap::new();
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            // A variable of the environment can hold several keys on one line.
            for word in line.split_whitespace() {
                let (version, key) = parse_key(word)?;
                if keys.insert(version, key).is_some() {
                    return None;
                }
            }
        }
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// Reads the text form out of a secret that a caller sent.
    pub fn parse_secret(text: &SecretString) -> Option<Self> {
        Self::parse(text.expose_secret())
    }

    /// The text form, a line a version.
    pub(super) fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.0.len() * 96));
        for (version, key) in &self.0 {
            let encoded = Zeroizing::new(STANDARD.encode(&key.0[..]));
            for part in [PREFIX, &version.to_string(), ":", &encoded, "\n"] {
                text.push_str(part);
            }
        }
        text
    }

    /// The versions, the oldest first.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = u32> {
        self.0.keys().copied()
    }

    /// The newest version.
    pub fn newest(&self) -> Option<u32> {
        self.versions().next_back()
    }

    /// True where it has a version.
    pub fn contains(&self, version: u32) -> bool {
        self.0.contains_key(&version)
    }

    /// The same with a new random key of a version, where it has none of that version yet.
    pub fn with_new(mut self, version: u32) -> Result<Self> {
        if !self.contains(version) {
            self.0.insert(version, MasterKey::generate()?);
        }
        Ok(self)
    }

    /// The same without the versions for which `gone` holds.
    #[must_use]
    pub fn without(mut self, gone: impl Fn(u32) -> bool) -> Self {
        self.0.retain(|version, _| !gone(*version));
        self
    }

    /// What the store keeps to tell a version from another key. It is bound to the store's id, so that equal keys of two
    /// stores do not show.
    pub fn check_value(&self, version: u32, store_id: &[u8]) -> Option<[u8; KEY_CHECK_LENGTH]> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0.get(&version)?.0[..]);
        let mut context = hmac::Context::with_key(&key);
        context.update(b"dbkeeper key check\0");
        context.update(&version.to_be_bytes());
        context.update(store_id);
        context.sign().as_ref().try_into().ok()
    }

    /// True where it has a version and that is the key of a check value. Compared in constant time.
    pub fn matches(&self, version: u32, store_id: &[u8], key_check: &[u8]) -> bool {
        self.check_value(version, store_id).is_some_and(|computed| cipher::equal(key_check, &computed))
    }

    pub(super) fn insert(&mut self, version: u32, key: MasterKey) {
        self.0.insert(version, key);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &MasterKey)> {
        self.0.iter().map(|(version, key)| (*version, key))
    }
}

fn parse_key(text: &str) -> Option<(u32, MasterKey)> {
    let (version, encoded) = text.strip_prefix(PREFIX)?.split_once(':')?;
    let version = version.parse().ok().filter(|version| *version > 0)?;
    let bytes = Zeroizing::new(STANDARD.decode(encoded).ok()?);
    Some((version, MasterKey(Zeroizing::new(bytes.as_slice().try_into().ok()?))))
}

/// The master keys that are read with, and the one that is written with.
#[derive(Clone)]
pub(super) struct Keyring {
    current: u32,
    current_key: LessSafeKey,
    keys: BTreeMap<u32, LessSafeKey>,
}

impl Keyring {
    /// A ring of all keys, of which one version is written with. Absent where that version is missing.
    pub(super) fn new(keys: &MasterKeys, current: u32) -> Option<Self> {
        Self::of(BTreeMap::new(), keys, current)
    }

    /// The same with further keys and another current version. A key that the ring has already stays as it is.
    pub(super) fn with(&self, keys: &MasterKeys, current: u32) -> Option<Self> {
        Self::of(self.keys.clone(), keys, current)
    }

    fn of(mut ring: BTreeMap<u32, LessSafeKey>, keys: &MasterKeys, current: u32) -> Option<Self> {
        for (version, key) in keys.iter() {
            ring.entry(version).or_insert_with(|| cipher::key(&key.0));
        }
        let current_key = ring.get(&current)?.clone();
        Some(Self { current, current_key, keys: ring })
    }

    /// The key that is written with, and its version.
    pub(super) fn current(&self) -> (u32, &LessSafeKey) {
        (self.current, &self.current_key)
    }

    /// The key of a version.
    pub(super) fn get(&self, version: u32) -> Option<&LessSafeKey> {
        self.keys.get(&version)
    }
}
