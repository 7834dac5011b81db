//! OperationService: the pattern of every adapter. A handler converts, calls the domain, converts.

use std::time::Duration;

use tonic::{Request, Response, Status, async_trait};

use super::{
    call::{long_poll, unary},
    convert::{
        operation::{event, kind_from_proto, operation, state_from_proto},
        time::duration_from_proto,
        token::{ListScope, Tokens},
    },
    proto::v1,
    stream::{MessageStream, server_stream},
};
use crate::{
    model::{CallContext, Result, name},
    operation::{MAX_WAIT, Operations},
    store::operation::OperationFilter,
};

/// How long WaitOperation waits where the caller does not say.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);

/// The adapter.
pub struct OperationAdapter {
    operations: Operations,
    tokens: Tokens,
}

impl OperationAdapter {
    /// Over the operations of this server.
    pub fn new(operations: Operations, tokens: Tokens) -> Self {
        Self { operations, tokens }
    }

    async fn list(
        &self,
        context: CallContext,
        message: v1::ListOperationsRequest,
    ) -> Result<v1::ListOperationsResponse> {
        let (kind, state) = (message.kind.to_string(), message.state.to_string());
        let scope = ListScope {
            account: context.account(),
            method: "ListOperations",
            selection: &[&message.connection, &kind, &state],
        };
        let page = self.tokens.page(message.page_size, &message.page_token, scope)?;
        let filter = OperationFilter {
            connection: match message.connection.as_str() {
                "" => None,
                connection => Some(name::parse_connection(connection, "connection")?),
            },
            kind: kind_from_proto(message.kind, "kind")?,
            state: state_from_proto(message.state, "state")?,
        };
        let found = self.operations.list(&context, &filter, &page).await?;
        Ok(v1::ListOperationsResponse {
            next_page_token: self.tokens.next_page(found.next.as_deref(), scope)?,
            operations: found.items.into_iter().map(operation).collect(),
        })
    }
}

#[async_trait]
impl v1::operation_service_server::OperationService for OperationAdapter {
    async fn get_operation(
        &self,
        request: Request<v1::GetOperationRequest>,
    ) -> Result<Response<v1::Operation>, Status> {
        unary(request, |context, message| async move {
            let id = name::parse_operation(&message.name, "name")?;
            Ok(operation(self.operations.get(&context, &id).await?))
        })
        .await
    }

    async fn list_operations(
        &self,
        request: Request<v1::ListOperationsRequest>,
    ) -> Result<Response<v1::ListOperationsResponse>, Status> {
        unary(request, |context, message| self.list(context, message)).await
    }

    async fn cancel_operation(
        &self,
        request: Request<v1::CancelOperationRequest>,
    ) -> Result<Response<v1::Operation>, Status> {
        unary(request, |context, message| async move {
            let id = name::parse_operation(&message.name, "name")?;
            Ok(operation(self.operations.cancel(&context, &id).await?))
        })
        .await
    }

    async fn wait_operation(
        &self,
        request: Request<v1::WaitOperationRequest>,
    ) -> Result<Response<v1::Operation>, Status> {
        long_poll(request, |context, message| async move {
            let id = name::parse_operation(&message.name, "name")?;
            let timeout = duration_from_proto(message.timeout, Duration::ZERO..=MAX_WAIT, "timeout")?;
            Ok(operation(self.operations.wait(&context, &id, timeout.unwrap_or(DEFAULT_WAIT)).await?))
        })
        .await
    }

    type WatchOperationStream = MessageStream<v1::WatchOperationResponse>;

    async fn watch_operation(
        &self,
        request: Request<v1::WatchOperationRequest>,
    ) -> Result<Response<Self::WatchOperationStream>, Status> {
        let operations = self.operations.clone();
        server_stream(request, |context, message, mut events| async move {
            let id = name::parse_operation(&message.name, "name")?;
            let mut watch = operations.watch(&context, &id, message.after_sequence).await?;
            while let Some((sequence, happened)) = watch.next().await? {
                events.send(event(sequence, happened)).await?;
            }
            Ok(())
        })
    }
}
