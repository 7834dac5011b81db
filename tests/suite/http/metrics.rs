//! The metrics follow what the server does, and tell nothing of whose it is.

use std::{fs, net::SocketAddr};

use dbkeeper::grpc::{client::Client, proto::v1};
use tonic::Code;

use super::{exposition::Exposition, fetch, get};
use crate::{
    harness::process::ServerProcess,
    rpc::support::{register, until},
};

const LIST: &str = "dbkeeper.v1.ConnectionService/ListConnections";
const GET: &str = "dbkeeper.v1.ConnectionService/GetConnection";
/// Everything that tells series apart.
const LABELS: [&str; 5] = ["db_client_connection_state", "le", "rpc_grpc_status_code", "rpc_method", "rpc_system"];
const ROUNDS: usize = 5;
const CALLS: usize = 20;

async fn start() -> ServerProcess {
    ServerProcess::start(&["metrics.listen=127.0.0.1:0".to_owned()]).await
}

/// How many calls of a method have ended with a code.
fn calls(told: &Exposition, method: &str, code: Code) -> f64 {
    let code = (code as i32).to_string();
    let labels = [("rpc_method", method), ("rpc_grpc_status_code", code.as_str())];
    let counts = told.series("rpc_server_call_duration_seconds_count", &labels);
    counts.iter().map(|count| count.value).sum()
}

async fn list(client: &Client) {
    client.connections().list_connections(v1::ListConnectionsRequest::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_move_with_the_calls() {
    let server = start().await;
    let (address, client) = (server.metrics_address(), server.client());
    for round in 1..=ROUNDS {
        let caller = client.clone();
        let work = tokio::spawn(async move {
            for _ in 0..CALLS {
                list(&caller).await;
            }
        });
        let mut last = 0.0;
        while !work.is_finished() {
            let now = calls(&fetch(address).await, LIST, Code::Ok);
            assert!(now >= last, "{now} calls after {last}");
            last = now;
        }
        work.await.unwrap();
        // A call is counted when its answer has been taken, which its caller may be the first to know.
        until(async || calls(&fetch(address).await, LIST, Code::Ok) >= (round * CALLS) as f64).await;
        assert_eq!(calls(&fetch(address).await, LIST, Code::Ok), (round * CALLS) as f64);
    }

    let request = v1::GetConnectionRequest { name: "connections/absent".to_owned(), ..Default::default() };
    client.connections().get_connection(request).await.unwrap_err();
    until(async || calls(&fetch(address).await, GET, Code::NotFound) == 1.0).await;
    let told = fetch(address).await;
    assert_eq!(calls(&told, GET, Code::Ok), 0.0);
    assert_eq!(told.0["rpc_server_call_duration_seconds"].kind, "histogram");
    // Calls take less than a second, and the bounds tell them apart.
    let below = told.value("rpc_server_call_duration_seconds_bucket", &[("rpc_method", GET), ("le", "60")]);
    let within = told.value("rpc_server_call_duration_seconds_bucket", &[("rpc_method", GET), ("le", "0.0005")]);
    assert_eq!((below, told.value("dbkeeper_operations_open", &[])), (1.0, 0.0));
    assert!(within <= below);
    assert_eq!(told.value("target_info", &[("service_name", "dbkeeper")]), 1.0);
}

async fn use_a_pool(server: &ServerProcess, client: &Client, id: &str) {
    let folder = server.data_directory().join("sqlite/default");
    fs::create_dir_all(&folder).unwrap();
    fs::File::create_new(folder.join(format!("{id}.db"))).unwrap();
    let connection = v1::Connection {
        display_name: id.to_owned(),
        engine: v1::Engine::Sqlite.into(),
        database: format!("{id}.db"),
        ..Default::default()
    };
    register(client, id, connection).await;
    let request = v1::GetDatabaseRequest { connection: format!("connections/{id}"), ..Default::default() };
    client.schemas().get_database(request).await.unwrap();
}

fn most_connections(told: &Exposition) -> f64 {
    told.value("db_client_connection_max", &[])
}

async fn fetched_text(address: SocketAddr) -> String {
    get(address, "/metrics").await.body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pools_are_told_as_a_sum_and_no_name_is() {
    let server = start().await;
    let (address, client) = (server.metrics_address(), server.client());
    use_a_pool(&server, &client, "warehouse").await;
    let one = most_connections(&fetch(address).await);
    assert!(one >= 1.0, "{one}");
    use_a_pool(&server, &client, "payroll").await;
    let told = fetch(address).await;
    assert_eq!(most_connections(&told), 2.0 * one, "two pools of the same size");
    let state = |state| told.value("db_client_connection_count", &[("db_client_connection_state", state)]);
    assert!(state("idle") + state("used") >= 2.0);
    for name in ["create_time", "wait_time", "use_time"] {
        let name = format!("db_client_connection_{name}_seconds_count");
        assert!(told.value(&name, &[]) >= 2.0, "{name}");
    }

    let text = fetched_text(address).await;
    for name in ["warehouse", "payroll", "connections/", "default"] {
        assert!(!text.contains(name), "{name} is told:\n{text}");
    }
    let families = told.0.iter().filter(|(name, _)| *name != "target_info");
    for label in families.flat_map(|(_, family)| &family.samples).flat_map(|sample| sample.labels.keys()) {
        assert!(LABELS.contains(&label.as_str()), "{label} is told");
    }
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/monitoring.md")).unwrap();
    for label in LABELS.iter().filter(|label| **label != "le") {
        assert!(page.contains(&format!("`{label}`")), "{label} is not in the documentation");
    }
    for family in told.0.keys() {
        assert!(page.contains(&format!("`{family}`")), "{family} is not in the documentation");
    }
}
