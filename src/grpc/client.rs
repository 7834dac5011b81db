//! A small client of our own server, for the quick start and the tests: where, with which key, until when.

use std::{fmt, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use tonic::{
    Request, Response, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

use super::{
    proto::v1::{
        access_service_client::AccessServiceClient, backup_service_client::BackupServiceClient,
        connection_service_client::ConnectionServiceClient, migration_service_client::MigrationServiceClient,
        monitor_service_client::MonitorServiceClient, operation_service_client::OperationServiceClient,
        schema_service_client::SchemaServiceClient, vault_service_client::VaultServiceClient,
    },
    status,
};

/// How a channel looks to the generated clients.
pub type AuthorizedChannel = InterceptedService<Channel, Authorization>;

/// Longest message that is taken, as the server's own limit.
const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// A channel to a server with the caller's key.
#[derive(Clone)]
pub struct Client {
    channel: Channel,
    authorization: Authorization,
}

/// Puts key and deadline on every call.
#[derive(Clone)]
pub struct Authorization {
    bearer: Option<MetadataValue<Ascii>>,
    deadline: Option<Duration>,
}

impl Interceptor for Authorization {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(bearer) = &self.bearer {
            request.metadata_mut().insert("authorization", bearer.clone());
        }
        if let Some(deadline) = self.deadline {
            request.set_timeout(deadline);
        }
        Ok(request)
    }
}

macro_rules! services {
    ($($(#[$doc:meta])* $method:ident, $client:ident;)*) => {
        $(
            $(#[$doc])*
            pub fn $method(&self) -> $client<AuthorizedChannel> {
                $client::with_interceptor(self.channel.clone(), self.authorization.clone())
                    .max_decoding_message_size(MAX_MESSAGE_BYTES)
            }
        )*
    };
}

impl Client {
    /// Prepares a channel to `http://host:port`, or `https://` with the CA that signed the server's certificate.
    /// It dials at the first call, and again whenever the connection is lost.
    pub fn new(address: &str, ca_pem: Option<&str>) -> Result<Self, ClientError> {
        let mut endpoint = Endpoint::from_shared(address.to_owned())
            .map_err(|cause| ClientError::local(format!("{address:?} is not an address: {cause}")))?
            .connect_timeout(Duration::from_secs(5))
            .tcp_nodelay(true);
        if let Some(ca_pem) = ca_pem {
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca_pem));
            endpoint = endpoint.tls_config(tls).map_err(|cause| ClientError::local(cause.to_string()))?;
        }
        Ok(Self { channel: endpoint.connect_lazy(), authorization: Authorization { bearer: None, deadline: None } })
    }

    /// The same channel with a key.
    pub fn with_key(mut self, key: &SecretString) -> Result<Self, ClientError> {
        let mut bearer: MetadataValue<Ascii> = format!("Bearer {}", key.expose_secret())
            .parse()
            .map_err(|_| ClientError::local("the key is not printable ASCII".to_owned()))?;
        bearer.set_sensitive(true);
        self.authorization.bearer = Some(bearer);
        Ok(self)
    }

    /// The same channel with a deadline on every call. Streams that go on for long take a client without one.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.authorization.deadline = Some(deadline);
        self
    }

    services! {
        /// ConnectionService.
        connections, ConnectionServiceClient;
        /// SchemaService.
        schemas, SchemaServiceClient;
        /// MigrationService.
        migrations, MigrationServiceClient;
        /// BackupService.
        backups, BackupServiceClient;
        /// MonitorService.
        monitor, MonitorServiceClient;
        /// OperationService.
        operations, OperationServiceClient;
        /// AccessService.
        access, AccessServiceClient;
        /// VaultService.
        vault, VaultServiceClient;
    }
}

/// Waits for the answer of a call; of a call that streams, the answer is the stream.
pub async fn answer<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, ClientError> {
    Ok(call.await?.into_inner())
}

/// Why a call failed, as the client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientError {
    /// Name of the gRPC code, such as `NotFound`.
    pub code: String,
    /// Reason of ErrorInfo; empty where there is none.
    pub reason: String,
    /// The message.
    pub message: String,
}

impl ClientError {
    fn local(message: String) -> Self {
        Self { code: "InvalidArgument".to_owned(), reason: String::new(), message }
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        Self {
            code: format!("{:?}", status.code()),
            reason: status::reason_of(&status).unwrap_or_default(),
            message: status.message().to_owned(),
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.code, self.reason, self.message)
    }
}

impl std::error::Error for ClientError {}
