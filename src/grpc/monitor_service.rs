//! MonitorService.

use std::{sync::Arc, time::Duration};

use tonic::{Request, Response, Status, async_trait};

use super::{
    call::unary,
    convert::{
        monitor as convert,
        time::{duration_from_proto, duration_or_default},
        token::{ListScope, Tokens},
    },
    proto::v1,
    stream::{MessageStream, server_stream},
};
use crate::{
    model::{CallContext, Result, name},
    service::monitor::{MonitorService, NamePrefixes},
};

const HOUR: Duration = Duration::from_secs(3600);

/// Answers for MonitorService.
pub struct MonitorAdapter {
    monitor: Arc<MonitorService>,
    tokens: Tokens,
}

impl MonitorAdapter {
    /// An adapter over the service.
    pub fn new(monitor: Arc<MonitorService>, tokens: Tokens) -> Self {
        Self { monitor, tokens }
    }

    async fn sessions(
        &self,
        context: CallContext,
        message: v1::ListSessionsRequest,
    ) -> Result<v1::ListSessionsResponse> {
        let connection = name::parse_connection(&message.connection, "connection")?;
        let selection = [message.connection.as_str()];
        let scope = ListScope { account: context.account(), method: "ListSessions", selection: &selection };
        let page = self.tokens.page(message.page_size, &message.page_token, scope)?;
        let found = self.monitor.list_sessions(&context, &connection, &page).await?;
        let token = self.tokens.next_page(found.next.as_deref(), scope)?;
        Ok(convert::sessions(found, token))
    }
}

#[async_trait]
impl v1::monitor_service_server::MonitorService for MonitorAdapter {
    type StreamMetricsStream = MessageStream<v1::StreamMetricsResponse>;

    async fn get_health(&self, request: Request<v1::GetHealthRequest>) -> Result<Response<v1::DatabaseHealth>, Status> {
        unary(request, async |context, message| {
            let connection = name::parse_connection(&message.connection, "connection")?;
            Ok(convert::health(self.monitor.get_health(&context, &connection).await?))
        })
        .await
    }

    async fn get_metrics(&self, request: Request<v1::GetMetricsRequest>) -> Result<Response<v1::MetricSample>, Status> {
        unary(request, async |context, message| {
            let connection = name::parse_connection(&message.connection, "connection")?;
            let prefixes = NamePrefixes::parse(message.name_prefixes, "name_prefixes")?;
            let max_age = duration_from_proto(message.max_age, Duration::ZERO..=HOUR, "max_age")?;
            let sample = self.monitor.get_metrics(&context, &connection, max_age, &prefixes).await?;
            Ok(convert::sample(&connection, sample))
        })
        .await
    }

    async fn stream_metrics(
        &self,
        request: Request<v1::StreamMetricsRequest>,
    ) -> Result<Response<Self::StreamMetricsStream>, Status> {
        let monitor = Arc::clone(&self.monitor);
        server_stream(request, async move |context, message, mut sender| {
            let connection = name::parse_connection(&message.connection, "connection")?;
            let prefixes = NamePrefixes::parse(message.name_prefixes, "name_prefixes")?;
            let interval = duration_or_default(message.interval, "interval")?;
            let mut subscription = monitor.stream_metrics(&context, &connection, interval, prefixes)?;
            loop {
                sender.send(convert::event(&connection, subscription.next().await?)).await?;
            }
        })
    }

    async fn list_sessions(
        &self,
        request: Request<v1::ListSessionsRequest>,
    ) -> Result<Response<v1::ListSessionsResponse>, Status> {
        unary(request, |context, message| self.sessions(context, message)).await
    }
}
