//! What of the schema does not show in the main job: one table in full, and names that are not there.

use dbkeeper::grpc::proto::v1;
use tonic::Code;

use super::{
    answer::{assert_field, assert_refused, assert_says},
    support::{on_every_engine, register_sample},
};
use crate::{conformance::Fixture, harness::server::TestServer};

on_every_engine!(a_table_is_shown_in_full_and_an_absent_one_is_told);

async fn a_table_is_shown_in_full_and_an_absent_one_is_told(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    let database = register_sample(&client, fixture, "shop").await;
    let get = |table: &str| v1::GetTableRequest {
        connection: "connections/shop".to_owned(),
        schema: fixture.schema(&database),
        table: table.to_owned(),
    };
    let orders = client.schemas().get_table(get("orders")).await.unwrap().into_inner();
    assert_eq!(orders.primary_key.unwrap().columns, ["id"]);
    assert_eq!(orders.foreign_keys[0].referenced_table, "customers");
    assert!(orders.checks.iter().any(|check| check.name == "orders_total_positive"), "{:?}", orders.checks);
    assert!(orders.indexes.iter().any(|index| index.name == "orders_by_customer"), "{:?}", orders.indexes);

    let error = client.schemas().get_table(get("no_such_table")).await.unwrap_err();
    assert_refused(&error, Code::NotFound, "TABLE_NOT_FOUND");
    assert_says(&error, "no_such_table");
    let list = |page_size, page_token: &str| v1::ListTablesRequest {
        connection: "connections/shop".to_owned(),
        page_size,
        page_token: page_token.to_owned(),
        ..Default::default()
    };
    let error = client.schemas().list_tables(list(-1, "")).await.unwrap_err();
    assert_field(&error, "page_size", "must not be negative");
    let error = client.schemas().list_tables(list(0, "Zm9yZ2Vk")).await.unwrap_err();
    assert_refused(&error, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    let counted = v1::GetDatabaseRequest { connection: "connections/shop".to_owned() };
    let counted = client.schemas().get_database(counted).await.unwrap().into_inner();
    assert!(counted.table_count >= 19 && counted.view_count > 0, "{counted:?}");
}
