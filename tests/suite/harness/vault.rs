//! The sealed records of a server, looked at and made from outside.

use std::path::Path;

use dbkeeper::{
    model::{AccountId, ConnectionId, name, vault::MasterKeyState},
    service::vault,
    store::{Store, sealed::SEALED_FIELDS},
    vault::{KeySource, SecretScope, Vault},
};
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};

/// The vault of a data directory, whether a server runs on it or not.
pub(crate) async fn open(store: &Store, key_file: &Path) -> Vault {
    let opened = vault::open(store, &KeySource::File(key_file.to_owned())).await.expect("a store");
    opened.expect("the key of the store")
}

/// Opens every sealed record, and returns how many there are.
pub(crate) async fn open_every_record(store_file: &Path, key_file: &Path) -> usize {
    let store = Store::open(store_file).await.expect("the store opens");
    let vault = open(&store, key_file).await;
    let mut count = 0;
    for field in SEALED_FIELDS {
        let mut after: Option<Vec<String>> = None;
        loop {
            // No record has version 0, so this is all of them.
            let rows = store.sealed_rows(field, 0, after.as_deref(), 1000).await.expect("the records are read");
            let Some(last) = rows.last() else { break };
            after = Some(last.key.clone());
            for row in rows {
                let scope = SecretScope::stored(&row.account, &row.resource, &row.field, row.version);
                vault.reseal(&scope, &row.sealed).unwrap_or_else(|error| panic!("{row:?}: {error}"));
                count += 1;
            }
        }
    }
    store.close().await;
    count
}

/// The versions of the key that are in use, by the store.
pub(crate) async fn versions_in_use(store_file: &Path) -> Vec<u32> {
    let store = Store::open(store_file).await.expect("the store opens");
    let known = store.master_keys().await.expect("the versions");
    store.close().await;
    let in_use = known.into_iter().filter(|known| known.state != MasterKeyState::Retired);
    in_use.map(|known| known.version).collect()
}

/// Registers so many databases at once, each with a password of its own, past the server.
pub(crate) async fn add_connections(store_file: &Path, key_file: &Path, count: usize) {
    let store = Store::open(store_file).await.expect("the store opens");
    let vault = open(&store, key_file).await;
    let account = AccountId::from_stored("default".to_owned());
    let mut connection = SqliteConnectOptions::new().filename(store_file).connect().await.expect("the file opens");
    let mut transaction = connection.begin().await.expect("a transaction");
    for number in 0..count {
        let id = ConnectionId::from_stored(format!("many-{number:06}"));
        let resource = name::connection(&id);
        let scope = SecretScope::new(&account, &resource, "password", 1);
        let sealed = vault.seal(&scope, &format!("secret of {number}").into()).expect("it is sealed");
        sqlx::query(
            "INSERT INTO connections (account, id, engine, display_name, settings, sealed_password, revision,
                                      credential_revision, created, updated)
             VALUES ('default', $1, 'postgresql', $1, '{}', $2, 1, 1, 0, 0)",
        )
        .bind(id.as_str())
        .bind(sealed)
        .execute(&mut *transaction)
        .await
        .expect("a row");
    }
    transaction.commit().await.expect("the rows are stored");
    connection.close().await.expect("the file closes");
    store.close().await;
}

/// The versions in a file of keys.
pub(crate) fn versions_in_file(key_file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(key_file).expect("a key file");
    text.lines().map(|line| line.split(':').nth(2).expect("a version").to_owned()).collect()
}
