//! What each fuzz target does with its input. The files in `fuzz_targets` hand it what libFuzzer makes, and the test
//! suite, which includes this file, what proptest makes.

use std::sync::OnceLock;

use dbkeeper::{
    grpc::convert::token::{ListScope, Tokens},
    model::{AccountId, migration::Dialect},
    service::{access::key_text::KeyText, migration::splitter::split},
    vault::{MasterKeys, SecretScope, Vault},
};

/// A vault with a key of its own, which stays open for the life of the process.
fn vault() -> &'static Vault {
    static VAULT: OnceLock<Vault> = OnceLock::new();
    VAULT.get_or_init(|| Vault::new(&MasterKeys::generate().expect("a key")).expect("a vault"))
}

fn tokens() -> &'static Tokens {
    static TOKENS: OnceLock<Tokens> = OnceLock::new();
    TOKENS.get_or_init(|| {
        let sealed = vault().generate_server_key("token").expect("a key");
        let tokens = Tokens::default();
        tokens.set_key(vault().open_server_key("token", &sealed).expect("it opens").into());
        tokens
    })
}

/// Page tokens: what was not made here is refused, and what was made from any sort key comes back as it.
pub(crate) fn page_token(input: &[u8]) {
    let text = String::from_utf8_lossy(input).into_owned();
    let account = AccountId::from_stored("fuzz".to_owned());
    let scope = ListScope { account: &account, method: "ListTables", selection: &[&text] };
    let opened = tokens().page(10, &text, scope);
    assert!(text.is_empty() || opened.is_err(), "a token that nobody made was taken: {text:?}");
    let key = vec![text.chars().take(1000).collect::<String>()];
    let token = tokens().next_page(Some(&key), scope).expect("a token");
    assert_eq!(tokens().page(10, &token, scope).expect("our own token").after, Some(key));
}

/// API keys: a text that is taken for one is the text of that key, up to the case of its hex digits.
pub(crate) fn api_key(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    // Behind a correct checksum the other checks are reached, too.
    let completed = format!("{text}_{:08x}", crc32(text.as_bytes()));
    let mistyped = format!("{text}_{:08x}", !crc32(text.as_bytes()));
    for text in [text, &completed, &mistyped] {
        if let Some(key) = KeyText::parse(text) {
            let (body, checksum) = text.rsplit_once('_').expect("a key has a checksum");
            assert_eq!(checksum, format!("{:08x}", crc32(body.as_bytes())), "{text} has another checksum");
            let told = key.to_text();
            let told = told.rsplit_once('_').expect("a key has a checksum").0;
            assert_eq!(told, body.to_ascii_lowercase());
        }
    }
}

/// The checksum of API keys, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 })
    })
}

/// Sealed records: nothing that the vault did not seal opens, not even a sealed record with a change in it.
pub(crate) fn sealed_record(input: &[u8]) {
    let account = AccountId::from_stored("fuzz".to_owned());
    let scope = SecretScope::new(&account, "connections/fuzz", "password", 1);
    assert!(vault().open_secret(&scope, input).is_err(), "a record that nobody sealed was opened");
    static SEALED: OnceLock<Vec<u8>> = OnceLock::new();
    let sealed = SEALED.get_or_init(|| vault().seal(&scope, &"secret".into()).expect("a record"));
    let mut changed = sealed.clone();
    for (byte, change) in changed.iter_mut().zip(input) {
        *byte ^= change;
    }
    assert_eq!(vault().open_secret(&scope, &changed).is_ok(), changed == *sealed);
}

/// The splitter of migrations: every statement is a piece of the text, in order.
pub(crate) fn migration_splitter(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for dialect in [Dialect::Postgresql, Dialect::Mysql, Dialect::Sqlite] {
        let Ok(statements) = split(dialect, text, 1) else { continue };
        let mut rest = text;
        for statement in statements {
            let at = rest.find(statement.text.as_str()).expect("a statement is a piece of the text");
            assert!(!statement.text.is_empty() && statement.line >= 1, "{statement:?}");
            rest = &rest[at + statement.text.len()..];
        }
    }
}
