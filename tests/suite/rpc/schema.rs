//! What of the schema does not show in the main job: one table in full, and names that are not there.

use dbkeeper::grpc::proto::v1::{
    self, sample_value::Value, schema_object::Details, stream_tables_response::Event, table::Details as TableDetails,
};
use tonic::Code;

use super::{
    answer::{assert_field, assert_refused, assert_says},
    support::{issue, on_every_engine, register, register_sample, settings, viewer},
};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::{
        server::{TestServer, in_time},
        sqlite::SqliteFolder,
    },
};

on_every_engine!(a_table_is_shown_in_full_and_an_absent_one_is_told);

async fn a_table_is_shown_in_full_and_an_absent_one_is_told(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    let database = register_sample(&client, fixture, "shop").await;
    let get = |table: &str| v1::GetTableRequest {
        connection: "connections/shop".to_owned(),
        schema: fixture.schema(&database),
        table: table.to_owned(),
        ..Default::default()
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
    let counted = v1::GetDatabaseRequest { connection: "connections/shop".to_owned(), ..Default::default() };
    let counted = client.schemas().get_database(counted).await.unwrap().into_inner();
    assert!(counted.table_count >= 19 && counted.view_count > 0, "{counted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_cannot_be_right_are_refused_with_their_field() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    register_sample(&client, &folder, "shop").await;
    let connection = "connections/shop".to_owned();
    let list = v1::ListTablesRequest { connection: connection.clone(), ..Default::default() };
    let tables = |request| async { client.schemas().list_tables(request).await };
    let error = tables(v1::ListTablesRequest { name_pattern: "a\\".to_owned(), ..list.clone() }).await.unwrap_err();
    assert_field(&error, "name_pattern", "backslash");
    let long = v1::ListTablesRequest { name_pattern: "a".repeat(256), ..list.clone() };
    assert_field(&tables(long).await.unwrap_err(), "name_pattern", "1 to 255 characters");
    let error = tables(v1::ListTablesRequest { order_by: "bytes".to_owned(), ..list.clone() }).await.unwrap_err();
    assert_refused(&error, Code::InvalidArgument, "FILTER_INVALID");
    let two_days = Some(prost_types::Duration { seconds: 48 * 3600, nanos: 0 });
    let error = tables(v1::ListTablesRequest { max_age: two_days, ..list.clone() }).await.unwrap_err();
    assert_field(&error, "max_age", "0s to 1day");

    let first = tables(v1::ListTablesRequest { page_size: 1, ..list.clone() }).await.unwrap().into_inner();
    let next = v1::ListTablesRequest { page_size: 1, page_token: first.next_page_token, ..list };
    assert_eq!(tables(next.clone()).await.unwrap().into_inner().tables.len(), 1);
    let others = [
        v1::ListTablesRequest { order_by: "size".to_owned(), ..next.clone() },
        v1::ListTablesRequest { order_by: "name desc".to_owned(), ..next.clone() },
        v1::ListTablesRequest { name_pattern: "%".to_owned(), ..next },
    ];
    for other in others {
        let error = tables(other).await.unwrap_err();
        assert_refused(&error, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    }

    let sample = v1::SampleRowsRequest { connection, table: "orders".to_owned(), ..Default::default() };
    let wrong = [
        ("limit", "1 to 100", v1::SampleRowsRequest { limit: 101, ..sample.clone() }),
        ("limit", "1 to 100", v1::SampleRowsRequest { limit: -1, ..sample.clone() }),
        ("max_value_length", "1 to 4096", v1::SampleRowsRequest { max_value_length: 4097, ..sample.clone() }),
        ("columns", "1 to 255", v1::SampleRowsRequest { columns: vec![String::new()], ..sample.clone() }),
        ("masking", "not a value", v1::SampleRowsRequest { masking: 9, ..sample.clone() }),
    ];
    for (field, cure, request) in wrong {
        assert_field(&client.schemas().sample_rows(request).await.unwrap_err(), field, cure);
    }
    let missing = v1::SampleRowsRequest { columns: vec!["weight".to_owned()], ..sample };
    let error = client.schemas().sample_rows(missing).await.unwrap_err();
    assert_refused(&error, Code::NotFound, "COLUMN_NOT_FOUND");
    assert_says(&error, "weight");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_samples_and_old_answers_travel() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    register_sample(&client, &folder, "shop").await;
    let connection = "connections/shop".to_owned();
    let triggers = v1::ListSchemaObjectsRequest {
        connection: connection.clone(),
        kinds: vec![v1::ObjectKind::Trigger.into()],
        ..Default::default()
    };
    let listed = client.schemas().list_schema_objects(triggers).await.unwrap().into_inner();
    assert_eq!((listed.total_size, listed.objects.len()), (1, 1));
    let Some(Details::Trigger(trigger)) = &listed.objects[0].details else { panic!("{:?}", listed.objects[0]) };
    assert_eq!((trigger.timing(), trigger.level()), (v1::TriggerTiming::After, v1::TriggerLevel::Row));
    assert!(trigger.body.starts_with("INSERT INTO audit"), "{trigger:?}");

    let sample =
        v1::SampleRowsRequest { connection: connection.clone(), table: "customers".to_owned(), ..Default::default() };
    let rows = client.schemas().sample_rows(sample).await.unwrap().into_inner();
    let masked: Vec<_> = rows.columns.iter().map(|column| (column.name.as_str(), column.masked())).collect();
    let (by_name, not) = (v1::MaskReason::Name, v1::MaskReason::Unspecified);
    assert_eq!(masked, [("id", not), ("email", by_name), ("name", by_name), ("balance", not)]);
    let values = &rows.rows[0].values;
    assert_eq!(values[0].value, Some(Value::Integer(1)));
    assert!(values[1].masked && values[1].value.is_none(), "{:?}", values[1]);
    assert!(rows.discovery_time.is_some() && rows.discovery_duration.is_some());

    let max_age = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    let whole = v1::GetDatabaseRequest { connection: connection.clone(), max_age };
    let first = client.schemas().get_database(whole.clone()).await.unwrap().into_inner();
    let again = client.schemas().get_database(whole).await.unwrap().into_inner();
    assert!(!first.from_cache && again.from_cache);
    assert_eq!(again, v1::Database { from_cache: true, ..first });

    let table = v1::GetTableRequest { connection, table: "articles_text".to_owned(), ..Default::default() };
    let table = client.schemas().get_table(table).await.unwrap().into_inner();
    let Some(TableDetails::Sqlite(details)) = table.details else { panic!("{table:?}") };
    assert_eq!(details.module.unwrap().arguments, ["title", "body"]);
    let kinds: Vec<_> = details.shadow_tables.iter().map(|table| table.kind.as_str()).collect();
    assert_eq!(kinds, ["config", "content", "data", "docsize", "idx"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_only_look_gets_no_personal_data_in_clear() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    register_sample(&client, &folder, "shop").await;
    let (_, key) = issue(&client, "accounts/default", viewer("of the test")).await;
    let looking = server.client_with(&key);
    let sample = |masking: v1::Masking| v1::SampleRowsRequest {
        connection: "connections/shop".to_owned(),
        table: "customers".to_owned(),
        masking: masking.into(),
        ..Default::default()
    };
    let masked = looking.schemas().sample_rows(sample(v1::Masking::Unspecified)).await.unwrap().into_inner();
    assert!(masked.rows[0].values[1].masked, "{masked:?}");
    let error = looking.schemas().sample_rows(sample(v1::Masking::None)).await.unwrap_err();
    assert_refused(&error, Code::PermissionDenied, "PERMISSION_MISSING");
    let clear = client.schemas().sample_rows(sample(v1::Masking::None)).await.unwrap().into_inner();
    assert!(matches!(&clear.rows[0].values[1].value, Some(Value::Text(_))), "{clear:?}");
}

/// Reads the first of many tables, changes the last one from outside, and returns the columns that the stream tells of that.
async fn columns_of_the_last(server: &TestServer, fixture: &impl Fixture, first: &str) -> Vec<String> {
    let client = server.client();
    let database = fixture.create_database().await;
    fixture.run(&database, first).await;
    register(&client, "many", settings(&fixture.target(&database))).await;
    let request = v1::StreamTablesRequest { connection: "connections/many".to_owned(), ..Default::default() };
    let mut stream = client.schemas().stream_tables(request).await.unwrap().into_inner();
    let Some(Event::Table(first)) = in_time(stream.message()).await.unwrap().unwrap().event else { panic!("a table") };
    assert_eq!(first.name, "t00001");
    fixture.run(&database, "ALTER TABLE t03000 ADD COLUMN came_later integer").await;
    let mut last = Vec::new();
    while let Some(message) = in_time(stream.message()).await.unwrap() {
        match message.event.unwrap() {
            Event::Table(table) if table.name == "t03000" => last = table.columns,
            Event::Table(_) => {}
            Event::Summary(summary) => assert_eq!((summary.table_count, summary.skipped), (3_000, vec![])),
        }
    }
    // The change is there, for whoever asks now.
    let request = v1::GetTableRequest {
        connection: "connections/many".to_owned(),
        table: "t03000".to_owned(),
        ..Default::default()
    };
    let now = client.schemas().get_table(request).await.unwrap().into_inner();
    assert_eq!(now.columns.last().unwrap().name, "came_later");
    last.into_iter().map(|column| column.name).collect()
}

/// More than is read before the caller has taken the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_tables_is_of_one_moment_on_postgres() {
    let server = TestServer::start().await;
    let tables = "DO $$ BEGIN FOR i IN 1..3000 LOOP \
                  EXECUTE format('CREATE TABLE t%s (id integer, note integer)', lpad(i::text, 5, '0')); \
                  IF i % 500 = 0 THEN COMMIT; END IF; END LOOP; END $$";
    assert_eq!(columns_of_the_last(&server, &PostgresFixture::new(), tables).await, ["id", "note"]);
}

/// With a write-ahead log a file is changed while it is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_tables_is_of_one_moment_on_sqlite() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let tables: String =
        (1..=3_000).map(|number| format!("CREATE TABLE t{number:05} (id integer, note integer);\n")).collect();
    let tables = format!("PRAGMA journal_mode = WAL; BEGIN; {tables} COMMIT;");
    assert_eq!(columns_of_the_last(&server, &folder, &tables).await, ["id", "note"]);
}
