//! The audit log at the edge: where audited calls are recorded, and the methods of AccessService that read it.

use std::sync::Arc;

pub use super::layers::audit::outcome_of;
use tonic::{Request, Response, Status, async_trait};

use super::{
    call::unary,
    convert::{
        audit::{event, filter_from_proto, head, head_from_proto, verification},
        token::{ListScope, Tokens},
    },
    layers::AuditSink,
    proto::v1,
    stream::{MessageStream, StreamSender, server_stream},
};
use crate::{
    model::{
        AccountId, CallContext, Result,
        audit::{AuditOutcome, AuditedCall},
    },
    service::audit::{AuditService, operators_account},
};

#[async_trait]
impl AuditSink for AuditService {
    async fn intend(&self, call: &AuditedCall) -> Result<u64> {
        Self::intend(self, call).await
    }

    async fn conclude(&self, call: &AuditedCall, intent: u64, outcome: AuditOutcome) {
        Self::conclude(self, call, intent, outcome).await;
    }

    fn conclude_soon(&self, call: &AuditedCall, intent: u64, outcome: AuditOutcome) {
        Self::conclude_soon(self, call, intent, outcome);
    }

    async fn refuse(&self, call: &AuditedCall, outcome: AuditOutcome) {
        Self::refuse(self, call, outcome).await;
    }

    fn account_of_unknown_callers(&self) -> AccountId {
        operators_account()
    }
}

/// Stream of ExportAuditEvents.
pub type ExportStream = MessageStream<v1::ExportAuditEventsResponse>;

/// Answers for the methods of AccessService that read the audit log.
pub struct AuditAdapter {
    audit: Arc<AuditService>,
    tokens: Tokens,
}

impl AuditAdapter {
    /// An adapter over the log.
    pub fn new(audit: Arc<AuditService>, tokens: Tokens) -> Self {
        Self { audit, tokens }
    }

    /// ListAuditEvents.
    pub(super) async fn list(
        &self,
        request: Request<v1::ListAuditEventsRequest>,
    ) -> Result<Response<v1::ListAuditEventsResponse>, Status> {
        unary(request, |context, message| self.page(context, message)).await
    }

    async fn page(
        &self,
        context: CallContext,
        message: v1::ListAuditEventsRequest,
    ) -> Result<v1::ListAuditEventsResponse> {
        let filter = filter_from_proto(&message)?;
        let times = format!("{:?} {:?}", filter.from, filter.until);
        let scope = ListScope {
            account: context.account(),
            method: "ListAuditEvents",
            selection: &[&times, &message.actor, &message.method, &message.resource],
        };
        let page = self.tokens.page(message.page_size, &message.page_token, scope)?;
        let found = self.audit.list(&context, &filter, &page).await?;
        Ok(v1::ListAuditEventsResponse {
            next_page_token: self.tokens.next_page(found.next.as_deref(), scope)?,
            audit_events: found.items.into_iter().map(|(found, completion)| event(found, completion)).collect(),
        })
    }

    /// ExportAuditEvents.
    pub(super) fn export(
        &self,
        request: Request<v1::ExportAuditEventsRequest>,
    ) -> Result<Response<ExportStream>, Status> {
        let audit = self.audit.clone();
        server_stream(request, |context, message, items| async move {
            export(&audit, &context, message.after_sequence, items).await
        })
    }

    /// VerifyAuditLog.
    pub(super) async fn verify(
        &self,
        request: Request<v1::VerifyAuditLogRequest>,
    ) -> Result<Response<v1::VerifyAuditLogResponse>, Status> {
        unary(request, async |context, message| {
            let expected = message.expected_head.map(|head| head_from_proto(head, "expected_head")).transpose()?;
            Ok(verification(self.audit.verify(&context, expected).await?))
        })
        .await
    }
}

async fn export(
    audit: &AuditService,
    context: &CallContext,
    after: u64,
    mut items: StreamSender<v1::ExportAuditEventsResponse>,
) -> Result<()> {
    use v1::export_audit_events_response::Item;
    let last = audit.head(context).await?;
    let start = v1::AuditExportStart { head: Some(head(last)), removed: Some(head(audit.removed(context).await?)) };
    items.send(v1::ExportAuditEventsResponse { item: Some(Item::Start(start)) }).await?;
    let mut after = after;
    while after < last.sequence {
        let events = audit.events_after(context, after).await?;
        let Some(newest) = events.last() else { break };
        after = newest.sequence;
        for found in events.into_iter().take_while(|found| found.sequence <= last.sequence) {
            let item = Some(Item::Event(event(found, None)));
            items.send(v1::ExportAuditEventsResponse { item }).await?;
        }
    }
    Ok(())
}
