//! AccessService.

use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};

use super::{
    audit::{AuditAdapter, ExportStream},
    call::unary,
    convert::access as convert,
    proto::v1,
};
use crate::service::access::AccessService;

/// Answers for AccessService.
pub struct AccessAdapter {
    access: Arc<AccessService>,
    audit: AuditAdapter,
}

impl AccessAdapter {
    /// An adapter over the service and the audit log.
    pub fn new(access: Arc<AccessService>, audit: AuditAdapter) -> Self {
        Self { access, audit }
    }
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
