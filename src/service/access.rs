//! Who may call: accounts and API keys.

pub mod api_key;

use std::{
    collections::HashMap,
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use api_key::ApiKey;
use secrecy::SecretString;

use crate::{
    model::{
        AccountId, ApiKeyId, CallContext, Caller, Error, Grant, Reason, Result, Role, Timestamp,
        access::DEFAULT_ACCOUNT,
    },
    store::{Store, api_key::ApiKeyRecord},
    vault::Pepper,
};

/// Name of the file in the data directory that holds the admin key of the first start.
pub const ADMIN_KEY_FILE: &str = "admin.key";
/// Keys that are kept in memory.
const MAX_CACHED_KEYS: usize = 10_000;

/// Tells callers by their API keys.
pub struct AccessService {
    store: Store,
    pepper: Pepper,
    /// Keys by id as they stand in the store, which only this process writes.
    cache: RwLock<HashMap<String, Arc<KnownKey>>>,
}

struct KnownKey {
    record: ApiKeyRecord,
    caller: Caller,
}

impl AccessService {
    /// A service over the store; `pepper` makes the digests of keys.
    pub fn new(store: Store, pepper: Pepper) -> Self {
        Self { store, pepper, cache: RwLock::default() }
    }

    /// Makes the account `default` and an admin key where there is no key at all. The key goes to a file that only its
    /// owner can read, before the store knows it: a crash in between leaves a key that does not work and is made anew.
    pub async fn ensure_admin_key(&self, data_directory: &Path) -> Result<()> {
        if self.store.has_api_keys().await? {
            return Ok(());
        }
        let account = AccountId::parse(DEFAULT_ACCOUNT, "account")?;
        self.store.ensure_account(&account, "Default").await?;
        let key = ApiKey::generate()?;
        write_key_file(&data_directory.join(ADMIN_KEY_FILE), &key.to_text()).map_err(|cause| {
            Error::new(Reason::StoreUnavailable, format!("{ADMIN_KEY_FILE} cannot be written in the data directory"))
                .caused_by(cause)
        })?;
        self.insert(&key, account, "made at the first start", Role::Admin).await
    }

    /// Makes a key of an account, and the account where it is missing. The text of the key is told this once: the store
    /// keeps a digest.
    pub async fn create_key(&self, account: AccountId, display_name: &str, role: Role) -> Result<SecretString> {
        self.store.ensure_account(&account, account.as_str()).await?;
        let key = ApiKey::generate()?;
        self.insert(&key, account, display_name, role).await?;
        Ok(SecretString::from(key.to_text().as_str()))
    }

    async fn insert(&self, key: &ApiKey, account: AccountId, display_name: &str, role: Role) -> Result<()> {
        let record = ApiKeyRecord {
            id: key.id().to_owned(),
            account,
            display_name: display_name.to_owned(),
            role: role.as_str().to_owned(),
            digest: self.pepper.digest(key.secret()),
            expires: None,
            revoked: None,
        };
        self.store.insert_api_key(&record).await
    }

    /// The caller behind an API key. API_KEY_INVALID, always with the same text, where it is not one of ours.
    pub async fn authenticate(&self, bearer: &str) -> Result<Caller> {
        let key = ApiKey::parse(bearer).ok_or_else(invalid_key)?;
        let known = match self.cached(key.id()) {
            Some(known) => known,
            None => self.load(key.id()).await?,
        };
        let now = Timestamp::now();
        let ended = known.record.revoked.is_some() || known.record.expires.is_some_and(|expires| expires <= now);
        if ended || !self.pepper.verify(key.secret(), &known.record.digest) {
            return Err(invalid_key());
        }
        Ok(known.caller.clone())
    }

    /// What people call the key of a caller; empty where it has none.
    pub async fn key_display_name(&self, context: &CallContext) -> Result<String> {
        let Some(key) = &context.caller.key else { return Ok(String::new()) };
        let known = match self.cached(key.as_str()) {
            Some(known) => known,
            None => self.load(key.as_str()).await?,
        };
        Ok(known.record.display_name.clone())
    }

    fn cached(&self, id: &str) -> Option<Arc<KnownKey>> {
        self.cache.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    async fn load(&self, id: &str) -> Result<Arc<KnownKey>> {
        let record = self.store.api_key(id).await?.ok_or_else(invalid_key)?;
        let role = Role::parse(&record.role).ok_or_else(invalid_key)?;
        let grant = Grant { role, restore: role == Role::Admin };
        let mut caller = Caller::of_key(record.account.clone(), ApiKeyId::from_stored(record.id.clone()), grant);
        caller.expires = record.expires;
        let known = Arc::new(KnownKey { record, caller });
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= MAX_CACHED_KEYS {
            cache.clear();
        }
        cache.insert(id.to_owned(), known.clone());
        Ok(known)
    }
}

fn invalid_key() -> Error {
    Error::new(
        Reason::ApiKeyInvalid,
        "the API key is malformed, unknown, expired or revoked; the key of the first start is in admin.key of the data directory",
    )
}

fn write_key_file(path: &Path, text: &str) -> std::io::Result<()> {
    let unfinished = path.with_extension("key.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    path.parent().map_or(Ok(()), |parent| fs::File::open(parent)?.sync_all())
}

#[cfg(test)]
mod tests;
