//! Databases of PostgreSQL.

use dbkeeper::grpc::proto::v1;
use tonic::Code;

use super::{ddl, object, of, of_object, of_table, rebuild, texts};
use crate::{
    conformance::postgres::PostgresFixture,
    harness::{
        postgres::PostgresServer,
        server::{TestServer, in_time},
    },
    rpc::{
        answer::assert_refused,
        support::{register, settings, until},
    },
};

/// What pg_dump writes of the definitions of a database, without what differs from call to call.
fn pg_dump(database: &str) -> String {
    let mut pg_dump = PostgresServer::shared().client("pg_dump", database);
    let output = pg_dump.args(["--schema-only", "--no-owner", "--no-privileges"]).output().expect("pg_dump starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let is_key = |line: &&str| line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
    text.lines().filter(|line| !is_key(line)).collect::<Vec<_>>().join("\n")
}

/// Makes a database again, lets `after` complete what cannot be written, and compares what pg_dump writes of both.
async fn rebuilt(sql: &str, skipped: &[&str], after: &str) -> Vec<v1::DdlStatement> {
    let server = TestServer::start().await;
    let database = PostgresServer::shared().create_database();
    PostgresServer::shared().psql(&database, sql);
    let (statements, copy) = Box::pin(rebuild(&server.client(), &PostgresFixture::new(), &database, skipped)).await;
    PostgresServer::shared().psql(&copy, after);
    let (source, copied) = (pg_dump(&database), pg_dump(&copy));
    let differing: Vec<_> = source.lines().zip(copied.lines()).filter(|(one, other)| one != other).take(5).collect();
    assert!(source == copied, "pg_dump writes another text: {differing:#?}");
    statements
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_is_made_again() {
    let mapping = "options of the USER MAPPING FOR PUBLIC SERVER elsewhere";
    let after = "ALTER USER MAPPING FOR PUBLIC SERVER elsewhere OPTIONS (ADD user 'u', ADD password 'hunter2')";
    let statements = rebuilt(include_str!("../../engine_postgres/everything.sql"), &[mapping], after).await;
    let all = texts(&statements).concat();
    assert!(!all.contains("hunter2"), "{all}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn circles_parts_and_hard_names_are_made_again() {
    let statements = rebuilt(include_str!("circles.sql"), &[], "").await;
    let position = |start: &str| {
        let found = statements.iter().position(|statement| statement.sql.starts_with(start));
        found.unwrap_or_else(|| panic!("no {start:?} in {:#?}", texts(&statements)))
    };
    assert!(position("CREATE VIEW public.one AS\n SELECT NULL::integer") < position("CREATE VIEW public.two"));
    assert!(position("CREATE VIEW public.two") < position("CREATE OR REPLACE VIEW public.one"));
    assert!(position("CREATE TABLE public.own") < position("CREATE FUNCTION public.is_good"));
    assert!(position("CREATE FUNCTION public.is_good") < position("ALTER TABLE public.own ADD CONSTRAINT good"));
    assert!(
        position("CREATE TABLE public.mutual") < position("ALTER TABLE ONLY public.keyed ADD CONSTRAINT to_mutual")
    );
    assert!(position("REFRESH MATERIALIZED VIEW public.z_base") < position("REFRESH MATERIALIZED VIEW public.a_over"));
}

/// A registered database with a script in it.
async fn registered(server: &TestServer, sql: &str) -> String {
    let database = PostgresServer::shared().create_database();
    PostgresServer::shared().psql(&database, sql);
    let target = crate::conformance::Fixture::target(&PostgresFixture::new(), &database);
    register(&server.client(), "shop", settings(&target)).await;
    database
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_written_is_told() {
    let server = TestServer::start().await;
    let sql = "CREATE TABLE t (a integer); INSERT INTO t VALUES (1), (1);
        CREATE TYPE mood AS ENUM ('x');
        CREATE FUNCTION less(mood, mood) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1::text < $2::text';
        CREATE OPERATOR <~ (LEFTARG = mood, RIGHTARG = mood, FUNCTION = less);
        CREATE CAST (mood AS integer) WITH INOUT;
        CREATE FUNCTION one(integer) RETURNS integer LANGUAGE sql RETURN 1;
        CREATE FUNCTION two(integer) RETURNS integer LANGUAGE sql RETURN one($1);
        CREATE OR REPLACE FUNCTION one(integer) RETURNS integer LANGUAGE sql RETURN two($1)";
    let database = registered(&server, sql).await;
    let mut psql = PostgresServer::shared().client("psql", &database);
    psql.args(["-X", "-c", "CREATE UNIQUE INDEX CONCURRENTLY broken ON t (a)"]);
    assert!(!psql.output().unwrap().status.success(), "two rows are the same");
    let (statements, summary) = ddl(&server.client(), of("connections/shop")).await.unwrap();
    let subjects: Vec<&str> = summary.skipped.iter().map(|skipped| skipped.subject.as_str()).collect();
    let expected = [
        "index public.broken",
        "cast (public.mood AS integer)",
        "operator public.<~(public.mood,public.mood)",
        "the order of public.one (integer) and public.two (integer)",
    ];
    assert_eq!(subjects, expected, "{:?}", summary.skipped);
    assert!(summary.skipped.iter().all(|skipped| !skipped.remedy.is_empty()));
    assert!(!texts(&statements).concat().contains("broken"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_object_alone_is_written() {
    let server = TestServer::start().await;
    registered(&server, include_str!("../../engine_postgres/everything.sql")).await;
    let client = server.client();
    let written = |request: v1::GetDdlRequest| async {
        let (statements, _) = ddl(&client, request).await.unwrap();
        texts(&statements).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let in_app = |object| v1::GetDdlRequest { schema: "app".to_owned(), ..of_object("connections/shop", object) };
    let domain = written(in_app(object(v1::ObjectKind::Domain, "percent"))).await;
    assert_eq!(
        domain,
        [
            "CREATE DOMAIN app.percent AS numeric(5,2) DEFAULT 0 NOT NULL CONSTRAINT percent_range CHECK (((VALUE >= (0)::numeric) AND (VALUE <= (100)::numeric)));",
            "ALTER DOMAIN app.percent ADD CONSTRAINT percent_even CHECK ((VALUE <> (13)::numeric)) NOT VALID;",
        ]
    );
    let both = written(in_app(object(v1::ObjectKind::Function, "add"))).await;
    assert_eq!(both.iter().filter(|sql| sql.starts_with("CREATE FUNCTION app.add(")).count(), 2, "{both:?}");
    let signature = Some("text, text[]".to_owned());
    let one = written(in_app(v1::DdlObject { signature, ..object(v1::ObjectKind::Function, "add") })).await;
    assert_eq!(one.iter().filter(|sql| sql.starts_with("CREATE FUNCTION")).count(), 1, "{one:?}");
    let policy = v1::DdlObject { table: "account".to_owned(), ..object(v1::ObjectKind::Policy, "own_rows") };
    assert_eq!(
        written(in_app(policy)).await,
        [
            "CREATE POLICY own_rows ON app.account AS RESTRICTIVE FOR UPDATE USING ((name = CURRENT_USER)) WITH CHECK ((amount > (1)::numeric));",
            "COMMENT ON POLICY own_rows ON app.account IS 'only ours';",
        ]
    );
    let server_alone = written(of_object("connections/shop", object(v1::ObjectKind::ForeignServer, "elsewhere"))).await;
    assert!(server_alone[0].starts_with("CREATE SERVER elsewhere TYPE 'postgresql' VERSION '15'"), "{server_alone:?}");
    let error = ddl(&client, in_app(object(v1::ObjectKind::Enum, "percent"))).await.unwrap_err();
    assert_refused(&error, Code::NotFound, "OBJECT_NOT_FOUND");

    let account = written(of_table("connections/shop", "app", "account")).await;
    let all = account.concat();
    for part in [
        "CREATE SEQUENCE app.account_number_seq",
        "OWNED BY app.account.number",
        "account_words",
        "no_delete",
        "late",
        "own_rows",
    ] {
        assert!(all.contains(part), "{part} is missing: {account:#?}");
    }
    assert!(!all.contains("OWNER TO") && !all.contains("CREATE TYPE") && !all.contains("app.tickets"), "{account:#?}");
    let schema = v1::GetDdlRequest { schema: "public".to_owned(), ..of("connections/shop") };
    let public = written(schema).await;
    assert!(public.iter().any(|sql| sql.starts_with("CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA public")));
    assert!(!public.concat().contains("app."), "{public:#?}");
    let owned = v1::GetDdlRequest { include_owners: true, ..of_table("connections/shop", "app", "pair") };
    assert!(written(owned).await.contains(&"ALTER TABLE app.pair OWNER TO postgres;".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_table_is_left_out_by_name() {
    let server = TestServer::start().await;
    let database = registered(&server, "CREATE TABLE free (a integer); CREATE TABLE held (a integer)").await;
    let client = server.client();
    let mut holder = PostgresServer::shared().client("psql", &database);
    holder.args(["-X", "-c", "BEGIN; LOCK TABLE held; SELECT pg_sleep(600)"]);
    let mut holder = holder.stdout(std::process::Stdio::null()).spawn().unwrap();
    let is_held = "SELECT count(*) FROM pg_locks WHERE relation = 'held'::regclass AND mode = 'AccessExclusiveLock'";
    until(async || PostgresServer::shared().psql(&database, is_held) == "1").await;
    let (statements, summary) = in_time(ddl(&client, of("connections/shop"))).await.unwrap();
    assert_eq!(texts(&statements), ["CREATE TABLE public.free (\n    a integer\n);"]);
    assert_eq!(summary.skipped.len(), 1);
    assert!(summary.skipped[0].subject.contains("held"), "{:?}", summary.skipped);
    let error = in_time(ddl(&client, of_table("connections/shop", "", "held"))).await.unwrap_err();
    assert_refused(&error, Code::FailedPrecondition, "LOCK_TIMEOUT");
    holder.kill().unwrap();
    holder.wait().unwrap();
}
