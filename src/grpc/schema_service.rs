//! SchemaService.

use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};

use super::{
    call::unary,
    convert::{
        etag, migration, required, schema as convert, skipped, small_count, time,
        token::{ListScope, Tokens},
    },
    proto::v1::{self, stream_tables_response::Event},
    stream::{MessageStream, server_stream},
};
use crate::{
    model::{CallContext, ConnectionId, Error, Result, name, schema::TableOrder},
    service::{
        migration::MigrationService,
        schema::{LintSettingsService, Listed, SchemaService, TableEvent},
    },
};

/// Answers for SchemaService.
pub struct SchemaAdapter {
    schemas: SchemaService,
    lint_settings: Arc<LintSettingsService>,
    migrations: MigrationService,
    tokens: Tokens,
}

impl SchemaAdapter {
    /// An adapter over the services. Recommendations are put into migration sets.
    pub fn new(
        schemas: SchemaService,
        lint_settings: Arc<LintSettingsService>,
        migrations: MigrationService,
        tokens: Tokens,
    ) -> Self {
        Self { schemas, lint_settings, migrations, tokens }
    }

    async fn import(
        &self,
        context: CallContext,
        message: v1::ImportRecommendationsRequest,
    ) -> Result<v1::ImportMigrationsResponse> {
        let connection = name::parse_connection(&message.connection, "connection")?;
        let set = name::parse_migration_set(&message.migration_set, "migration_set")?;
        let asked = message.request.unwrap_or_default();
        if !asked.connection.is_empty() && asked.connection != message.connection {
            return Err(Error::invalid_field("request.connection", "must be empty or the same as `connection`"));
        }
        let request = convert::advice_request(asked).map_err(|error| error.within("request"))?;
        let expected = etag::revision_from_etag(&message.etag)?;
        // A set that is not there, or is another by now, is told before the database is read.
        self.migrations.get_set_at(&context, &set, expected).await?;
        let ids = &message.recommendation_ids;
        let found = self.schemas.recommended_migrations(&context, &connection, &request, ids).await?;
        let report = self.migrations.append(&context, &set, &found, expected, message.validate_only).await?;
        Ok(migration::import_response(report))
    }

    async fn tables(&self, context: CallContext, message: v1::ListTablesRequest) -> Result<v1::ListTablesResponse> {
        let connection = name::parse_connection(&message.connection, "connection")?;
        let filter = convert::table_filter(&message.schema, message.kind, &message.name_pattern)?;
        let order = TableOrder::parse(&message.order_by)?;
        let max_age = convert::max_age(message.max_age)?;
        let (kind, ordered) = (message.kind.to_string(), format!("{order:?}"));
        let selection = [message.connection.as_str(), &message.schema, &kind, &message.name_pattern, &ordered];
        let scope = ListScope { account: context.account(), method: "ListTables", selection: &selection };
        let page = self.tokens.page(message.page_size, &message.page_token, scope)?;
        let listed = self.schemas.list_tables(&context, &connection, &filter, order, &page, max_age).await?;
        let (discovery_time, discovery_duration) = convert::discovered(listed.discovery);
        let Listed { page: found, skipped: missing } = listed.found;
        Ok(v1::ListTablesResponse {
            next_page_token: self.tokens.next_page(found.next.as_deref(), scope)?,
            total_size: small_count(found.total.unwrap_or(0)),
            tables: found.items.into_iter().map(convert::table_summary).collect(),
            served_by: convert::served_by(listed.served_by.as_ref()),
            skipped: missing.into_iter().map(skipped).collect(),
            discovery_time,
            discovery_duration,
            from_cache: listed.discovery.from_cache,
        })
    }

    async fn objects(
        &self,
        context: CallContext,
        message: v1::ListSchemaObjectsRequest,
    ) -> Result<v1::ListSchemaObjectsResponse> {
        let connection = name::parse_connection(&message.connection, "connection")?;
        let filter = convert::object_filter(&message)?;
        let max_age = convert::max_age(message.max_age)?;
        let kinds = format!("{:?}", filter.kinds);
        let selection = [message.connection.as_str(), &message.schema, &kinds, &message.name_pattern];
        let scope = ListScope { account: context.account(), method: "ListSchemaObjects", selection: &selection };
        let page = self.tokens.page(message.page_size, &message.page_token, scope)?;
        let listed = self.schemas.list_objects(&context, &connection, &filter, &page, max_age).await?;
        let (discovery_time, discovery_duration) = convert::discovered(listed.discovery);
        let Listed { page: found, skipped: missing } = listed.found;
        Ok(v1::ListSchemaObjectsResponse {
            next_page_token: self.tokens.next_page(found.next.as_deref(), scope)?,
            total_size: small_count(found.total.unwrap_or(0)),
            objects: found.items.into_iter().map(convert::object).collect(),
            served_by: convert::served_by(listed.served_by.as_ref()),
            skipped: missing.into_iter().map(skipped).collect(),
            discovery_time,
            discovery_duration,
            from_cache: listed.discovery.from_cache,
        })
    }
}

#[async_trait]
impl v1::schema_service_server::SchemaService for SchemaAdapter {
    type GetDdlStream = MessageStream<v1::GetDdlResponse>;
    type LintSchemaStream = MessageStream<v1::LintSchemaResponse>;
    type StreamTablesStream = MessageStream<v1::StreamTablesResponse>;

    async fn get_database(&self, request: Request<v1::GetDatabaseRequest>) -> Result<Response<v1::Database>, Status> {
        unary(request, async |context, message| {
            let connection = name::parse_connection(&message.connection, "connection")?;
            let max_age = convert::max_age(message.max_age)?;
            let found = self.schemas.get_database(&context, &connection, max_age).await?;
            Ok(convert::database(&connection, found))
        })
        .await
    }

    async fn list_tables(
        &self,
        request: Request<v1::ListTablesRequest>,
    ) -> Result<Response<v1::ListTablesResponse>, Status> {
        unary(request, |context, message| self.tables(context, message)).await
    }

    async fn stream_tables(
        &self,
        request: Request<v1::StreamTablesRequest>,
    ) -> Result<Response<Self::StreamTablesStream>, Status> {
        let schemas = self.schemas.clone();
        server_stream(request, async move |context, message, mut sender| {
            let connection = name::parse_connection(&message.connection, "connection")?;
            let filter = convert::table_filter(&message.schema, message.kind, &message.name_pattern)?;
            let mut tables = schemas.stream_tables(&context, &connection, filter).await?;
            let served_by = convert::served_by(tables.served_by());
            while let Some(found) = tables.next().await {
                let event = event(&connection, &served_by, found?);
                sender.send_numbered(|sequence| v1::StreamTablesResponse { sequence, event: Some(event) }).await?;
            }
            Ok(())
        })
    }

    async fn get_table(&self, request: Request<v1::GetTableRequest>) -> Result<Response<v1::Table>, Status> {
        unary(request, async |context, message| {
            let connection = name::parse_connection(&message.connection, "connection")?;
            let table = convert::table_name(&message.schema, &message.table)?;
            let max_age = convert::max_age(message.max_age)?;
            let found = self.schemas.get_table(&context, &connection, &table, max_age).await?;
            Ok(convert::looked_up(&connection, found))
        })
        .await
    }

    async fn list_schema_objects(
        &self,
        request: Request<v1::ListSchemaObjectsRequest>,
    ) -> Result<Response<v1::ListSchemaObjectsResponse>, Status> {
        unary(request, |context, message| self.objects(context, message)).await
    }

    async fn get_ddl(&self, request: Request<v1::GetDdlRequest>) -> Result<Response<Self::GetDdlStream>, Status> {
        let schemas = self.schemas.clone();
        server_stream(request, async move |context, message, mut sender| {
            let connection = name::parse_connection(&message.connection, "connection")?;
            let selection = convert::ddl_selection(&message)?;
            let mut statements = schemas.get_ddl(&context, &connection, selection).await?;
            let served_by = convert::served_by(statements.served_by());
            while let Some(found) = statements.next().await {
                let event = convert::ddl_event(found?, &served_by);
                sender.send_numbered(|sequence| v1::GetDdlResponse { sequence, event: Some(event) }).await?;
            }
            Ok(())
        })
    }

    async fn lint_schema(
        &self,
        request: Request<v1::LintSchemaRequest>,
    ) -> Result<Response<Self::LintSchemaStream>, Status> {
        let (schemas, settings) = (self.schemas.clone(), self.lint_settings.clone());
        server_stream(request, async move |context, message, mut sender| {
            let request = convert::lint_request(message, &settings.get(&context).await?)?;
            let mut findings = Box::pin(schemas.lint_schema(&context, request)).await?;
            let served_by = convert::served_by(findings.served_by());
            while let Some(found) = findings.next().await {
                let event = convert::lint_event(found?, &served_by);
                sender.send_numbered(|sequence| v1::LintSchemaResponse { sequence, event: Some(event) }).await?;
            }
            Ok(())
        })
    }

    async fn get_lint_settings(
        &self,
        request: Request<v1::GetLintSettingsRequest>,
    ) -> Result<Response<v1::LintSettings>, Status> {
        unary(request, async |context, _| Ok(convert::lint_settings(self.lint_settings.get(&context).await?))).await
    }

    async fn update_lint_settings(
        &self,
        request: Request<v1::UpdateLintSettingsRequest>,
    ) -> Result<Response<v1::LintSettings>, Status> {
        unary(request, async |context, message| {
            let settings = required(message.lint_settings, "lint_settings")?;
            let expected = etag::revision_from_etag(&settings.etag)?;
            let change = convert::lint_settings_change(settings, message.update_mask.as_ref())?;
            let changed = self.lint_settings.change(&context, change, expected, message.validate_only).await?;
            Ok(convert::lint_settings(changed))
        })
        .await
    }

    async fn generate_ddl(
        &self,
        request: Request<v1::GenerateDdlRequest>,
    ) -> Result<Response<v1::GenerateDdlResponse>, Status> {
        unary(request, async |context, message| {
            let source = convert::schema_source(message.source, "source")?;
            let engine = convert::optional_engine(message.engine, "engine")?;
            let standard = convert::standard_columns(message.standard_columns);
            Ok(convert::generated(self.schemas.generate_ddl(&context, source, engine, standard).await?))
        })
        .await
    }

    async fn diff_schemas(
        &self,
        request: Request<v1::DiffSchemasRequest>,
    ) -> Result<Response<v1::DiffSchemasResponse>, Status> {
        unary(request, async |context, message| {
            let wanted = convert::difference_request(message)?;
            convert::difference(self.schemas.diff_schemas(&context, wanted).await?)
        })
        .await
    }

    async fn recommend_indexes(
        &self,
        request: Request<v1::RecommendIndexesRequest>,
    ) -> Result<Response<v1::RecommendIndexesResponse>, Status> {
        unary(request, async |context, message| {
            let connection = name::parse_connection(&message.connection, "connection")?;
            let request = convert::advice_request(message)?;
            let (advice, total) = Box::pin(self.schemas.recommend_indexes(&context, &connection, &request)).await?;
            Ok(convert::advice(advice, total))
        })
        .await
    }

    async fn import_recommendations(
        &self,
        request: Request<v1::ImportRecommendationsRequest>,
    ) -> Result<Response<v1::ImportMigrationsResponse>, Status> {
        unary(request, |context, message| Box::pin(self.import(context, message))).await
    }

    async fn sample_rows(
        &self,
        request: Request<v1::SampleRowsRequest>,
    ) -> Result<Response<v1::SampleRowsResponse>, Status> {
        unary(request, async |context, message| {
            let connection = name::parse_connection(&message.connection, "connection")?;
            let wanted = convert::sample_request(&message)?;
            Ok(convert::sample(self.schemas.sample_rows(&context, &connection, &wanted).await?))
        })
        .await
    }
}

fn event(connection: &ConnectionId, served_by: &str, event: TableEvent) -> Event {
    match event {
        TableEvent::Table(table) => Event::Table(convert::table(connection, *table)),
        TableEvent::Summary { tables, skipped: left_out, time: began, duration } => {
            Event::Summary(v1::StreamTablesSummary {
                table_count: i64::try_from(tables).unwrap_or(i64::MAX),
                skipped: left_out.into_iter().map(skipped).collect(),
                served_by: served_by.to_owned(),
                discovery_time: Some(time::timestamp(began)),
                discovery_duration: Some(time::duration(duration)),
            })
        }
    }
}
