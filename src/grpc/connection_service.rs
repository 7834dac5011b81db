//! ConnectionService.

use std::time::Instant;

use tonic::{Request, Response, Status, async_trait};

use super::{
    call::{deletion, trial, unary},
    convert::{
        connection as convert, connection_details as details, connection_status as status, enum_from_proto, etag,
        pool as convert_pool, required,
        token::{ListScope, Tokens},
    },
    proto::v1,
    stream::{MessageStream, server_stream},
};
use crate::{
    model::{CallContext, ConnectionId, Error, Result, name},
    service::connection::{
        ConnectionService, ListConnections, TestTarget, delete::DeleteConnection, filter::ConnectionFilter,
        order::ConnectionOrder, rotation::Rotation,
    },
};

/// Answers for ConnectionService.
pub struct ConnectionAdapter {
    connections: ConnectionService,
    tokens: Tokens,
}

impl ConnectionAdapter {
    /// An adapter over the service.
    pub fn new(connections: ConnectionService, tokens: Tokens) -> Self {
        Self { connections, tokens }
    }

    fn list(&self, page_size: i32, page_token: &str, scope: ListScope<'_>) -> Result<ListConnections> {
        let [filter, order_by] = scope.selection else {
            return Err(Error::internal("a list has two selectors"));
        };
        Ok(ListConnections {
            page: self.tokens.page(page_size, page_token, scope)?,
            filter: ConnectionFilter::parse(filter)?,
            order: ConnectionOrder::parse(order_by)?,
        })
    }
}

/// The rules know the fields of a connection by themselves; in the request they stand in `connection`.
fn in_connection(error: Error) -> Error {
    error.within("connection")
}

fn scope<'a>(context: &'a CallContext, method: &'static str, selection: &'a [&'a str; 2]) -> ListScope<'a> {
    ListScope { account: context.account(), method, selection }
}

#[async_trait]
impl v1::connection_service_server::ConnectionService for ConnectionAdapter {
    async fn create_connection(
        &self,
        request: Request<v1::CreateConnectionRequest>,
    ) -> Result<Response<v1::Connection>, Status> {
        unary(request, async |context, message| {
            let key = self.tokens.request_key("CreateConnection", &message.request_id, &message)?;
            let id = match message.connection_id.as_str() {
                "" => None,
                id => Some(ConnectionId::parse(id, "connection_id")?),
            };
            let input = convert::input(required(message.connection, "connection")?)?;
            let made = self.connections.create(&context, id, input, key.as_ref(), message.validate_only).await;
            made.map(convert::connection).map_err(in_connection)
        })
        .await
    }

    async fn get_connection(
        &self,
        request: Request<v1::GetConnectionRequest>,
    ) -> Result<Response<v1::Connection>, Status> {
        unary(request, async |context, message| {
            let id = name::parse_connection(&message.name, "name")?;
            match enum_from_proto(message.view, "view")? {
                v1::ConnectionView::Full => {
                    let (connection, facts) = Box::pin(self.connections.get_with_details(&context, &id)).await?;
                    Ok(details::connection(connection, facts))
                }
                v1::ConnectionView::Unspecified | v1::ConnectionView::Basic => {
                    Ok(convert::connection(self.connections.get(&context, &id).await?))
                }
            }
        })
        .await
    }

    async fn list_connections(
        &self,
        request: Request<v1::ListConnectionsRequest>,
    ) -> Result<Response<v1::ListConnectionsResponse>, Status> {
        unary(request, async |context, message| {
            let selection = [message.filter.as_str(), message.order_by.as_str()];
            let scope = scope(&context, "ListConnections", &selection);
            let list = self.list(message.page_size, &message.page_token, scope)?;
            let page = self.connections.list(&context, &list).await?;
            let token = self.tokens.next_page(page.next.as_deref(), scope)?;
            Ok(convert::list_response(page, token))
        })
        .await
    }

    async fn update_connection(
        &self,
        request: Request<v1::UpdateConnectionRequest>,
    ) -> Result<Response<v1::Connection>, Status> {
        unary(request, async |context, message| {
            let connection = required(message.connection, "connection")?;
            let id = name::parse_connection(&connection.name, "connection.name")?;
            let expected = etag::revision_from_etag(&connection.etag)?;
            let patch = convert::patch(connection, message.update_mask.as_ref())?;
            let changed = self.connections.update(&context, &id, patch, expected, message.validate_only).await;
            changed.map(convert::connection).map_err(in_connection)
        })
        .await
    }

    async fn delete_connection(&self, request: Request<v1::DeleteConnectionRequest>) -> Result<Response<()>, Status> {
        deletion(request, async |context, message, removed| {
            let id = name::parse_connection(&message.name, "name")?;
            let expected = etag::revision_from_etag(&message.etag)?;
            let how = DeleteConnection { expected, validate_only: message.validate_only, force: message.force };
            self.connections.delete(&context, &id, how, &removed).await
        })
        .await
    }

    async fn test_connection(
        &self,
        request: Request<v1::TestConnectionRequest>,
    ) -> Result<Response<v1::TestConnectionResponse>, Status> {
        use v1::test_connection_request::Target;
        trial(request, async |context, message, on_record| {
            let target = match required(message.target, "target")? {
                Target::Name(name) => TestTarget::Registered(name::parse_connection(&name, "name")?),
                Target::Connection(connection) => TestTarget::Settings(Box::new(convert::input(connection)?)),
            };
            let began = Instant::now();
            let outcome = self.connections.test(&context, target, &on_record).await.map_err(in_connection)?;
            Ok(convert::test_response(outcome, began.elapsed()))
        })
        .await
    }

    async fn rotate_credentials(
        &self,
        request: Request<v1::RotateCredentialsRequest>,
    ) -> Result<Response<v1::Connection>, Status> {
        unary(request, async |context, message| {
            let id = name::parse_connection(&message.name, "name")?;
            let rotation = Rotation {
                expected: etag::revision_from_etag(&message.etag)?,
                request: self.tokens.request_key("RotateCredentials", &message.request_id, &message)?,
                validate_only: message.validate_only,
                password: convert::secret(message.new_password),
            };
            Ok(convert::connection(self.connections.rotate(&context, &id, rotation).await?))
        })
        .await
    }

    async fn list_connection_statuses(
        &self,
        request: Request<v1::ListConnectionStatusesRequest>,
    ) -> Result<Response<v1::ListConnectionStatusesResponse>, Status> {
        unary(request, async |context, message| {
            let selection = [message.filter.as_str(), ""];
            let scope = scope(&context, "ListConnectionStatuses", &selection);
            let list = self.list(message.page_size, &message.page_token, scope)?;
            let (page, sequence) = self.connections.statuses(&context, &list, message.refresh).await?;
            let next_page_token = self.tokens.next_page(page.next.as_deref(), scope)?;
            Ok(status::list_response(page, next_page_token, sequence))
        })
        .await
    }

    type WatchConnectionStatusesStream = MessageStream<v1::WatchConnectionStatusesResponse>;

    async fn watch_connection_statuses(
        &self,
        request: Request<v1::WatchConnectionStatusesRequest>,
    ) -> Result<Response<Self::WatchConnectionStatusesStream>, Status> {
        let connections = self.connections.clone();
        server_stream(request, async move |context, message, mut sender| {
            let connection = match message.connection.as_str() {
                "" => None,
                name => Some(name::parse_connection(name, "connection")?),
            };
            let mut watch = connections.watch_statuses(&context, connection, message.after_sequence).await?;
            loop {
                sender.send(status::event(watch.next().await?)).await?;
            }
        })
    }

    async fn get_capabilities(
        &self,
        request: Request<v1::GetCapabilitiesRequest>,
    ) -> Result<Response<v1::Capabilities>, Status> {
        unary(request, async |context, message| {
            let id = name::parse_connection(&message.connection, "connection")?;
            Ok(convert::capabilities(&id, self.connections.capabilities(&context, &id).await?))
        })
        .await
    }

    async fn get_pool_stats(
        &self,
        request: Request<v1::GetPoolStatsRequest>,
    ) -> Result<Response<v1::PoolStats>, Status> {
        unary(request, async |context, message| {
            let id = name::parse_connection(&message.connection, "connection")?;
            Ok(convert_pool::pool_stats(&id, self.connections.pool_figures(&context, &id).await?))
        })
        .await
    }

    async fn list_pool_stats(
        &self,
        request: Request<v1::ListPoolStatsRequest>,
    ) -> Result<Response<v1::ListPoolStatsResponse>, Status> {
        unary(request, async |context, message| {
            let selection = [message.filter.as_str(), ""];
            let scope = scope(&context, "ListPoolStats", &selection);
            let list = self.list(message.page_size, &message.page_token, scope)?;
            let (page, totals) = self.connections.list_pools(&context, &list).await?;
            let token = self.tokens.next_page(page.next.as_deref(), scope)?;
            Ok(convert_pool::list_response(page, totals, token))
        })
        .await
    }
}
