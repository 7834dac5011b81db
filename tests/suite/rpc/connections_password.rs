//! A stored password goes only where it was given for.

use dbkeeper::grpc::{client::Client, proto::v1};
use tonic::{Code, Status};

use super::{
    answer::{assert_field, assert_refused},
    support::register,
};
use crate::harness::server::TestServer;

const PASSWORD: &str = "stored-1";

async fn change(client: &Client, connection: v1::Connection, path: &str) -> Result<v1::Connection, Status> {
    let mask = prost_types::FieldMask { paths: vec![path.to_owned()] };
    let request =
        v1::UpdateConnectionRequest { connection: Some(connection), update_mask: Some(mask), validate_only: true };
    client.connections().update_connection(request).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_where_it_goes_asks_for_it_again() {
    let pem = |name: &str| {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    };
    let (old, new) = (pem("old"), pem("new"));
    let tls = v1::TlsSettings {
        mode: v1::TlsMode::VerifyFull.into(),
        ca_pem: old.0.clone(),
        client_cert_pem: old.0,
        client_key_pem: old.1,
        ..Default::default()
    };
    let connection = v1::Connection {
        display_name: "Shop".to_owned(),
        engine: v1::Engine::Postgresql.into(),
        host: "db.internal".to_owned(),
        port: 5432,
        database: "shop".to_owned(),
        username: "keeper".to_owned(),
        password: PASSWORD.to_owned(),
        tls: Some(tls.clone()),
        ..Default::default()
    };
    let server = TestServer::start().await;
    let client = server.client();
    let made = register(&client, "shop", connection).await;
    let with_tls = |tls: v1::TlsSettings| v1::Connection { tls: Some(tls), ..made.clone() };
    let seen = made.tls.clone().unwrap();
    let moves = [
        ("host", v1::Connection { host: "db.elsewhere".to_owned(), ..made.clone() }),
        ("port", v1::Connection { port: 5433, ..made.clone() }),
        ("username", v1::Connection { username: "other".to_owned(), ..made.clone() }),
        ("tls.mode", with_tls(v1::TlsSettings { mode: v1::TlsMode::VerifyCa.into(), ..seen.clone() })),
        ("tls.ca_pem", with_tls(v1::TlsSettings { ca_pem: new.0.clone(), ..seen.clone() })),
        ("tls.client_cert_pem", with_tls(v1::TlsSettings { client_cert_pem: new.0, ..seen.clone() })),
        ("tls.client_key_pem", with_tls(v1::TlsSettings { client_key_pem: new.1, ..seen.clone() })),
    ];
    for (path, moved) in moves {
        let error = change(&client, moved.clone(), path).await.expect_err(path);
        assert_refused(&error, Code::InvalidArgument, "INVALID_FIELD");
        assert_field(&error, "connection.password", &format!("when {path} changes"));
        let with_password = v1::Connection { password: PASSWORD.to_owned(), ..moved };
        let mask = prost_types::FieldMask { paths: vec![path.to_owned(), "password".to_owned()] };
        let request = v1::UpdateConnectionRequest {
            connection: Some(with_password),
            update_mask: Some(mask),
            validate_only: true,
        };
        client.connections().update_connection(request).await.expect(path);
    }
    // What is given again as it is goes nowhere else, and neither does a name.
    for path in ["host", "port", "username", "tls.mode", "tls.ca_pem", "tls.client_cert_pem", "display_name", "*"] {
        change(&client, made.clone(), path).await.expect(path);
    }
}
