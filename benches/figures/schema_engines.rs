//! StreamTables over 5,000 tables of MariaDB and 2,000 of SQLite, against the bare catalog queries.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use dbkeeper::grpc::proto::v1::{self, stream_tables_response::Event};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{
    harness::mariadb::MariadbServer,
    report::{Figure, Target, Times},
    server::Server,
};

const ROUNDS: usize = 5;
const MARIADB_TABLES: usize = 5_000;
const SQLITE_TABLES: usize = 2_000;

/// What a table of these has to be asked for, each query once for the whole database.
const INFORMATION_SCHEMA: &str = "
SELECT * FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE();
SELECT * FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE();
SELECT * FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE();
SELECT * FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = DATABASE();
SELECT * FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE();
SELECT * FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE();
SELECT * FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE();
SELECT * FROM information_schema.TABLE_PRIVILEGES WHERE TABLE_SCHEMA = DATABASE();
SELECT * FROM information_schema.COLUMN_PRIVILEGES WHERE TABLE_SCHEMA = DATABASE();
";
/// The pragmas that tell of columns, indexes and foreign keys, each once for the whole file, and the texts of the definitions.
const PRAGMAS: [&str; 4] = [
    "SELECT l.name, c.* FROM pragma_table_list AS l JOIN pragma_table_xinfo(l.name) AS c WHERE l.schema = 'main'",
    "SELECT l.name, i.*, x.* FROM pragma_table_list AS l JOIN pragma_index_list(l.name) AS i
     JOIN pragma_index_xinfo(i.name) AS x WHERE l.schema = 'main'",
    "SELECT l.name, f.* FROM pragma_table_list AS l JOIN pragma_foreign_key_list(l.name) AS f WHERE l.schema = 'main'",
    "SELECT type, name, tbl_name, sql FROM sqlite_schema",
];

pub(crate) async fn measure() -> Vec<Figure> {
    vec![mariadb().await, sqlite().await]
}

/// Six columns, a primary key and an index a table.
fn tables(count: usize, key: &str) -> String {
    let mut script = String::new();
    for number in 1..=count {
        writeln!(
            script,
            "CREATE TABLE table_{number} (id {key}, owner_id bigint NOT NULL, name varchar(80) NOT NULL,
                 amount numeric(12,2), note text, created timestamp NOT NULL DEFAULT current_timestamp);
             CREATE INDEX table_{number}_owner ON table_{number} (owner_id);"
        )
        .expect("a string takes text");
    }
    script
}

async fn mariadb() -> Figure {
    let mariadb = MariadbServer::shared();
    let database = mariadb.create_database();
    mariadb.load(&database, tables(MARIADB_TABLES, "bigint PRIMARY KEY").as_bytes());
    let server = Server::start().await;
    let settings = mariadb.settings(&database);
    let connection = v1::Connection {
        display_name: "wide".to_owned(),
        engine: v1::Engine::Mysql.into(),
        host: settings.host,
        port: settings.port.into(),
        database,
        username: settings.username,
        password: mariadb.password().to_owned(),
        tls: Some(v1::TlsSettings { mode: v1::TlsMode::Disabled.into(), ..Default::default() }),
        ..Default::default()
    };
    let database = server.register_connection("wide", connection).await.database;
    let (mut subject, mut queries) = (Times::default(), Times::default());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        mariadb.load(&database, INFORMATION_SCHEMA.as_bytes());
        queries.push(began.elapsed());
        subject.push(stream(&server, MARIADB_TABLES).await);
    }
    println!("  {MARIADB_TABLES} tables of MariaDB");
    subject.print("dbkeeper");
    queries.print("its views by mariadb");
    let target = Target::AtMost(1.5);
    Figure::of_times("StreamTables, MariaDB, time of mariadb", subject.best(), queries.best(), target)
}

async fn sqlite() -> Figure {
    let server = Server::start().await;
    let folder = server.data_directory().join("sqlite/default");
    std::fs::create_dir_all(&folder).expect("a folder of the account");
    let options = SqliteConnectOptions::new().filename(folder.join("wide.db")).create_if_missing(true);
    let mut file = options.connect().await.expect("a new file");
    let script = format!("BEGIN; {} COMMIT;", tables(SQLITE_TABLES, "INTEGER PRIMARY KEY"));
    file.execute(sqlx::raw_sql(AssertSqlSafe(script))).await.expect("the file is filled");
    let connection = v1::Connection {
        display_name: "wide".to_owned(),
        engine: v1::Engine::Sqlite.into(),
        database: "wide.db".to_owned(),
        ..Default::default()
    };
    server.register_connection("wide", connection).await;
    let (mut subject, mut pragmas) = (Times::default(), Times::default());
    for _ in 0..ROUNDS {
        pragmas.push(ask(&mut file).await);
        subject.push(stream(&server, SQLITE_TABLES).await);
    }
    println!("  {SQLITE_TABLES} tables of SQLite");
    subject.print("dbkeeper");
    pragmas.print("its pragmas by the driver");
    file.close().await.expect("the file closes");
    let target = Target::AtMost(2.0);
    Figure::of_times("StreamTables, SQLite, time of the pragmas", subject.best(), pragmas.best(), target)
}

async fn ask(file: &mut SqliteConnection) -> Duration {
    let began = Instant::now();
    for pragma in PRAGMAS {
        let rows = sqlx::query(pragma).fetch_all(&mut *file).await.expect("the file is read");
        assert!(rows.first().is_none_or(|row| !row.is_empty()));
    }
    began.elapsed()
}

async fn stream(server: &Server, tables: usize) -> Duration {
    let client = server.client();
    let began = Instant::now();
    let request = v1::StreamTablesRequest { connection: "connections/wide".to_owned(), ..Default::default() };
    let mut stream = client.schemas().stream_tables(request).await.expect("the stream begins").into_inner();
    let mut read = 0;
    while let Some(message) = stream.message().await.expect("the stream goes on") {
        if let Some(Event::Table(table)) = message.event {
            assert_eq!(table.columns.len(), 6, "{} is not whole", table.name);
            read += 1;
        }
    }
    assert_eq!(read, tables, "the stream is not whole");
    began.elapsed()
}
