//! AccessService.

use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};

use super::{call::unary, convert::access as convert, proto::v1};
use crate::service::access::AccessService;

/// Answers for AccessService.
pub struct AccessAdapter {
    access: Arc<AccessService>,
}

impl AccessAdapter {
    /// An adapter over the service.
    pub fn new(access: Arc<AccessService>) -> Self {
        Self { access }
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
}
