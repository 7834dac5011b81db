//! BackupService.

use std::sync::Arc;

use futures::StreamExt;
use tonic::{Request, Response, Status, async_trait};

use super::{
    call::unary,
    convert::{
        backup as convert, operation,
        token::{ListScope, Tokens},
    },
    proto::v1::{self, download_backup_response::Event},
    stream::{MessageStream, StreamSender, server_stream},
};
use crate::{
    model::{
        BackupId, CallContext, ConnectionId, Result,
        name::{self, BackupName},
        operation::Operation,
    },
    service::backup::{BackupService, RestoreRequest},
};

/// Answers for BackupService.
pub struct BackupAdapter {
    backups: Arc<BackupService>,
    tokens: Tokens,
}

impl BackupAdapter {
    /// An adapter over the service.
    pub fn new(backups: Arc<BackupService>, tokens: Tokens) -> Self {
        Self { backups, tokens }
    }

    async fn create(&self, context: CallContext, message: v1::CreateBackupRequest) -> Result<v1::Operation> {
        let key = self.tokens.request_key("CreateBackup", &message.request_id, &message)?;
        let connection = name::parse_connection(&message.connection, "connection")?;
        let id = match message.backup_id.as_str() {
            "" => None,
            id => Some(BackupId::parse(id, "backup_id")?),
        };
        let started = self.backups.create(&context, &connection, id, key.as_ref(), message.validate_only).await?;
        Ok(started_or_checked(started, v1::OperationKind::CreateBackup, &connection))
    }

    async fn restore(&self, context: CallContext, message: v1::RestoreBackupRequest) -> Result<v1::Operation> {
        let key = self.tokens.request_key("RestoreBackup", &message.request_id, &message)?;
        let restore = RestoreRequest {
            backup: BackupName::parse(&message.name, "name")?,
            connection: name::parse_connection(&message.connection, "connection")?,
            target_database: message.target_database,
        };
        let started = self.backups.restore(&context, &restore, key.as_ref(), message.validate_only).await?;
        Ok(started_or_checked(started, v1::OperationKind::RestoreBackup, &restore.connection))
    }

    async fn list(&self, context: CallContext, message: v1::ListBackupsRequest) -> Result<v1::ListBackupsResponse> {
        let connection = match message.connection.as_str() {
            "" => None,
            connection => Some(name::parse_connection(connection, "connection")?),
        };
        let selection = [message.connection.as_str()];
        let scope = ListScope { account: context.account(), method: "ListBackups", selection: &selection };
        let page = self.tokens.page(message.page_size, &message.page_token, scope)?;
        let found = self.backups.list(&context, connection.as_ref(), &page).await?;
        let token = self.tokens.next_page(found.next.as_deref(), scope)?;
        Ok(convert::list_response(found, token))
    }
}

/// The operation that was started, or, where everything was only checked, one without a name.
fn started_or_checked(started: Option<Operation>, kind: v1::OperationKind, connection: &ConnectionId) -> v1::Operation {
    started.map_or_else(
        || v1::Operation { kind: kind.into(), connection: name::connection(connection), ..Default::default() },
        operation::operation,
    )
}

#[async_trait]
impl v1::backup_service_server::BackupService for BackupAdapter {
    type DownloadBackupStream = MessageStream<v1::DownloadBackupResponse>;

    async fn create_backup(
        &self,
        request: Request<v1::CreateBackupRequest>,
    ) -> Result<Response<v1::Operation>, Status> {
        unary(request, |context, message| self.create(context, message)).await
    }

    async fn get_backup(&self, request: Request<v1::GetBackupRequest>) -> Result<Response<v1::Backup>, Status> {
        unary(request, async |context, message| {
            let name = BackupName::parse(&message.name, "name")?;
            Ok(convert::backup(self.backups.get(&context, &name).await?))
        })
        .await
    }

    async fn list_backups(
        &self,
        request: Request<v1::ListBackupsRequest>,
    ) -> Result<Response<v1::ListBackupsResponse>, Status> {
        unary(request, |context, message| self.list(context, message)).await
    }

    async fn delete_backup(&self, request: Request<v1::DeleteBackupRequest>) -> Result<Response<()>, Status> {
        unary(request, async |context, message| {
            let name = BackupName::parse(&message.name, "name")?;
            self.backups.delete(&context, &name, message.validate_only).await
        })
        .await
    }

    async fn verify_backup(
        &self,
        request: Request<v1::VerifyBackupRequest>,
    ) -> Result<Response<v1::Operation>, Status> {
        unary(request, async |context, message| {
            let name = BackupName::parse(&message.name, "name")?;
            let level = convert::level_from_proto(message.level, "level")?;
            Ok(operation::operation(self.backups.verify(&context, &name, level).await?))
        })
        .await
    }

    async fn restore_backup(
        &self,
        request: Request<v1::RestoreBackupRequest>,
    ) -> Result<Response<v1::Operation>, Status> {
        unary(request, |context, message| self.restore(context, message)).await
    }

    async fn download_backup(
        &self,
        request: Request<v1::DownloadBackupRequest>,
    ) -> Result<Response<Self::DownloadBackupStream>, Status> {
        let backups = Arc::clone(&self.backups);
        server_stream(request, async move |context, message, sender| download(&backups, context, message, sender).await)
    }
}

async fn download(
    backups: &BackupService,
    context: CallContext,
    message: v1::DownloadBackupRequest,
    mut sender: StreamSender<v1::DownloadBackupResponse>,
) -> Result<()> {
    let name = BackupName::parse(&message.name, "name")?;
    let mut download = backups.download(&context, &name).await?;
    let header = Event::Header(convert::download_header(&download));
    let trailer = Event::Trailer(v1::DownloadTrailer { blake3: download.blake3.clone() });
    let numbered = |event| move |sequence| v1::DownloadBackupResponse { sequence, event: Some(event) };
    sender.send_numbered(numbered(header)).await?;
    while let Some(piece) = download.next().await {
        sender.send_numbered(numbered(Event::Data(piece?.into()))).await?;
    }
    sender.send_numbered(numbered(trailer)).await
}
