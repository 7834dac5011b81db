//! Messages that the server does not take.

use dbkeeper::grpc::proto::v1;
use tonic::Code;

use super::{
    answer::{assert_field, assert_refused, assert_says},
    support::{file, import, migration_set},
};
use crate::harness::server::TestServer;

#[tokio::test]
async fn a_message_over_the_limit_is_refused_and_the_connection_goes_on() {
    let server = TestServer::start().await;
    let client = server.client();
    let set = migration_set(&client, "app", vec![file("1_a.sql", "SELECT 1;")]).await;
    let large = vec![file("2_b.sql", &format!("-- {}\nSELECT 1;", "x".repeat(17 * 1024 * 1024)))];
    let error = import(&client, &set, large).await.unwrap_err();
    assert_refused(&error, Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
    assert_says(&error, "send less");
    let list = v1::ListMigrationsRequest { migration_set: set, ..Default::default() };
    assert_eq!(client.migrations().list_migrations(list).await.unwrap().into_inner().migrations.len(), 1);
}

#[tokio::test]
async fn a_name_of_the_wrong_form_is_told_from_one_that_is_absent() {
    let server = TestServer::start().await;
    let client = server.client();
    for name in ["", "shop", "connections/", "connections/Shop", "connections/a/b", "operations/shop"] {
        let request = v1::GetConnectionRequest { name: name.to_owned(), ..Default::default() };
        let error = client.connections().get_connection(request).await.expect_err(name);
        assert_refused(&error, Code::InvalidArgument, "INVALID_FIELD");
        assert_field(&error, "name", "must ");
    }
    let request = v1::GetConnectionRequest { name: "connections/absent".to_owned(), ..Default::default() };
    let error = client.connections().get_connection(request).await.unwrap_err();
    assert_refused(&error, Code::NotFound, "CONNECTION_NOT_FOUND");
    assert_says(&error, "connections/absent");
}
