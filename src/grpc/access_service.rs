//! AccessService.

use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};

use super::{
    audit::{AuditAdapter, ExportStream},
    call::{deletion, unary},
    convert::{
        access as convert, etag, required,
        token::{ListScope, Tokens},
    },
    proto::v1,
};
use crate::{
    model::{AccountId, Error, name},
    service::{
        access::AccessService,
        account::{AccountService, DeleteAccount},
    },
};

/// Answers for AccessService.
pub struct AccessAdapter {
    access: Arc<AccessService>,
    accounts: AccountService,
    audit: AuditAdapter,
    tokens: Tokens,
}

impl AccessAdapter {
    /// An adapter over the services and the audit log.
    pub fn new(access: Arc<AccessService>, accounts: AccountService, audit: AuditAdapter, tokens: Tokens) -> Self {
        Self { access, accounts, audit, tokens }
    }
}

/// The rules know the fields of a key by themselves; in the request they stand in `api_key`.
fn in_key(error: Error) -> Error {
    error.within("api_key")
}

fn in_account(error: Error) -> Error {
    error.within("account")
}

#[async_trait]
impl v1::access_service_server::AccessService for AccessAdapter {
    async fn who_am_i(&self, request: Request<v1::WhoAmIRequest>) -> Result<Response<v1::Identity>, Status> {
        unary(request, async |context, _| {
            let display_name = self.access.key_display_name(&context).await?;
            Ok(convert::identity(context.caller, display_name))
        })
        .await
    }

    async fn create_account(
        &self,
        request: Request<v1::CreateAccountRequest>,
    ) -> Result<Response<v1::Account>, Status> {
        unary(request, async |context, message| {
            let key = self.tokens.request_key("CreateAccount", &message.request_id, &message)?;
            let id = match message.account_id.as_str() {
                "" => None,
                id => Some(AccountId::parse(id, "account_id")?),
            };
            let display_name = required(message.account, "account")?.display_name;
            let made = self.accounts.create(&context, id, display_name, key.as_ref(), message.validate_only).await;
            made.map(convert::account).map_err(in_account)
        })
        .await
    }

    async fn get_account(&self, request: Request<v1::GetAccountRequest>) -> Result<Response<v1::Account>, Status> {
        unary(request, async |context, message| {
            let id = name::parse_account(&message.name, "name")?;
            self.accounts.get(&context, &id).await.map(convert::account)
        })
        .await
    }

    async fn list_accounts(
        &self,
        request: Request<v1::ListAccountsRequest>,
    ) -> Result<Response<v1::ListAccountsResponse>, Status> {
        unary(request, async |context, message| {
            let scope = ListScope { account: context.account(), method: "ListAccounts", selection: &[] };
            let page = self.tokens.page(message.page_size, &message.page_token, scope)?;
            let page = self.accounts.list(&context, &page).await?;
            let next_page_token = self.tokens.next_page(page.next.as_deref(), scope)?;
            let accounts = page.items.into_iter().map(convert::account).collect();
            Ok(v1::ListAccountsResponse { accounts, next_page_token })
        })
        .await
    }

    async fn update_account(
        &self,
        request: Request<v1::UpdateAccountRequest>,
    ) -> Result<Response<v1::Account>, Status> {
        unary(request, async |context, message| {
            let account = required(message.account, "account")?;
            let id = name::parse_account(&account.name, "account.name")?;
            let expected = etag::revision_from_etag(&account.etag)?;
            let changed = match convert::renamed(&account, message.update_mask.as_ref())? {
                Some(renamed) => self.accounts.rename(&context, &id, &renamed, expected, message.validate_only).await,
                None => self.accounts.get(&context, &id).await,
            };
            changed.map(convert::account).map_err(in_account)
        })
        .await
    }

    async fn delete_account(&self, request: Request<v1::DeleteAccountRequest>) -> Result<Response<()>, Status> {
        deletion(request, async |context, message, removed| {
            let id = name::parse_account(&message.name, "name")?;
            let how = DeleteAccount {
                expected: etag::revision_from_etag(&message.etag)?,
                validate_only: message.validate_only,
                force: message.force,
            };
            self.accounts.delete(&context, &id, how, &removed).await
        })
        .await
    }

    async fn create_api_key(
        &self,
        request: Request<v1::CreateApiKeyRequest>,
    ) -> Result<Response<v1::IssuedApiKey>, Status> {
        unary(request, async |context, message| {
            let request = self.tokens.request_key("CreateApiKey", &message.request_id, &message)?;
            let account = name::parse_account(&message.parent, "parent")?;
            let new = convert::new_key(required(message.api_key, "api_key")?).map_err(in_key)?;
            let made = self.access.create(&context, &account, new, request.as_ref(), message.validate_only).await;
            made.map(convert::issued).map_err(in_key)
        })
        .await
    }

    async fn get_api_key(&self, request: Request<v1::GetApiKeyRequest>) -> Result<Response<v1::ApiKey>, Status> {
        unary(request, async |context, message| {
            let (account, id) = name::parse_api_key(&message.name, "name")?;
            self.access.key(&context, &account, &id).await.map(convert::api_key)
        })
        .await
    }

    async fn list_api_keys(
        &self,
        request: Request<v1::ListApiKeysRequest>,
    ) -> Result<Response<v1::ListApiKeysResponse>, Status> {
        unary(request, async |context, message| {
            let account = name::parse_account(&message.parent, "parent")?;
            let selection = [message.parent.as_str(), if message.show_revoked { "revoked" } else { "" }];
            let scope = ListScope { account: context.account(), method: "ListApiKeys", selection: &selection };
            let page = self.tokens.page(message.page_size, &message.page_token, scope)?;
            let page = self.access.keys(&context, &account, &page, message.show_revoked).await?;
            let next_page_token = self.tokens.next_page(page.next.as_deref(), scope)?;
            let api_keys = page.items.into_iter().map(convert::api_key).collect();
            Ok(v1::ListApiKeysResponse { api_keys, next_page_token })
        })
        .await
    }

    async fn update_api_key(&self, request: Request<v1::UpdateApiKeyRequest>) -> Result<Response<v1::ApiKey>, Status> {
        unary(request, async |context, message| {
            let key = required(message.api_key, "api_key")?;
            let (account, id) = name::parse_api_key(&key.name, "api_key.name")?;
            let expected = etag::revision_from_etag(&key.etag)?;
            let patch = convert::key_patch(key, message.update_mask.as_ref()).map_err(in_key)?;
            let changed = self.access.update(&context, &account, &id, patch, expected, message.validate_only).await;
            changed.map(convert::api_key).map_err(in_key)
        })
        .await
    }

    async fn revoke_api_key(&self, request: Request<v1::RevokeApiKeyRequest>) -> Result<Response<v1::ApiKey>, Status> {
        unary(request, async |context, message| {
            let (account, id) = name::parse_api_key(&message.name, "name")?;
            let expected = etag::revision_from_etag(&message.etag)?;
            let revoked = self.access.revoke(&context, &account, &id, expected, message.validate_only).await;
            revoked.map(convert::api_key)
        })
        .await
    }

    async fn rotate_api_key(
        &self,
        request: Request<v1::RotateApiKeyRequest>,
    ) -> Result<Response<v1::IssuedApiKey>, Status> {
        unary(request, async |context, message| {
            let request = self.tokens.request_key("RotateApiKey", &message.request_id, &message)?;
            let (account, id) = name::parse_api_key(&message.name, "name")?;
            let expected = etag::revision_from_etag(&message.etag)?;
            let overlap = convert::overlap(message.overlap)?;
            let rules = (expected, message.validate_only);
            let rotated = self.access.rotate(&context, &account, &id, overlap, request.as_ref(), rules).await;
            rotated.map(convert::issued)
        })
        .await
    }

    async fn list_audit_events(
        &self,
        request: Request<v1::ListAuditEventsRequest>,
    ) -> Result<Response<v1::ListAuditEventsResponse>, Status> {
        self.audit.list(request).await
    }

    type ExportAuditEventsStream = ExportStream;

    async fn export_audit_events(
        &self,
        request: Request<v1::ExportAuditEventsRequest>,
    ) -> Result<Response<Self::ExportAuditEventsStream>, Status> {
        self.audit.export(request)
    }

    async fn verify_audit_log(
        &self,
        request: Request<v1::VerifyAuditLogRequest>,
    ) -> Result<Response<v1::VerifyAuditLogResponse>, Status> {
        self.audit.verify(request).await
    }
}
