//! Files of SQLite.

use super::{ddl, of, rebuild, texts};
use crate::{
    harness::{server::TestServer, sqlite::SqliteFolder},
    rpc::support::{register, settings},
};

async fn rebuilt(sql: &str) -> Vec<String> {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let database = folder.create_database();
    folder.run(&database, sql).await;
    let (statements, _) = Box::pin(rebuild(&server.client(), &folder, &database, &[])).await;
    texts(&statements).into_iter().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_is_made_again() {
    let statements = rebuilt(include_str!("../../engine_sqlite/discovery.sql")).await;
    assert!(!statements.iter().any(|sql| sql.contains("notes_data") || sql.contains("sqlite_")), "{statements:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hard_names_and_comments_are_made_again() {
    let long = "x".repeat(63);
    let sql = format!(
        "CREATE TABLE \"a b.c\"\"d 'e' 😀\" (\"select\" INTEGER, [from] TEXT, `to` TEXT REFERENCES \"order\" (\"group\"));
         CREATE TABLE \"order\" (\"group\" TEXT PRIMARY KEY, other TEXT REFERENCES \"a b.c\"\"d 'e' 😀\" (\"select\"));
         CREATE UNIQUE INDEX \"index\" ON \"a b.c\"\"d 'e' 😀\" (\"select\");
         CREATE TABLE {long} ({long} INTEGER /* ; */ -- ; '
         );
         CREATE VIEW \"table\" AS SELECT \"select\" FROM \"a b.c\"\"d 'e' 😀\" -- the end; of it
         ;
         CREATE TRIGGER \"😀\" INSTEAD OF DELETE ON \"table\" BEGIN SELECT ';'; END"
    );
    let statements = rebuilt(&sql).await;
    let view = statements.iter().find(|sql| sql.starts_with("CREATE VIEW")).unwrap();
    assert!(view.ends_with("-- the end; of it\n;"), "{view}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_header_of_a_file_is_made_again() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let database = folder.fresh_name();
    let sql = "PRAGMA encoding = 'UTF-16le'; PRAGMA auto_vacuum = 1; CREATE TABLE t (x);
               PRAGMA application_id = 7; PRAGMA user_version = 12";
    folder.run_new(&database, sql).await;
    let client = server.client();
    register(&client, "shop", settings(&folder.target(&database))).await;
    let (statements, _) = ddl(&client, of("connections/shop")).await.unwrap();
    let copy = folder.fresh_name();
    folder.run_new(&copy, &texts(&statements).join("\n")).await;
    for (pragma, value) in
        [("encoding", "UTF-16le"), ("auto_vacuum", "1"), ("application_id", "7"), ("user_version", "12")]
    {
        let told = folder.column(&copy, &format!("SELECT CAST({pragma} AS TEXT) FROM pragma_{pragma}")).await;
        assert_eq!(told, [value], "{pragma}");
    }
}
