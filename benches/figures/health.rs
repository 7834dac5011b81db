//! What the background checks of 1,000 registered databases take: processor time of the server at rest.

use std::time::{Duration, Instant};

use dbkeeper::grpc::proto::v1;

use crate::{
    report::{Figure, Target},
    server::Server,
};

const CONNECTIONS: usize = 1_000;
/// Longest until each has been looked at once.
const FIRST_ROUND: Duration = Duration::from_secs(300);
/// One round of the default interval.
const MEASURED: Duration = Duration::from_secs(60);

pub(crate) async fn measure() -> Vec<Figure> {
    let server = Server::start().await;
    for number in 0..CONNECTIONS {
        server.register(&format!("database-{number}"), "postgres").await;
    }
    until_all_are_online(&server).await;
    let (before, began) = (server.processor_time(), Instant::now());
    tokio::time::sleep(MEASURED).await;
    let share = (server.processor_time() - before).as_secs_f64() / began.elapsed().as_secs_f64();
    vec![Figure {
        name: "Checks of 1,000 connections in the background, share of a core",
        subject: String::new(),
        peer: String::new(),
        value: share * 100.0,
        unit: " %",
        target: Target::Under(5.0),
    }]
}

async fn until_all_are_online(server: &Server) {
    let client = server.client();
    let began = Instant::now();
    loop {
        let request =
            v1::ListConnectionsRequest { page_size: 1, filter: "state = online".to_owned(), ..Default::default() };
        let online = client.connections().list_connections(request).await.expect("the list is answered").into_inner();
        if online.total_size as usize == CONNECTIONS {
            return;
        }
        assert!(began.elapsed() < FIRST_ROUND, "only {} are online", online.total_size);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
