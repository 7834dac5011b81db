//! A server on a free port whose OperationService does what the name of the operation says.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use dbkeeper::{
    grpc::{
        AuditSink, Authenticator, GrpcServer, Parts, ServerSettings,
        call::{long_poll, unary},
        client::Client,
        health::Health,
        proto::v1::{self, operation_service_client::OperationServiceClient},
        routes::Routes,
        stream::{MessageStream, server_stream},
    },
    model::{
        AccountId, AuthenticationMethod, CallContext, Caller, Error, Grant, Reason, Role,
        audit::{AuditOutcome, AuditedCall},
    },
};
use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage, Value};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, transport::Channel};

/// Long enough for a loaded machine; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server at work.
pub(super) struct TestServer {
    pub(super) address: SocketAddr,
    pub(super) health: Health,
    pub(super) stop: CancellationToken,
    pub(super) seen: Arc<Seen>,
    task: JoinHandle<()>,
}

/// What the services saw.
pub(super) struct Seen {
    /// The context of the last call that a handler was given.
    pub(super) context: watch::Sender<Option<CallContext>>,
    /// Events of audited calls: what, method, actor, code.
    pub(super) audited: Mutex<Vec<(&'static str, String, String, String)>>,
}

impl TestServer {
    pub(super) async fn start() -> Self {
        Self::start_with(ServerSettings::default()).await
    }

    pub(super) async fn start_with(settings: ServerSettings) -> Self {
        let server = Self::start_sealed(settings).await;
        server.health.open().await;
        server
    }

    pub(super) async fn start_sealed(settings: ServerSettings) -> Self {
        let seen = Arc::new(Seen { context: watch::Sender::new(None), audited: Mutex::default() });
        let parts = Parts {
            routes: Routes::new(&settings).operations(TestOperations { seen: seen.clone() }),
            authenticator: Arc::new(TestKeys),
            audit: Some(Arc::new(TestAudit(seen.clone()))),
        };
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = GrpcServer::bind(listen, settings, parts).await.unwrap();
        let stop = CancellationToken::new();
        let (address, health) = (server.local_address().unwrap(), server.health());
        let task = tokio::spawn(server.run(stop.clone()));
        Self { address, health, stop, seen, task }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) async fn channel(&self) -> Channel {
        Channel::from_shared(self.url()).unwrap().connect().await.unwrap()
    }

    /// A client that holds the key of a reader or of an operator.
    pub(super) fn client(&self, key: &str) -> Client {
        Client::new(&self.url(), None).unwrap().with_key(&key.into()).unwrap()
    }

    /// The generated client, without a key.
    pub(super) async fn bare_client(&self) -> OperationServiceClient<Channel> {
        OperationServiceClient::new(self.channel().await)
    }

    /// The context of the call that a handler has begun with.
    pub(super) async fn context(&self) -> CallContext {
        let mut contexts = self.seen.context.subscribe();
        let context = tokio::time::timeout(PATIENCE, contexts.wait_for(Option::is_some)).await.unwrap().unwrap();
        context.clone().unwrap()
    }

    /// Stops the server and waits until it has returned.
    pub(super) async fn stopped(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("the server did not stop").unwrap();
    }
}

pub(super) struct TestKeys;

#[async_trait]
impl Authenticator for TestKeys {
    async fn authenticate(&self, bearer: &str, _: SocketAddr) -> Result<Caller, Error> {
        let role = match bearer {
            "reader" => Role::Viewer,
            "operator" => Role::Operator,
            _ => return Err(Error::new(Reason::ApiKeyInvalid, "the API key is not valid")),
        };
        let account = AccountId::parse("default", "account")?;
        let grant = Grant { role, restore: false };
        Ok(Caller::new(account, format!("key/{bearer}"), AuthenticationMethod::ApiKey, grant))
    }
}

struct TestAudit(Arc<Seen>);

impl TestAudit {
    fn note(&self, what: &'static str, call: &AuditedCall, code: &str) -> u64 {
        let mut events = self.0.audited.lock().unwrap();
        events.push((what, call.method.clone(), call.actor.clone(), code.to_owned()));
        events.len() as u64
    }
}

#[async_trait]
impl AuditSink for TestAudit {
    async fn intend(&self, call: &AuditedCall) -> Result<u64, Error> {
        Ok(self.note("intent", call, ""))
    }

    async fn conclude(&self, call: &AuditedCall, _: u64, outcome: AuditOutcome) {
        self.note("outcome", call, &outcome.code);
    }

    fn conclude_soon(&self, call: &AuditedCall, _: u64, outcome: AuditOutcome) {
        self.note("outcome", call, &outcome.code);
    }

    async fn refuse(&self, call: &AuditedCall, outcome: AuditOutcome) {
        self.note("refusal", call, &outcome.code);
    }

    fn account_of_unknown_callers(&self) -> AccountId {
        AccountId::parse("operator", "account").unwrap()
    }
}

struct TestOperations {
    seen: Arc<Seen>,
}

#[tonic::async_trait]
impl v1::operation_service_server::OperationService for TestOperations {
    async fn get_operation(
        &self,
        request: Request<v1::GetOperationRequest>,
    ) -> Result<Response<v1::Operation>, Status> {
        let seen = self.seen.clone();
        unary(request, |context, message| async move {
            seen.context.send_replace(Some(context.clone()));
            match message.name.as_str() {
                "operations/hang" => std::future::pending().await,
                "operations/panic" => panic!("secret of the handler"),
                "operations/absent" => Err(Error::not_found(Reason::OperationNotFound, "operation", message.name)),
                "operations/broken" => Err(Error::internal("secret of the store")),
                name => Ok(v1::Operation {
                    name: name.to_owned(),
                    requested_by: context.caller.principal,
                    connection: "connections/".to_owned() + &"x".repeat(10_000),
                    ..Default::default()
                }),
            }
        })
        .await
    }

    async fn list_operations(
        &self,
        request: Request<v1::ListOperationsRequest>,
    ) -> Result<Response<v1::ListOperationsResponse>, Status> {
        unary(request, |_, _| async { Ok(v1::ListOperationsResponse::default()) }).await
    }

    async fn cancel_operation(
        &self,
        request: Request<v1::CancelOperationRequest>,
    ) -> Result<Response<v1::Operation>, Status> {
        unary(request, |_, message| async { Ok(v1::Operation { name: message.name, ..Default::default() }) }).await
    }

    async fn wait_operation(
        &self,
        request: Request<v1::WaitOperationRequest>,
    ) -> Result<Response<v1::Operation>, Status> {
        let seen = self.seen.clone();
        long_poll(request, |context, _| async move {
            seen.context.send_replace(Some(context));
            std::future::pending().await
        })
        .await
    }

    type WatchOperationStream = MessageStream<v1::WatchOperationResponse>;

    async fn watch_operation(
        &self,
        request: Request<v1::WatchOperationRequest>,
    ) -> Result<Response<Self::WatchOperationStream>, Status> {
        let seen = self.seen.clone();
        server_stream(request, |context, message, mut events| async move {
            seen.context.send_replace(Some(context));
            let count = match message.name.as_str() {
                "operations/absent" => {
                    return Err(Error::not_found(Reason::OperationNotFound, "operation", message.name));
                }
                "operations/panic" => panic!("secret of the handler"),
                "operations/endless" => u64::MAX,
                _ => 3,
            };
            for _ in 0..count {
                let event = |sequence| v1::WatchOperationResponse { sequence, event: None };
                events.send_numbered(event).await?;
            }
            if message.name == "operations/open" {
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    }
}

/// A request with a key.
pub(super) fn with_key<M>(message: M, key: &str) -> Request<M> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    request
}

pub(super) fn get(name: &str) -> v1::GetOperationRequest {
    v1::GetOperationRequest { name: format!("operations/{name}") }
}

pub(super) fn watch(name: &str) -> v1::WatchOperationRequest {
    v1::WatchOperationRequest { name: format!("operations/{name}"), after_sequence: 0 }
}

/// The reason in the ErrorInfo of a status, which every status must have.
pub(crate) fn reason(status: &Status) -> String {
    use tonic_types::StatusExt;
    status.get_details_error_info().unwrap_or_else(|| panic!("no ErrorInfo: {status:?}")).reason
}

/// Fails where a field marked `(sensitive)` holds something, at any depth.
pub(crate) fn assert_no_sensitive(message: &DynamicMessage) {
    let pool = message.descriptor().parent_pool().clone();
    let sensitive = pool.get_extension_by_name("dbkeeper.v1.sensitive").unwrap();
    for (field, value) in message.fields() {
        let marked = field.options().get_extension(&sensitive).as_bool() == Some(true);
        assert!(!marked, "{} is in an answer", field.full_name());
        visit(value);
    }
}

fn visit(value: &Value) {
    match value {
        Value::Message(message) => assert_no_sensitive(message),
        Value::List(values) => values.iter().for_each(visit),
        Value::Map(values) => values.values().for_each(visit),
        _ => {}
    }
}

/// A message of the contract as reflection sees it.
pub(crate) fn reflected(name: &str, message: &impl prost::Message) -> DynamicMessage {
    let pool = DescriptorPool::decode(dbkeeper::grpc::proto::FILE_DESCRIPTOR_SET).unwrap();
    let descriptor = pool.get_message_by_name(&format!("dbkeeper.v1.{name}")).unwrap();
    DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).unwrap()
}
