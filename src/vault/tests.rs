use secrecy::{ExposeSecret, SecretString};

use super::*;
use crate::model::AccountId;

fn open_in(directory: &std::path::Path, check: Option<&[u8]>, fresh: bool) -> Opened {
    Vault::open(&KeySource::File(directory.join("master.key")), b"store", check, fresh).unwrap()
}

fn account(text: &str) -> AccountId {
    AccountId::parse(text, "account").unwrap()
}

#[test]
fn a_secret_opens_at_its_own_place_only() {
    let directory = tempfile::tempdir().unwrap();
    let vault = open_in(directory.path(), None, true).vault;
    let (mine, other) = (account("mine"), account("other"));
    let scope = SecretScope::new(&mine, "connections/a", "password", 3);
    for secret in ["", "s3cret", "pässwörd 🔑"] {
        let sealed = vault.seal(&scope, &SecretString::from(secret)).unwrap();
        assert_eq!(vault.open_secret(&scope, &sealed).unwrap().expose_secret(), secret);
        for wrong in [
            SecretScope::new(&other, "connections/a", "password", 3),
            SecretScope::new(&mine, "connections/b", "password", 3),
            SecretScope::new(&mine, "connections/a", "client_key", 3),
            SecretScope::new(&mine, "connections/a", "password", 4),
        ] {
            let error = vault.open_secret(&wrong, &sealed).unwrap_err();
            assert_eq!(error.reason(), Reason::SealedRecordCorrupt);
        }
    }
}

#[test]
fn no_record_with_a_flipped_bit_or_cut_short_opens() {
    let directory = tempfile::tempdir().unwrap();
    let vault = open_in(directory.path(), None, true).vault;
    let mine = account("mine");
    let scope = SecretScope::new(&mine, "connections/a", "password", 1);
    let sealed = vault.seal(&scope, &SecretString::from("s3cret")).unwrap();
    for bit in 0..sealed.len() * 8 {
        let mut damaged = sealed.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(vault.open_secret(&scope, &damaged).is_err(), "bit {bit}");
    }
    for length in 0..sealed.len() {
        assert!(vault.open_secret(&scope, &sealed[..length]).is_err(), "length {length}");
    }
}

#[test]
fn the_same_secret_never_seals_to_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let vault = open_in(directory.path(), None, true).vault;
    let mine = account("mine");
    let scope = SecretScope::new(&mine, "connections/a", "password", 1);
    let seal = || vault.seal(&scope, &SecretString::from("s3cret")).unwrap();
    assert_ne!(seal(), seal());
}

#[test]
fn a_wrong_or_missing_key_leaves_the_vault_sealed_and_the_file_alone() {
    let directory = tempfile::tempdir().unwrap();
    let check = open_in(directory.path(), None, true).key_check.unwrap();
    assert!(open_in(directory.path(), Some(&check), false).vault.seal_reason().is_none());

    let path = directory.path().join("master.key");
    let right = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let missing = open_in(directory.path(), Some(&check), false).vault;
    assert_eq!(missing.seal_reason(), Some(SealReason::KeyMissing));
    assert!(!path.exists(), "a new key must never be made while records exist");

    let elsewhere = tempfile::tempdir().unwrap();
    open_in(elsewhere.path(), None, true);
    std::fs::copy(elsewhere.path().join("master.key"), &path).unwrap();
    let wrong = open_in(directory.path(), Some(&check), false).vault;
    assert_eq!(wrong.seal_reason(), Some(SealReason::KeyWrong));
    let mine = account("mine");
    let scope = SecretScope::new(&mine, "connections/a", "password", 1);
    assert_eq!(wrong.seal(&scope, &SecretString::from("x")).unwrap_err().reason(), Reason::VaultSealed);

    std::fs::write(&path, right).unwrap();
    assert!(open_in(directory.path(), Some(&check), false).vault.seal_reason().is_none());
}

#[test]
fn a_key_file_that_others_can_read_or_that_is_no_key_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    open_in(directory.path(), None, true);
    let path = directory.path().join("master.key");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let source = KeySource::File(path.clone());
    let error = Vault::open(&source, b"store", None, true).err().unwrap();
    assert!(error.message().contains("chmod 600"), "{error}");

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, "not a key").unwrap();
    let error = Vault::open(&source, b"store", None, true).err().unwrap();
    assert!(error.message().contains("does not hold a key"), "{error}");
}
