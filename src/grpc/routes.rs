//! The services that a server answers: one method a service, so that each gets the same limits and encodings.

use tonic::{codec::CompressionEncoding, server::NamedService, service::RoutesBuilder};

use super::{
    proto::v1::{
        access_service_server::{AccessService, AccessServiceServer},
        backup_service_server::{BackupService, BackupServiceServer},
        connection_service_server::{ConnectionService, ConnectionServiceServer},
        migration_service_server::{MigrationService, MigrationServiceServer},
        monitor_service_server::{MonitorService, MonitorServiceServer},
        operation_service_server::{OperationService, OperationServiceServer},
        schema_service_server::{SchemaService, SchemaServiceServer},
        vault_service_server::{VaultService, VaultServiceServer},
    },
    settings::ServerSettings,
};

/// The services of a server, gathered before it is built.
pub struct Routes {
    pub(super) builder: RoutesBuilder,
    pub(super) services: Vec<&'static str>,
    max_receive_bytes: usize,
    max_send_bytes: usize,
}

/// The generated servers share no trait for their limits, so the shared line is a macro.
macro_rules! service {
    ($(#[$doc:meta])* $method:ident, $adapter:ident, $server:ident) => {
        $(#[$doc])*
        #[must_use]
        pub fn $method(mut self, adapter: impl $adapter) -> Self {
            let server = $server::new(adapter)
                .max_decoding_message_size(self.max_receive_bytes)
                .max_encoding_message_size(self.max_send_bytes)
                .accept_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Zstd)
                .send_compressed(CompressionEncoding::Gzip)
                .send_compressed(CompressionEncoding::Zstd);
            self.services.push(name_of(&server));
            self.builder.add_service(server);
            self
        }
    };
}

impl Routes {
    /// No services yet.
    pub fn new(settings: &ServerSettings) -> Self {
        Self {
            builder: RoutesBuilder::default(),
            services: Vec::new(),
            max_receive_bytes: settings.max_receive_bytes,
            max_send_bytes: settings.max_send_bytes,
        }
    }

    /// No adapters at all, and the names of the services for health: a server whose vault is sealed.
    pub fn sealed(settings: &ServerSettings) -> Self {
        let services = vec![
            ConnectionServiceServer::<()>::NAME,
            SchemaServiceServer::<()>::NAME,
            MigrationServiceServer::<()>::NAME,
            BackupServiceServer::<()>::NAME,
            MonitorServiceServer::<()>::NAME,
            OperationServiceServer::<()>::NAME,
            AccessServiceServer::<()>::NAME,
            VaultServiceServer::<()>::NAME,
        ];
        Self { services, ..Self::new(settings) }
    }

    service!(/// Adds ConnectionService.
        connections, ConnectionService, ConnectionServiceServer);
    service!(/// Adds SchemaService.
        schemas, SchemaService, SchemaServiceServer);
    service!(/// Adds MigrationService.
        migrations, MigrationService, MigrationServiceServer);
    service!(/// Adds BackupService.
        backups, BackupService, BackupServiceServer);
    service!(/// Adds MonitorService.
        monitor, MonitorService, MonitorServiceServer);
    service!(/// Adds OperationService.
        operations, OperationService, OperationServiceServer);
    service!(/// Adds AccessService.
        access, AccessService, AccessServiceServer);
    service!(/// Adds VaultService.
        vault, VaultService, VaultServiceServer);
}

fn name_of<S: NamedService>(_: &S) -> &'static str {
    S::NAME
}
