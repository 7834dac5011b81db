//! Accounts: who shares resources.

use std::sync::Arc;

use super::access::{AccessService, keys::check_name, visible};
use crate::{
    model::{
        AccountId, CallContext, Error, Permission, Reason, RequestKey, Result, Timestamp,
        access::DEFAULT_ACCOUNT,
        api_key::Account,
        name,
        page::{Page, PageRequest},
        removal::Removed,
    },
    pool::Pools,
    store::{Store, request::Inserted},
};

/// How an account is deleted.
#[derive(Debug, Clone, Copy)]
pub struct DeleteAccount {
    /// The revision that it must have.
    pub expected: Option<u64>,
    /// Everything is checked and nothing deleted.
    pub validate_only: bool,
    /// Its connections go too.
    pub force: bool,
}

/// Manages accounts.
#[derive(Clone)]
pub struct AccountService {
    store: Store,
    access: Arc<AccessService>,
    pools: Pools,
}

impl AccountService {
    /// A service over the store. `access` and `pools` let go of an account that is deleted.
    pub fn new(store: Store, access: Arc<AccessService>, pools: Pools) -> Self {
        Self { store, access, pools }
    }

    /// Makes an account, which has no key yet.
    pub async fn create(
        &self,
        context: &CallContext,
        id: Option<AccountId>,
        display_name: String,
        request: Option<&RequestKey>,
        validate_only: bool,
    ) -> Result<Account> {
        check_name(&display_name)?;
        let now = Timestamp::now();
        let id = id.unwrap_or_else(AccountId::generate);
        let account = Account { id, display_name, created: now, updated: now, revision: 1 };
        if validate_only {
            return self.store.check_account_free(&account.id).await.map(|()| account);
        }
        match self.store.insert_account(context.account(), &account, request).await? {
            Inserted::New => Ok(account),
            Inserted::Earlier(resource) => self.store.account(&name::parse_account(&resource, "request_id")?).await,
        }
    }

    /// One account.
    pub async fn get(&self, context: &CallContext, id: &AccountId) -> Result<Account> {
        visible(context, id)?;
        self.store.account(id).await
    }

    /// A page of the accounts that the caller sees: its own, or all where it administers the server.
    pub async fn list(&self, context: &CallContext, page: &PageRequest) -> Result<Page<Account>> {
        if context.caller.permissions.contains(Permission::System) {
            return self.store.account_page(page).await;
        }
        let items = vec![self.store.account(context.account()).await?];
        Ok(Page { items, next: None, total: None })
    }

    /// Gives an account another name.
    pub async fn rename(
        &self,
        context: &CallContext,
        id: &AccountId,
        display_name: &str,
        expected: Option<u64>,
        validate_only: bool,
    ) -> Result<Account> {
        visible(context, id)?;
        check_name(display_name)?;
        self.store.rename_account(id, display_name, expected, validate_only).await
    }

    /// Deletes an account and what belongs to it. Its keys are refused from then on; its pools are closed at once. The
    /// connections that go with it, or would, are noted in `removed`.
    pub async fn delete(
        &self,
        context: &CallContext,
        id: &AccountId,
        how: DeleteAccount,
        removed: &Removed,
    ) -> Result<()> {
        let DeleteAccount { expected, validate_only, force } = how;
        visible(context, id)?;
        if id.as_str() == DEFAULT_ACCOUNT {
            return Err(Error::new(
                Reason::AccountInUse,
                "accounts/default is the server's own account and cannot be deleted",
            ));
        }
        let connections = self.store.delete_account(id, expected, force, validate_only).await;
        for connection in connections.iter().flatten() {
            removed.note(format!("{}/{}", name::account(id), name::connection(connection)));
        }
        if validate_only {
            return connections.map(|_| ());
        }
        self.access.forget_account(id);
        let connections = connections.inspect_err(|error| {
            // A delete before this one may have come so far, and its end was not heard of.
            if error.reason() == Reason::AccountNotFound {
                self.access.end_account(id);
            }
        })?;
        self.access.end_account(id);
        for connection in connections {
            self.pools.close(id, &connection);
            self.pools.statuses().forget(id, &connection);
        }
        Ok(())
    }
}
