//! Making, changing and ending API keys.
//!
//! Two rules hold throughout. Nobody gives what they do not hold: a key that is made, widened or given a new secret may do
//! nothing that its maker may not. And nobody locks themselves out: the last key that manages the caller's own account
//! stays, and so does the last one that does so from where the caller is.

use std::time::Duration;

use secrecy::SecretString;

use super::{AccessService, key_text::KeyText, visible};
use crate::{
    model::{
        AccountId, ApiKeyId, CallContext, Error, Grant, Permissions, Reason, RequestKey, Result, Timestamp,
        api_key::{AddressRange, ApiKey, KeyState, MAX_RANGES, check_scopes},
        name,
        page::{Page, PageRequest},
    },
    store::{
        api_key::{KeyChange, StoredKey},
        request::Inserted,
    },
};

/// Longest time that the old secret of a rotated key may be taken.
pub const MAX_OVERLAP: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a key is made from.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What people call it.
    pub display_name: String,
    /// What it is given.
    pub grant: Grant,
    /// What it is narrowed to.
    pub scopes: Option<Permissions>,
    /// Where it may be used from.
    pub ranges: Vec<AddressRange>,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
}

/// New values of a key; absent: as it was.
#[derive(Debug, Clone, Default)]
pub struct KeyPatch {
    /// What people call it.
    pub display_name: Option<String>,
    /// What it is narrowed to; the inner absence: nothing.
    pub scopes: Option<Option<Permissions>>,
    /// Where it may be used from.
    pub ranges: Option<Vec<AddressRange>>,
    /// When it ends by itself; the inner absence: never.
    pub expires: Option<Option<Timestamp>>,
}

/// A key with its text where it was made by this very call. A repeat of the call finds the key and no text: nothing of
/// ours could tell the text again.
pub struct Issued {
    /// The key.
    pub key: ApiKey,
    /// The text that a caller sends.
    pub text: Option<SecretString>,
}

impl AccessService {
    /// Makes a key. PERMISSION_MISSING where it could do what its maker may not.
    pub async fn create(
        &self,
        context: &CallContext,
        account: &AccountId,
        new: NewKey,
        request: Option<&RequestKey>,
        validate_only: bool,
    ) -> Result<Issued> {
        visible(context, account)?;
        self.store.account(account).await?;
        let now = Timestamp::now();
        check_name(&new.display_name)?;
        check_ranges(&new.ranges)?;
        check_expiry(new.expires, now)?;
        if let Some(scopes) = new.scopes {
            check_scopes(scopes, new.grant, account, "scopes")?;
        }
        let text = KeyText::generate()?;
        let key = ApiKey {
            id: text.id().clone(),
            account: account.clone(),
            display_name: new.display_name,
            grant: new.grant,
            scopes: new.scopes,
            ranges: new.ranges,
            creator: context.caller.principal.clone(),
            created: now,
            updated: now,
            revision: 1,
            expires: new.expires,
            revoked: None,
            previous_until: None,
            last_use: None,
        };
        check_within(context, &key)?;
        if validate_only {
            return Ok(Issued { key, text: None });
        }
        let stored = StoredKey { digest: self.pepper.digest(text.secret()), previous_digest: None, key };
        match self.store.insert_api_key(&stored, context.account(), request).await? {
            Inserted::New => Ok(Issued { key: stored.key, text: Some(text.into_secret()) }),
            Inserted::Earlier(resource) => {
                let (account, id) = name::parse_api_key(&resource, "request_id")?;
                Ok(Issued { key: self.key(context, &account, &id).await?, text: None })
            }
        }
    }

    /// One key.
    pub async fn key(&self, context: &CallContext, account: &AccountId, id: &ApiKeyId) -> Result<ApiKey> {
        visible(context, account)?;
        Ok(self.with_use(self.store.api_key(account, id).await?))
    }

    /// A page of the keys of an account; of revoked ones, too, where `revoked` is set.
    pub async fn keys(
        &self,
        context: &CallContext,
        account: &AccountId,
        page: &PageRequest,
        revoked: bool,
    ) -> Result<Page<ApiKey>> {
        visible(context, account)?;
        self.store.account(account).await?;
        let mut page = self.store.api_key_page(account, page, revoked).await?;
        page.items = page.items.into_iter().map(|key| self.with_use(key)).collect();
        Ok(page)
    }

    /// Changes a key that has not ended.
    pub async fn update(
        &self,
        context: &CallContext,
        account: &AccountId,
        id: &ApiKeyId,
        patch: KeyPatch,
        expected: Option<u64>,
        validate_only: bool,
    ) -> Result<ApiKey> {
        let now = Timestamp::now();
        let change = |stored: &mut StoredKey| {
            let key = &mut stored.key;
            if key.revoked.is_some() {
                return Err(ended(key));
            }
            if let Some(display_name) = patch.display_name {
                check_name(&display_name)?;
                key.display_name = display_name;
            }
            if let Some(ranges) = patch.ranges {
                check_ranges(&ranges)?;
                key.ranges = ranges;
            }
            if let Some(expires) = patch.expires {
                check_expiry(expires, now)?;
                key.expires = expires;
            }
            if let Some(scopes) = patch.scopes {
                if let Some(scopes) = scopes {
                    check_scopes(scopes, key.grant, &key.account, "scopes")?;
                }
                key.scopes = scopes;
            }
            check_within(context, key)
        };
        let rules = rules(context, account, expected, validate_only);
        let key = self.change(context, account, id, rules, change).await?;
        key.ok_or_else(|| Error::internal("an update without a request has no earlier call"))
    }

    /// Ends a key at once and for good. A key that was revoked before stays as it is.
    pub async fn revoke(
        &self,
        context: &CallContext,
        account: &AccountId,
        id: &ApiKeyId,
        expected: Option<u64>,
        validate_only: bool,
    ) -> Result<ApiKey> {
        let change = |stored: &mut StoredKey| {
            stored.key.revoked = stored.key.revoked.or_else(|| Some(Timestamp::now()));
            stored.key.previous_until = None;
            stored.previous_digest = None;
            Ok(())
        };
        let rules = rules(context, account, expected, validate_only);
        let key = self.change(context, account, id, rules, change).await?;
        key.ok_or_else(|| Error::internal("a revocation without a request has no earlier call"))
    }

    /// Gives a key a new secret. The old one is taken for `overlap` more; without overlap, or with a second rotation that
    /// has none, every older secret ends at once.
    pub async fn rotate(
        &self,
        context: &CallContext,
        account: &AccountId,
        id: &ApiKeyId,
        overlap: Duration,
        request: Option<&RequestKey>,
        rules: (Option<u64>, bool),
    ) -> Result<Issued> {
        let (expected, validate_only) = rules;
        let text = KeyText::with_id(id.clone())?;
        let now = Timestamp::now();
        let change = |stored: &mut StoredKey| {
            let key = &mut stored.key;
            if key.state(now) != KeyState::Active {
                return Err(ended(key));
            }
            check_within(context, key)?;
            if let Some(until) = key.previous_until.filter(|until| *until > now && !overlap.is_zero()) {
                return Err(Error::new(
                    Reason::ApiKeyRotating,
                    format!(
                        "the secret before the last rotation is taken until {until}; wait, or end it with overlap 0s"
                    ),
                ));
            }
            let digest = std::mem::replace(&mut stored.digest, self.pepper.digest(text.secret()));
            key.previous_until = (!overlap.is_zero()).then(|| now.after(overlap));
            stored.previous_digest = key.previous_until.map(|_| digest);
            Ok(())
        };
        let rules = KeyChange {
            request: request.map(|request| (context.account(), request)),
            ..self::rules(context, account, expected, validate_only)
        };
        match self.change(context, account, id, rules, change).await? {
            Some(key) => Ok(Issued { key, text: (!validate_only).then(|| text.into_secret()) }),
            None => Ok(Issued { key: self.key(context, account, id).await?, text: None }),
        }
    }

    async fn change(
        &self,
        context: &CallContext,
        account: &AccountId,
        id: &ApiKeyId,
        rules: KeyChange<'_>,
        change: impl FnOnce(&mut StoredKey) -> Result<()>,
    ) -> Result<Option<ApiKey>> {
        visible(context, account)?;
        let changed = self.store.change_api_key(account, id, rules, change).await;
        match &changed {
            Ok(Some(stored)) if !rules.dry => self.cache.written(stored),
            // Also after a failure: a commit whose answer was lost may have been one.
            _ => self.cache.remove(id),
        }
        Ok(changed?.map(|stored| self.with_use(stored.key)))
    }

    fn with_use(&self, mut key: ApiKey) -> ApiKey {
        key.last_use = self.uses.latest(&key.id).or(key.last_use);
        key
    }
}

/// The administrators of the server may take the last key of another account, not of their own.
fn rules(context: &CallContext, account: &AccountId, expected: Option<u64>, dry: bool) -> KeyChange<'static> {
    let keep_admin = (context.account() == account).then_some(context.caller.address);
    KeyChange { expected, keep_admin, dry, request: None }
}

fn check_within(context: &CallContext, key: &ApiKey) -> Result<()> {
    let beyond = key.permissions().iter().find(|held| !context.caller.permissions.contains(*held));
    match beyond {
        None => Ok(()),
        Some(permission) => Err(Error::new(
            Reason::PermissionMissing,
            format!(
                "the key would have the permission {}, which {} lacks",
                permission.as_str(),
                context.caller.principal
            ),
        )
        .with_metadata("permission", permission.as_str())),
    }
}

pub(in crate::service) fn check_name(display_name: &str) -> Result<()> {
    let length = display_name.chars().count();
    if (1..=100).contains(&length) && !display_name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::invalid_field("display_name", "must be 1 to 100 characters without control characters"))
}

fn check_ranges(ranges: &[AddressRange]) -> Result<()> {
    if ranges.len() <= MAX_RANGES {
        return Ok(());
    }
    Err(Error::invalid_field("cidrs", format!("must be at most {MAX_RANGES} address ranges, has {}", ranges.len())))
}

fn check_expiry(expires: Option<Timestamp>, now: Timestamp) -> Result<()> {
    match expires {
        Some(expires) if expires <= now => Err(Error::invalid_field("expire_time", "must lie in the future")),
        _ => Ok(()),
    }
}

fn ended(key: &ApiKey) -> Error {
    let how = if key.revoked.is_some() { "was revoked" } else { "has expired" };
    Error::new(
        Reason::ApiKeyEnded,
        format!("{} {how}; make a new key in its place", name::api_key(&key.account, &key.id)),
    )
}
