//! Traces and metrics reach an OTLP collector: a small one of the test's own, told by the real binary.

use std::{
    net::SocketAddr,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use opentelemetry_proto::tonic::collector::{
    metrics::v1::{
        ExportMetricsServiceRequest, ExportMetricsServiceResponse,
        metrics_service_server::{MetricsService, MetricsServiceServer},
    },
    trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Channel};

use crate::{
    harness::{process::binary, server::in_time},
    http,
};
use dbkeeper::grpc::proto::v1::{
    Connection, CreateConnectionRequest, Engine, GetDatabaseRequest, ListConnectionsRequest,
    connection_service_client::ConnectionServiceClient, schema_service_client::SchemaServiceClient,
};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// What a collector was told.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<(String, String)>>>,
    metrics: Arc<Mutex<Vec<String>>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let groups = request.into_inner().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        let spans = groups.flat_map(|scope| scope.spans).map(|span| (span.name, hex::encode(span.trace_id)));
        self.spans.lock().unwrap().extend(spans);
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let groups = request.into_inner().resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
        self.metrics.lock().unwrap().extend(groups.flat_map(|scope| scope.metrics).map(|metric| metric.name));
        Ok(Response::new(Default::default()))
    }
}

impl Collector {
    async fn listen(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(self.clone()))
            .add_service(MetricsServiceServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        address
    }
}

/// Starts the binary and reads the line in which it says where it listens, and goes on reading its log into `lines`.
async fn start(
    directory: &std::path::Path,
    collector: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
) -> (Child, serde_json::Value) {
    let mut server = Command::from(binary())
        .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--log", "debug", "--data-dir"])
        .arg(directory)
        .env("DBKEEPER_TELEMETRY_OTLP_ENDPOINT", format!("http://{collector}"))
        .env("DBKEEPER_TELEMETRY_METRICS_INTERVAL", "1s")
        .env("DBKEEPER_METRICS_LISTEN", "127.0.0.1:0")
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = BufReader::new(server.stderr.take().unwrap()).lines();
    let listening = loop {
        let line = log.next_line().await.unwrap().expect("the server says where it listens");
        let fields: serde_json::Value = serde_json::from_str(&line).unwrap();
        if fields["message"] == "listening" {
            break fields;
        }
    };
    tokio::spawn(async move {
        while let Ok(Some(line)) = log.next_line().await {
            lines.lock().unwrap().push(line);
        }
    });
    (server, listening)
}

/// Registers an SQLite database and makes a call that needs a connection of its pool.
async fn use_a_pool(channel: Channel, directory: &std::path::Path, key: &str) {
    let folder = directory.join("sqlite/default");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::File::create_new(folder.join("shop.db")).unwrap();
    let connection = Connection {
        display_name: "Shop".to_owned(),
        engine: Engine::Sqlite.into(),
        database: "shop.db".to_owned(),
        ..Default::default()
    };
    let create = CreateConnectionRequest {
        connection_id: "shop".to_owned(),
        connection: Some(connection),
        ..Default::default()
    };
    let authorization: tonic::metadata::MetadataValue<_> = format!("Bearer {}", key.trim()).parse().unwrap();
    let mut request = Request::new(create);
    request.metadata_mut().insert("authorization", authorization.clone());
    ConnectionServiceClient::new(channel.clone()).create_connection(request).await.unwrap();
    let mut schemas = SchemaServiceClient::new(channel);
    let mut request =
        Request::new(GetDatabaseRequest { connection: "connections/shop".to_owned(), ..Default::default() });
    request.metadata_mut().insert("authorization", authorization);
    schemas.get_database(request).await.unwrap();
}

#[tokio::test]
async fn a_call_is_traced_measured_and_logged_under_the_trace_of_its_caller() {
    let collector = Collector::default();
    let directory = tempfile::tempdir().unwrap();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let (mut server, listening) = start(directory.path(), collector.listen().await, lines.clone()).await;
    let address = listening["address"].as_str().unwrap();

    let key = std::fs::read_to_string(directory.path().join("admin.key")).unwrap();
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let mut client = ConnectionServiceClient::new(channel.clone());
    let mut request = Request::new(ListConnectionsRequest::default());
    request.metadata_mut().insert("authorization", format!("Bearer {}", key.trim()).parse().unwrap());
    let parent = format!("00-{TRACE_ID}-00f067aa0ba902b7-01");
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    client.list_connections(request).await.unwrap();
    use_a_pool(channel, directory.path(), &key).await;
    // The pool is closed before the last export, so what is read of it must have been exported before.
    in_time(async {
        while !collector.metrics.lock().unwrap().iter().any(|metric| metric == "db.client.connection.count") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;

    let fetched = http::fetch(listening["metrics_address"].as_str().unwrap().parse().unwrap()).await;
    // The end of the server flushes what is not exported yet.
    let pid = rustix::process::Pid::from_raw(i32::try_from(server.id().unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(server.wait().await.unwrap().success());

    let spans = collector.spans.lock().unwrap().clone();
    let traced = ("dbkeeper.v1.ConnectionService/ListConnections".to_owned(), TRACE_ID.to_owned());
    assert!(spans.contains(&traced), "{spans:?}");
    let metrics = collector.metrics.lock().unwrap().clone();
    let of_pools = ["count", "max", "idle.max", "idle.min", "pending_requests", "create_time", "wait_time", "use_time"];
    let of_pools = of_pools.map(|name| format!("db.client.connection.{name}"));
    for name in
        ["rpc.server.call.duration", "dbkeeper.operations.open"].into_iter().chain(of_pools.iter().map(String::as_str))
    {
        assert!(metrics.iter().any(|metric| metric == name), "{name} is missing in {metrics:?}");
        // The same instruments are told to who fetches them.
        let family = name.replace('.', "_");
        let told = fetched
            .0
            .keys()
            .any(|told| told.strip_prefix(&family).is_some_and(|unit| ["", "_seconds"].contains(&unit)));
        assert!(told, "{family} is missing in {:?}", fetched.0.keys());
    }
    let ended = lines.lock().unwrap().iter().any(|line| line.contains("call ended") && line.contains(TRACE_ID));
    assert!(ended, "no log line of the call carries the trace: {:?}", lines.lock().unwrap());
}
