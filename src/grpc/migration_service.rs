//! MigrationService.

use tonic::{Request, Response, Status, async_trait};

use super::{
    call::unary,
    convert::{
        etag, migration as convert, required,
        token::{ListScope, Tokens},
    },
    proto::v1,
};
use crate::{
    model::{CallContext, Error, MigrationSetId, Result, name},
    service::migration::{
        ApplyMigrations, ImportOptions, MigrationService, RevertExtent, RevertMigrations, plan::PlanRequest, view,
    },
};

/// Answers for MigrationService.
pub struct MigrationAdapter {
    migrations: MigrationService,
    tokens: Tokens,
}

impl MigrationAdapter {
    /// An adapter over the service.
    pub fn new(migrations: MigrationService, tokens: Tokens) -> Self {
        Self { migrations, tokens }
    }

    async fn create(&self, context: CallContext, message: v1::CreateMigrationSetRequest) -> Result<v1::MigrationSet> {
        let key = self.tokens.request_key("CreateMigrationSet", &message.request_id, &message)?;
        let id = match message.migration_set_id.as_str() {
            "" => None,
            id => Some(MigrationSetId::parse(id, "migration_set_id")?),
        };
        let display_name = required(message.migration_set, "migration_set")?.display_name;
        let set = self.migrations.create_set(&context, id, display_name, key.as_ref(), message.validate_only).await?;
        Ok(convert::migration_set(set))
    }

    async fn import(
        &self,
        context: CallContext,
        message: v1::ImportMigrationsRequest,
    ) -> Result<v1::ImportMigrationsResponse> {
        let set = name::parse_migration_set(&message.migration_set, "migration_set")?;
        let options = ImportOptions {
            format: convert::format_from_proto(message.format, "format")?,
            allow_changes: message.allow_changes,
            expected: etag::revision_from_etag(&message.etag)?,
            validate_only: message.validate_only,
        };
        let files = convert::files(message.files);
        Ok(convert::import_response(self.migrations.import(&context, &set, &files, options).await?))
    }

    async fn plan(&self, context: CallContext, message: v1::PlanMigrationsRequest) -> Result<v1::MigrationPlan> {
        let set = name::parse_migration_set(&message.migration_set, "migration_set")?;
        let connection = name::parse_connection(&message.connection, "connection")?;
        let direction = convert::direction_from_proto(message.direction, "direction")?;
        let target = convert::version_from_proto(&message.target_version, "target_version")?;
        let steps = u32::try_from(message.steps).map_err(|_| Error::invalid_field("steps", "must not be negative"))?;
        let request = PlanRequest {
            direction,
            extent: view::extent(direction, target, steps),
            allow_out_of_order: convert::allows_out_of_order(message.out_of_order, "out_of_order")?,
        };
        let selection = format!("{request:?}");
        let scope = ListScope {
            account: context.account(),
            method: "PlanMigrations",
            selection: &[&message.migration_set, &message.connection, &selection],
        };
        let page = self.tokens.page(message.page_size, &message.page_token, scope)?;
        let plan = self.migrations.plan(&context, &set, &connection, &request, &page).await?;
        let token = self.tokens.next_page(plan.steps.next.as_deref(), scope)?;
        Ok(convert::plan(plan, token))
    }

    async fn apply(&self, context: CallContext, message: v1::ApplyMigrationsRequest) -> Result<v1::Operation> {
        let key = self.tokens.request_key("ApplyMigrations", &message.request_id, &message)?;
        let apply = ApplyMigrations {
            set: name::parse_migration_set(&message.migration_set, "migration_set")?,
            connection: name::parse_connection(&message.connection, "connection")?,
            target: convert::version_from_proto(&message.target_version, "target_version")?,
            allow_out_of_order: convert::allows_out_of_order(message.out_of_order, "out_of_order")?,
            limits: convert::limits_from_proto(message.limits)?,
            validate_only: message.validate_only,
        };
        Ok(convert::started(self.migrations.apply(&context, &apply, key.as_ref()).await?))
    }

    async fn revert(&self, context: CallContext, message: v1::RevertMigrationsRequest) -> Result<v1::Operation> {
        use v1::revert_migrations_request::Extent;
        let key = self.tokens.request_key("RevertMigrations", &message.request_id, &message)?;
        let extent = match required(message.extent, "extent")? {
            // The service refuses 0 and says what is allowed.
            Extent::Steps(steps) => RevertExtent::Steps(u32::try_from(steps).unwrap_or(0)),
            Extent::TargetVersion(version) => {
                RevertExtent::To(required(convert::version_from_proto(&version, "target_version")?, "target_version")?)
            }
        };
        let revert = RevertMigrations {
            set: name::parse_migration_set(&message.migration_set, "migration_set")?,
            connection: name::parse_connection(&message.connection, "connection")?,
            extent,
            limits: convert::limits_from_proto(message.limits)?,
            validate_only: message.validate_only,
        };
        Ok(convert::started(self.migrations.revert(&context, &revert, key.as_ref()).await?))
    }

    async fn list(
        &self,
        context: CallContext,
        message: v1::ListMigrationsRequest,
    ) -> Result<v1::ListMigrationsResponse> {
        let set = name::parse_migration_set(&message.migration_set, "migration_set")?;
        let selection = [message.migration_set.as_str()];
        let scope = ListScope { account: context.account(), method: "ListMigrations", selection: &selection };
        let page = self.tokens.page(message.page_size, &message.page_token, scope)?;
        let found = self.migrations.list(&context, &set, &page).await?;
        let token = self.tokens.next_page(found.next.as_deref(), scope)?;
        Ok(convert::list_response(found, token))
    }

    async fn status(
        &self,
        context: CallContext,
        message: v1::GetMigrationStatusRequest,
    ) -> Result<v1::MigrationStatus> {
        let set = name::parse_migration_set(&message.migration_set, "migration_set")?;
        let connection = name::parse_connection(&message.connection, "connection")?;
        let selection = [message.migration_set.as_str(), message.connection.as_str()];
        let scope = ListScope { account: context.account(), method: "GetMigrationStatus", selection: &selection };
        let page = self.tokens.page(message.page_size, &message.page_token, scope)?;
        let status = self.migrations.status(&context, &set, &connection, &page).await?;
        let token = self.tokens.next_page(status.entries.next.as_deref(), scope)?;
        Ok(convert::status(status, token))
    }
}

#[async_trait]
impl v1::migration_service_server::MigrationService for MigrationAdapter {
    async fn create_migration_set(
        &self,
        request: Request<v1::CreateMigrationSetRequest>,
    ) -> Result<Response<v1::MigrationSet>, Status> {
        unary(request, |context, message| self.create(context, message)).await
    }

    async fn import_migrations(
        &self,
        request: Request<v1::ImportMigrationsRequest>,
    ) -> Result<Response<v1::ImportMigrationsResponse>, Status> {
        unary(request, |context, message| self.import(context, message)).await
    }

    async fn list_migrations(
        &self,
        request: Request<v1::ListMigrationsRequest>,
    ) -> Result<Response<v1::ListMigrationsResponse>, Status> {
        unary(request, |context, message| self.list(context, message)).await
    }

    async fn plan_migrations(
        &self,
        request: Request<v1::PlanMigrationsRequest>,
    ) -> Result<Response<v1::MigrationPlan>, Status> {
        unary(request, |context, message| self.plan(context, message)).await
    }

    async fn apply_migrations(
        &self,
        request: Request<v1::ApplyMigrationsRequest>,
    ) -> Result<Response<v1::Operation>, Status> {
        unary(request, |context, message| self.apply(context, message)).await
    }

    async fn revert_migrations(
        &self,
        request: Request<v1::RevertMigrationsRequest>,
    ) -> Result<Response<v1::Operation>, Status> {
        unary(request, |context, message| self.revert(context, message)).await
    }

    async fn get_migration_status(
        &self,
        request: Request<v1::GetMigrationStatusRequest>,
    ) -> Result<Response<v1::MigrationStatus>, Status> {
        unary(request, |context, message| self.status(context, message)).await
    }
}
