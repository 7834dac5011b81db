//! A server with 100 registered databases and nothing to do: how fast it starts, and what it takes.

use std::time::Duration;

use dbkeeper::grpc::proto::v1;

use crate::{
    report::{Figure, Target, Times, mebibytes},
    server::Server,
};

const CONNECTIONS: usize = 100;
const STARTS: usize = 6;
/// Time in which a server that has nothing to do comes to rest.
const REST: Duration = Duration::from_secs(2);

pub(crate) async fn measure() -> Vec<Figure> {
    let mut first_starts = Times::default();
    for _ in 0..STARTS {
        first_starts.push(Server::start().await.start_time);
    }
    let mut server = Server::start().await;
    for number in 0..CONNECTIONS {
        server.register(&format!("database-{number}"), "orders").await;
    }
    let mut restarts = Times::default();
    for _ in 0..STARTS {
        server = server.restart().await;
        restarts.push(server.start_time);
    }
    read_all(&server).await;
    tokio::time::sleep(REST).await;
    first_starts.print("start on an empty directory");
    restarts.print("start with 100 connections");
    let milliseconds = |name, time: Duration| Figure {
        name,
        subject: String::new(),
        peer: String::new(),
        value: time.as_secs_f64() * 1000.0,
        unit: " ms",
        target: Target::Under(300.0),
    };
    vec![
        Figure {
            name: "Idle with 100 connections, resident memory",
            subject: String::new(),
            peer: String::new(),
            value: mebibytes(server.memory("VmRSS")),
            unit: " MiB",
            target: Target::Under(64.0),
        },
        milliseconds("Start to SERVING, 100 connections", restarts.best()),
        milliseconds("Start to SERVING, empty directory", first_starts.best()),
    ]
}

/// So that they are in memory, where the server keeps what it has read.
async fn read_all(server: &Server) {
    let client = server.client();
    let request = v1::ListConnectionsRequest { page_size: 1000, ..Default::default() };
    let listed = client.connections().list_connections(request).await.expect("the list is answered").into_inner();
    assert_eq!(listed.connections.len(), CONNECTIONS, "a connection is missing");
    for connection in listed.connections {
        let request = v1::GetConnectionRequest { name: connection.name, ..Default::default() };
        client.connections().get_connection(request).await.expect("the call is answered");
    }
}
