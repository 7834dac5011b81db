use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use secrecy::{ExposeSecret, SecretString};

use super::*;
use crate::model::{AccountId, Reason, Timestamp, vault::KEY_CHECK_LENGTH};

fn account(text: &str) -> AccountId {
    AccountId::parse(text, "account").unwrap()
}

fn vault() -> Vault {
    Vault::new(&MasterKeys::generate().unwrap()).unwrap()
}

fn known(keys: &MasterKeys, version: u32, state: MasterKeyState) -> MasterKeyVersion {
    let key_check = keys.check_value(version, b"store").unwrap_or([0; KEY_CHECK_LENGTH]);
    MasterKeyVersion { version, state, key_check, created: Timestamp::now(), retired: None }
}

#[test]
fn a_secret_opens_at_its_own_place_only() {
    let vault = vault();
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
    let keys = MasterKeys::generate().unwrap().with_new(2).unwrap();
    let vault = Vault::new(&keys).unwrap();
    let mine = account("mine");
    let scope = SecretScope::new(&mine, "connections/a", "password", 1);
    for secret in ["", "s3cret"] {
        let sealed = vault.seal(&scope, &SecretString::from(secret)).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(vault.open_secret(&scope, &damaged).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(vault.open_secret(&scope, &sealed[..length]).is_err(), "length {length}");
        }
    }
}

#[test]
fn a_record_does_not_open_as_one_of_another_version_of_the_key() {
    let keys = MasterKeys::generate().unwrap();
    let old = Vault::new(&keys).unwrap();
    let mine = account("mine");
    let scope = SecretScope::new(&mine, "connections/a", "password", 1);
    let sealed = old.seal(&scope, &SecretString::from("s3cret")).unwrap();
    // The same key under another number: only the version in the additional data tells the two apart.
    let text = keys.to_text().replace(":1:1:", ":1:2:") + &keys.to_text();
    let both = Vault::new(&MasterKeys::parse(&text).unwrap()).unwrap();
    assert!(both.open_secret(&scope, &sealed).is_ok());
    let mut renamed = sealed;
    renamed[4] = 2;
    assert!(both.open_secret(&scope, &renamed).is_err());
}

#[test]
fn the_same_secret_never_seals_to_the_same_bytes() {
    let vault = vault();
    let mine = account("mine");
    let scope = SecretScope::new(&mine, "connections/a", "password", 1);
    let seal = || vault.seal(&scope, &SecretString::from("s3cret")).unwrap();
    let (one, other) = (seal(), seal());
    // Neither a nonce nor a data key is used twice: no window of their length is in both.
    let windows: std::collections::HashSet<&[u8]> = one[5..].windows(12).collect();
    assert!(other[5..].windows(12).all(|window| !windows.contains(window)));
}

#[test]
fn a_new_version_writes_and_the_old_one_is_read() {
    let keys = MasterKeys::generate().unwrap();
    let vault = Vault::new(&keys).unwrap();
    let mine = account("mine");
    let scope = SecretScope::new(&mine, "connections/a", "password", 1);
    let old = vault.seal(&scope, &SecretString::from("s3cret")).unwrap();
    let keys = keys.with_new(2).unwrap();
    vault.write_with(&keys, 2).unwrap();
    assert_eq!(vault.current_version(), 2);
    let new = vault.reseal(&scope, &old).unwrap();
    assert_eq!((old[4], new[4]), (1, 2));
    for sealed in [&old, &new] {
        assert_eq!(vault.open_secret(&scope, sealed).unwrap().expose_secret(), "s3cret");
    }
    let only_new = Vault::new(&keys.without(|version| version == 1)).unwrap();
    assert!(only_new.open_secret(&scope, &old).is_err());
    assert_eq!(only_new.open_secret(&scope, &new).unwrap().expose_secret(), "s3cret");
}

#[test]
fn every_version_in_use_has_to_be_there_and_right() {
    use MasterKeyState::{Current, Reading, Retired};
    let keys = MasterKeys::generate().unwrap().with_new(2).unwrap().with_new(3).unwrap();
    let store = [known(&keys, 1, Retired), known(&keys, 2, Reading), known(&keys, 3, Current)];
    let open = |keys: &MasterKeys| Vault::open(keys, &store, b"store").map(|vault| vault.current_version());
    assert_eq!(open(&keys), Ok(3));
    assert_eq!(open(&keys.clone().without(|version| version == 1)), Ok(3));
    assert_eq!(open(&keys.clone().without(|version| version == 2)), Err(SealReason::KeyMissing));
    let other = MasterKeys::generate().unwrap().with_new(2).unwrap().with_new(3).unwrap();
    assert_eq!(open(&other), Err(SealReason::KeyWrong));
    assert_eq!(Vault::open(&keys, &store, b"another store").err(), Some(SealReason::KeyWrong));
    // A version that the store does not know is not used, whatever its number.
    assert_eq!(open(&keys.with_new(4).unwrap()), Ok(3));
}

#[test]
fn the_text_of_keys_is_read_as_it_is_written_and_nothing_else_is() {
    let keys = MasterKeys::generate().unwrap().with_new(7).unwrap();
    let text = keys.to_text();
    let read = MasterKeys::parse(&text).unwrap();
    assert_eq!(read.versions().collect::<Vec<_>>(), [1, 7]);
    assert_eq!(*read.to_text(), *text);
    let line = text.lines().next().unwrap();
    for good in [line.to_owned(), format!("# ours\n\n {line} \n"), text.replace('\n', " ")] {
        assert!(MasterKeys::parse(&good).is_some(), "a form that people write");
    }
    let short = line.split_at(line.len() - 4).0;
    for bad in [
        "",
        "\n",
        "# nothing",
        "not a key",
        short,
        &format!("{line}\n{line}"),
        &format!("{line}\nrest"),
        &line.replace(":1:1:", ":1:0:"),
        &line.replace(":1:1:", ":2:1:"),
    ] {
        assert!(MasterKeys::parse(bad).is_none(), "{}", bad.len());
    }
}

fn file_in(directory: &Path) -> KeySource {
    KeySource::File(directory.join("master.key"))
}

#[tokio::test]
async fn a_key_file_gives_back_what_was_put_there() {
    let directory = tempfile::tempdir().unwrap();
    let source = file_in(directory.path());
    assert!(source.read().await.unwrap().is_none());
    let keys = MasterKeys::generate().unwrap();
    source.write(&keys).await.unwrap();
    let more = keys.clone().with_new(2).unwrap();
    source.write(&more).await.unwrap();
    assert_eq!(*source.read().await.unwrap().unwrap().to_text(), *more.to_text());
    let path = directory.path().join("master.key");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[tokio::test]
async fn a_key_file_that_others_can_read_or_that_is_no_key_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (source, path) = (file_in(directory.path()), directory.path().join("master.key"));
    source.write(&MasterKeys::generate().unwrap()).await.unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let trouble = source.read().await.err().unwrap();
    assert_eq!(trouble.reason, SealReason::KeyExposed);
    assert!(trouble.to_string().contains("chmod 600"), "{trouble}");

    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    for garbage in [&b"not a key"[..], b"", b"\xff\xfe\x00", &[b'x'; 100_000]] {
        fs::write(&path, garbage).unwrap();
        assert_eq!(source.read().await.err().unwrap().reason, SealReason::KeyMalformed);
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(source.read().await.err().unwrap().reason, SealReason::SourceUnavailable);
}
