//! Who may call: API keys, and the callers behind them.

mod accounts;
mod cache;
pub mod key_text;
pub mod keys;
mod known;
pub mod token;
mod uses;

use std::{
    fs::{self, OpenOptions},
    io::Write,
    net::IpAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use accounts::AccountValidities;
use cache::KeyCache;
use key_text::KeyText;
use known::KnownKey;
use secrecy::SecretString;
use token::Tokens;
use uses::Uses;

use crate::{
    model::{
        AccountId, ApiKeyId, AuthenticationMethod, CallContext, Caller, ClientCertificate, Error, Grant, Permission,
        Reason, Result, Timestamp, Validity, access::DEFAULT_ACCOUNT, api_key::ApiKey, name,
    },
    store::{Store, api_key::StoredKey},
    vault::Pepper,
};

/// Name of the file in the data directory that holds the admin key of the first start.
pub const ADMIN_KEY_FILE: &str = "admin.key";
/// Who makes the keys that no caller makes.
const SERVER: &str = "server";

/// What a name of a client certificate comes to.
#[derive(Debug, Clone)]
pub struct CertificateRule {
    /// The name with its kind, as [`ClientCertificate::names`] has it.
    pub name: String,
    /// Whose the caller is.
    pub account: AccountId,
    /// What it may do.
    pub grant: Grant,
}

/// Ways to prove who one is besides an API key.
#[derive(Default)]
pub struct OtherWays {
    /// Tokens of an identity provider.
    pub tokens: Option<Tokens>,
    /// Client certificates, by the first rule that a certificate meets.
    pub certificates: Vec<CertificateRule>,
}

/// Tells who calls, and manages API keys.
pub struct AccessService {
    store: Store,
    pepper: Pepper,
    cache: KeyCache,
    accounts: AccountValidities,
    uses: Uses,
    other_ways: OtherWays,
}

impl AccessService {
    /// A service over the store; `pepper` makes the digests of keys.
    pub fn new(store: Store, pepper: Pepper) -> Self {
        let (cache, accounts) = (KeyCache::default(), AccountValidities::default());
        Self { store, pepper, cache, accounts, uses: Uses::default(), other_ways: OtherWays::default() }
    }

    /// The service with other ways to prove who one is.
    #[must_use]
    pub fn with_other_ways(self, other_ways: OtherWays) -> Self {
        Self { other_ways, ..self }
    }

    /// Makes the account `default` and an admin key where there is no key at all. The key goes to a file that only its
    /// owner can read, before the store knows it: a crash in between leaves a key that does not work and is made anew.
    pub async fn ensure_admin_key(&self, data_directory: &Path) -> Result<()> {
        if self.store.has_api_keys().await? {
            return Ok(());
        }
        let text = KeyText::generate()?;
        self.insert_admin_key(&data_directory.join(ADMIN_KEY_FILE), &text, "made at the first start").await
    }

    /// Makes an admin key beside those that exist, and returns the file that it is in. A file of that name that is there is
    /// not overwritten.
    pub async fn make_admin_key(&self, data_directory: &Path) -> Result<PathBuf> {
        let text = KeyText::generate()?;
        let mut file = data_directory.join(ADMIN_KEY_FILE);
        if file.exists() {
            file.set_file_name(format!("admin-{}.key", text.id()));
        }
        self.insert_admin_key(&file, &text, "made by dbkeeper admin-key").await?;
        Ok(file)
    }

    async fn insert_admin_key(&self, file: &Path, text: &KeyText, display_name: &str) -> Result<()> {
        let account = AccountId::parse(DEFAULT_ACCOUNT, "account")?;
        self.store.ensure_account(&account, "Default").await?;
        write_key_file(file, &text.to_text()).map_err(|cause| {
            Error::new(Reason::StoreUnavailable, "the file of the admin key cannot be written in the data directory")
                .caused_by(cause)
        })?;
        self.insert(text, account, display_name, Grant::ALL).await
    }

    /// Makes a key of an account, and the account where it is missing. The text of the key is told this once: the store
    /// keeps a digest.
    pub async fn create_key(&self, account: AccountId, display_name: &str, grant: Grant) -> Result<SecretString> {
        self.store.ensure_account(&account, account.as_str()).await?;
        let text = KeyText::generate()?;
        self.insert(&text, account, display_name, grant).await?;
        Ok(text.into_secret())
    }

    async fn insert(&self, text: &KeyText, account: AccountId, display_name: &str, grant: Grant) -> Result<()> {
        let now = Timestamp::now();
        let key = ApiKey {
            id: text.id().clone(),
            account: account.clone(),
            display_name: display_name.to_owned(),
            grant,
            scopes: None,
            ranges: Vec::new(),
            creator: SERVER.to_owned(),
            created: now,
            updated: now,
            revision: 1,
            expires: None,
            revoked: None,
            previous_until: None,
            last_use: None,
        };
        let stored = StoredKey { key, digest: self.pepper.digest(text.secret()), previous_digest: None };
        self.store.insert_api_key(&stored, &account, None).await.map(|_| ())
    }

    /// The caller behind an API key or a token that is used from an address. API_KEY_INVALID, always with the same text,
    /// where a key is not taken; the cause goes to the log. For tokens see [`Tokens::verify`].
    pub async fn authenticate(&self, bearer: &str, address: IpAddr) -> Result<Caller> {
        match &self.other_ways.tokens {
            Some(tokens) if Tokens::is_token(bearer) => self.authenticate_token(tokens, bearer).await,
            _ => self.authenticate_key(bearer, address).await,
        }
    }

    async fn authenticate_token(&self, tokens: &Tokens, token: &str) -> Result<Caller> {
        let now = Timestamp::now();
        if let Some(caller) = tokens.remembered(token, now) {
            return Ok(caller);
        }
        let (mut caller, version) = tokens.verify(token, now).await?;
        caller.account_validity = self.account_validity(&caller.account).await?;
        tokens.remember(token, version, caller.clone());
        Ok(caller)
    }

    /// The caller behind a client certificate. CERTIFICATE_EXPIRED where it ended while its connection was open,
    /// CREDENTIALS_ENDED where no authority vouches for it any more; IDENTITY_UNMAPPED where no rule knows one of its names.
    pub async fn authenticate_certificate(&self, certificate: &ClientCertificate) -> Result<Caller> {
        if certificate.expires <= Timestamp::now() {
            return Err(Error::new(
                Reason::CertificateExpired,
                format!("the client certificate expired at {}; connect again with a new one", certificate.expires),
            ));
        }
        if certificate.validity.has_ended() {
            return Err(Error::new(
                Reason::CredentialsEnded,
                "the authority of the client certificate was taken out of this server's; connect again with a \
                 certificate of one that is in, or send an API key",
            ));
        }
        let known = self.other_ways.certificates.iter().find(|rule| certificate.names.contains(&rule.name));
        let rule = known.ok_or_else(|| {
            Error::new(
                Reason::IdentityUnmapped,
                "no name of the client certificate is in access.certificates of this server; add it, or send an API key",
            )
        })?;
        let account_validity = self.account_validity(&rule.account).await?;
        let principal = format!("certificate/{}", rule.name);
        let method = AuthenticationMethod::ClientCertificate;
        let mut caller = Caller::new(rule.account.clone(), principal, method, rule.grant);
        caller.expires = Some(certificate.expires);
        caller.validity = certificate.validity.clone();
        caller.account_validity = account_validity;
        Ok(caller)
    }

    /// How long an account is there, which must be there now.
    async fn account_validity(&self, account: &AccountId) -> Result<Validity> {
        loop {
            let generation = self.accounts.generation();
            self.check_account(account).await?;
            // One that was deleted meanwhile is looked at again.
            if let Some(validity) = self.accounts.validity(account, generation) {
                return Ok(validity);
            }
        }
    }

    async fn check_account(&self, account: &AccountId) -> Result<()> {
        self.store.account(account).await.map(|_| ()).map_err(|error| match error.reason() {
            Reason::AccountNotFound => Error::new(
                Reason::IdentityUnmapped,
                format!(
                    "the identity is of {}, which does not exist; make it with CreateAccount",
                    name::account(account)
                ),
            ),
            _ => error,
        })
    }

    /// True where a key was used well from this address before, or a token was found good. Only what is in memory is
    /// looked at.
    pub fn knows_well(&self, bearer: &str, address: IpAddr) -> bool {
        if let Some(tokens) = self.other_ways.tokens.as_ref().filter(|_| Tokens::is_token(bearer)) {
            return tokens.remembered(bearer, Timestamp::now()).is_some();
        }
        let Some(text) = KeyText::parse(bearer) else { return false };
        self.cache.get(text.id()).is_ok_and(|known| known.was_used_from(address))
    }

    /// Reads the keys of the identity provider again, where there is one.
    pub async fn refresh_token_keys(&self) -> Result<()> {
        match &self.other_ways.tokens {
            Some(tokens) => tokens.refresh().await,
            None => Ok(()),
        }
    }

    async fn authenticate_key(&self, bearer: &str, address: IpAddr) -> Result<Caller> {
        let text = KeyText::parse(bearer).ok_or_else(|| invalid_key("the form or the checksum is wrong"))?;
        let known = self.known(text.id()).await?;
        let now = Timestamp::now();
        let caller = known.check(&text, address, now, &self.pepper).map_err(invalid_key)?;
        if let Some(used) = known.note_use(address, now) {
            self.uses.note(text.id(), used);
        }
        Ok(caller)
    }

    /// What people call the key of a caller; empty where it has none.
    pub async fn key_display_name(&self, context: &CallContext) -> Result<String> {
        match &context.caller.key {
            Some(id) => Ok(self.known(id).await?.display_name().to_owned()),
            None => Ok(String::new()),
        }
    }

    /// Stores the uses of keys that were gathered since the last time. What cannot be stored is kept for the next.
    pub async fn store_uses(&self) -> Result<()> {
        let uses = self.uses.take();
        if uses.is_empty() {
            return Ok(());
        }
        let stored = self.store.record_key_uses(&uses).await;
        if stored.is_err() {
            self.uses.put_back(uses);
        }
        stored
    }

    /// Forgets the callers of an account that may have been deleted: the next call of each looks it up again.
    pub fn forget_account(&self, account: &AccountId) {
        self.cache.remove_account(account);
        if let Some(tokens) = &self.other_ways.tokens {
            tokens.forget_account(account);
        }
    }

    /// Ends what the callers of an account that was deleted have open, whatever they showed.
    pub fn end_account(&self, account: &AccountId) {
        self.accounts.end(account);
        self.cache.end_account(account);
    }

    async fn known(&self, id: &ApiKeyId) -> Result<Arc<KnownKey>> {
        loop {
            let generation = match self.cache.get(id) {
                Ok(known) => return Ok(known),
                Err(generation) => generation,
            };
            let stored = self.store.stored_key(id).await?.ok_or_else(|| invalid_key("there is no such key"))?;
            // Where a key was written meanwhile, what was read may be out of date, and is read again.
            if let Some(known) = self.cache.insert(generation, stored) {
                return Ok(known);
            }
        }
    }
}

/// An account is there for its own callers and for the administrators of the server; for others it does not exist.
pub(in crate::service) fn visible(context: &CallContext, account: &AccountId) -> Result<()> {
    if context.account() == account || context.caller.permissions.contains(Permission::System) {
        return Ok(());
    }
    Err(Error::not_found(Reason::AccountNotFound, "account", name::account(account)))
}

fn invalid_key(cause: &'static str) -> Error {
    Error::new(
        Reason::ApiKeyInvalid,
        "the API key is malformed, unknown, expired, revoked or not allowed from this address; the key of the first \
         start is in admin.key of the data directory",
    )
    .caused_by(cause)
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
