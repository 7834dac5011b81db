//! Lists whose entries are large: no answer is more than clients take, and no entry is lost.

use std::collections::HashSet;

use dbkeeper::grpc::proto::v1;
use prost::Message;

use super::support::register;
use crate::harness::server::TestServer;

/// What clients take by default.
const CLIENTS_TAKE: usize = 4 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_connections_with_long_certificates_is_cut_and_goes_on() {
    const COUNT: usize = 45;
    let server = TestServer::start().await;
    let client = server.client();
    let pem = rcgen::generate_simple_self_signed(vec!["db.internal".to_owned()]).unwrap().cert.pem();
    let long = format!("{}\n{pem}", "x".repeat(64_000 - pem.len()));
    for number in 0..COUNT {
        let connection = v1::Connection {
            display_name: format!("Number {}", number % 7),
            engine: v1::Engine::Postgresql.into(),
            host: "db.internal".to_owned(),
            database: "shop".to_owned(),
            username: "keeper".to_owned(),
            tls: Some(v1::TlsSettings {
                mode: v1::TlsMode::VerifyFull.into(),
                ca_pem: long.clone(),
                client_cert_pem: long.clone(),
                ..Default::default()
            }),
            ..Default::default()
        };
        register(&client, &format!("c{number}"), connection).await;
    }
    for order_by in ["", "display_name desc"] {
        let mut request =
            v1::ListConnectionsRequest { page_size: 1000, order_by: order_by.to_owned(), ..Default::default() };
        let (mut found, mut pages) = (Vec::new(), 0);
        loop {
            let page = client.connections().list_connections(request.clone()).await.unwrap().into_inner();
            assert!(page.encoded_len() < CLIENTS_TAKE, "{} bytes", page.encoded_len());
            assert_eq!(page.total_size as usize, COUNT);
            pages += 1;
            found.extend(page.connections.into_iter().map(|connection| connection.name));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        assert!(pages > 1, "all of it came in one page");
        assert_eq!(found.len(), COUNT);
        assert_eq!(found.iter().collect::<HashSet<_>>().len(), COUNT, "an entry came twice");
    }
}
