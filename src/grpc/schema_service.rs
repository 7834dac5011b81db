//! SchemaService.

use tonic::{Request, Response, Status, async_trait};

use super::{
    call::unary,
    convert::{
        schema as convert, skipped, small_count,
        token::{ListScope, Tokens},
    },
    proto::v1::{self, stream_tables_response::Event},
    stream::{MessageStream, server_stream},
};
use crate::{
    model::{CallContext, Result, name},
    service::schema::{SchemaService, Served, TableEvent},
};

/// Answers for SchemaService.
pub struct SchemaAdapter {
    schemas: SchemaService,
    tokens: Tokens,
}

impl SchemaAdapter {
    /// An adapter over the service.
    pub fn new(schemas: SchemaService, tokens: Tokens) -> Self {
        Self { schemas, tokens }
    }

    async fn list(&self, context: CallContext, message: v1::ListTablesRequest) -> Result<v1::ListTablesResponse> {
        let connection = name::parse_connection(&message.connection, "connection")?;
        let kind = message.kind.to_string();
        let selection = [message.connection.as_str(), &message.schema, &kind];
        let scope = ListScope { account: context.account(), method: "ListTables", selection: &selection };
        let page = self.tokens.page(message.page_size, &message.page_token, scope)?;
        let filter = convert::table_filter(&message.schema, message.kind)?;
        let Served { found, served_by } = self.schemas.list_tables(&context, &connection, &filter, &page).await?;
        Ok(v1::ListTablesResponse {
            next_page_token: self.tokens.next_page(found.next.as_deref(), scope)?,
            total_size: small_count(found.total.unwrap_or(0)),
            tables: found.items.into_iter().map(convert::table_summary).collect(),
            served_by: convert::served_by(served_by.as_ref()),
        })
    }
}

#[async_trait]
impl v1::schema_service_server::SchemaService for SchemaAdapter {
    type StreamTablesStream = MessageStream<v1::StreamTablesResponse>;

    async fn get_database(&self, request: Request<v1::GetDatabaseRequest>) -> Result<Response<v1::Database>, Status> {
        unary(request, async |context, message| {
            let connection = name::parse_connection(&message.connection, "connection")?;
            let found = self.schemas.get_database(&context, &connection).await?;
            let served_by = convert::served_by(found.served_by.as_ref());
            let database = convert::database(&connection, found.engine, &found.server, found.info);
            Ok(v1::Database { served_by, ..database })
        })
        .await
    }

    async fn list_tables(
        &self,
        request: Request<v1::ListTablesRequest>,
    ) -> Result<Response<v1::ListTablesResponse>, Status> {
        unary(request, |context, message| self.list(context, message)).await
    }

    async fn stream_tables(
        &self,
        request: Request<v1::StreamTablesRequest>,
    ) -> Result<Response<Self::StreamTablesStream>, Status> {
        let schemas = self.schemas.clone();
        server_stream(request, async move |context, message, mut sender| {
            let connection = name::parse_connection(&message.connection, "connection")?;
            let filter = convert::table_filter(&message.schema, 0)?;
            let mut tables = schemas.stream_tables(&context, &connection, filter).await?;
            let served_by = convert::served_by(tables.served_by());
            while let Some(event) = tables.next().await {
                let event = match event? {
                    TableEvent::Table(table) => Event::Table(convert::table(&connection, *table)),
                    TableEvent::Summary { tables, skipped: left_out } => Event::Summary(v1::StreamTablesSummary {
                        table_count: i64::try_from(tables).unwrap_or(i64::MAX),
                        skipped: left_out.into_iter().map(skipped).collect(),
                        served_by: served_by.clone(),
                    }),
                };
                sender.send_numbered(|sequence| v1::StreamTablesResponse { sequence, event: Some(event) }).await?;
            }
            Ok(())
        })
    }

    async fn get_table(&self, request: Request<v1::GetTableRequest>) -> Result<Response<v1::Table>, Status> {
        unary(request, async |context, message| {
            let connection = name::parse_connection(&message.connection, "connection")?;
            let table = convert::table_name(&message.schema, &message.table)?;
            let Served { found, served_by } = self.schemas.get_table(&context, &connection, &table).await?;
            let table = convert::table(&connection, found);
            Ok(v1::Table { served_by: convert::served_by(served_by.as_ref()), ..table })
        })
        .await
    }
}
