//! Keeps the record of audited calls in the audit log.

use async_trait::async_trait;

use super::layers::AuditSink;
use crate::{
    model::{
        AccountId, Result,
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

    async fn refuse(&self, call: &AuditedCall, outcome: AuditOutcome) {
        Self::refuse(self, call, outcome).await;
    }

    fn account_of_unknown_callers(&self) -> AccountId {
        operators_account()
    }
}
