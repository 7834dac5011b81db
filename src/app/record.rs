//! What stands in the audit log like a call and did not come through the layers of the server.

use async_trait::async_trait;
use futures::future::BoxFuture;

use super::{AuditService, AuditedCall, Result};
use crate::{grpc::audit::outcome_of, service::connection::rotation::ServerRecord};

#[async_trait]
impl ServerRecord for AuditService {
    async fn recorded(&self, call: AuditedCall, work: BoxFuture<'_, Result<()>>) -> Result<()> {
        recorded(self, call, work).await
    }
}

/// Does something between its intent and its outcome in the audit log. It is not begun where the intent cannot be written.
pub(super) async fn recorded<T>(
    audit: &AuditService,
    call: AuditedCall,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let intent = audit.intend(&call).await?;
    let ended = work.await;
    audit.conclude(&call, intent, outcome_of(&ended)).await;
    ended
}
