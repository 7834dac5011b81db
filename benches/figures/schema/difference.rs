//! DiffSchemas of two databases with 1,000 tables each, without the time that their discovery takes: what it makes of that counts.

use std::time::{Duration, Instant};

use dbkeeper::grpc::proto::v1::{self, schema_source::Source, stream_tables_response::Event};

use crate::{
    harness::postgres::PostgresServer,
    report::{Figure, Target, Times, seconds},
    server::Server,
};

const TABLES: i64 = 1_000;
const ROUNDS: usize = 5;

/// One table in ten has a column more, one in twenty lacks its index, and one in a hundred has another type.
const CHANGES: &str = "
DO $$ BEGIN
    FOR i IN 1..1000 LOOP
        IF i % 10 = 0 THEN EXECUTE format('ALTER TABLE table_%s ADD COLUMN extra integer', i); END IF;
        IF i % 20 = 0 THEN EXECUTE format('DROP INDEX table_%s_owner_id_idx', i); END IF;
        IF i % 100 = 0 THEN EXECUTE format('ALTER TABLE table_%s ALTER COLUMN name TYPE text', i); END IF;
    END LOOP;
END $$;
";
const CHANGE_COUNT: usize = 160;

pub(super) async fn measure() -> Figure {
    let postgres = PostgresServer::shared();
    let (before, after) = (super::filled(postgres, TABLES), super::filled(postgres, TABLES));
    postgres.psql(&after, CHANGES);
    let server = Server::start().await;
    server.register("before", &before).await;
    server.register("after", &after).await;
    let (mut both, mut reading) = (Times::default(), Times::default());
    for _ in 0..ROUNDS {
        reading.push(discover(&server, "before").await + discover(&server, "after").await);
        both.push(compare(&server).await);
    }
    println!("  two schemas of {TABLES} tables");
    both.print("DiffSchemas");
    reading.print("StreamTables and ListSchemaObjects of both");
    let beside = both.best().saturating_sub(reading.best());
    Figure {
        name: "DiffSchemas, 1,000 tables, beside discovery",
        subject: seconds(both.best()),
        peer: seconds(reading.best()),
        value: beside.as_secs_f64(),
        unit: " s",
        target: Target::Under(1.0),
    }
}

fn side(id: &str) -> Option<v1::SchemaSource> {
    let connection = format!("connections/{id}");
    Some(v1::SchemaSource {
        source: Some(Source::Connection(v1::ConnectionSource { connection, ..Default::default() })),
    })
}

/// Discovery alone: every table in full, and what is no table.
async fn discover(server: &Server, id: &str) -> Duration {
    let (client, connection) = (server.client(), format!("connections/{id}"));
    let began = Instant::now();
    let request = v1::StreamTablesRequest { connection: connection.clone(), ..Default::default() };
    let mut stream = client.schemas().stream_tables(request).await.expect("a stream of tables").into_inner();
    let mut tables = 0;
    while let Some(message) = stream.message().await.expect("the next table") {
        tables += i64::from(matches!(message.event, Some(Event::Table(_))));
    }
    assert_eq!(tables, TABLES);
    let mut request = v1::ListSchemaObjectsRequest { connection, page_size: 1000, ..Default::default() };
    loop {
        let page = client.schemas().list_schema_objects(request.clone()).await.expect("a page of objects").into_inner();
        if page.next_page_token.is_empty() {
            return began.elapsed();
        }
        request.page_token = page.next_page_token;
    }
}

async fn compare(server: &Server) -> Duration {
    let client = server.client();
    let began = Instant::now();
    let request = v1::DiffSchemasRequest { source: side("before"), target: side("after"), ..Default::default() };
    let answer = client.schemas().diff_schemas(request).await.expect("the schemas are compared").into_inner();
    assert_eq!(answer.changes.len(), CHANGE_COUNT);
    began.elapsed()
}
