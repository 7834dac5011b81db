//! Databases of MariaDB.

use dbkeeper::grpc::proto::v1;

use super::{ddl, object, of, of_object, rebuild, texts};
use crate::{
    conformance::{Fixture, mariadb::MariadbFixture},
    engine_mysql::discovery::fixture,
    harness::{mariadb::MariadbServer, server::TestServer},
    rpc::support::{register, settings},
};

async fn rebuilt(database: &str, skipped: &[&str]) -> Vec<v1::DdlStatement> {
    let server = TestServer::start().await;
    Box::pin(rebuild(&server.client(), &MariadbFixture::new(), database, skipped)).await.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_is_made_again() {
    let statements = rebuilt(&fixture::create(), &[]).await;
    let all = texts(&statements).concat();
    assert!(!all.contains("AUTO_INCREMENT="), "{all}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn circles_settings_and_hard_names_are_made_again() {
    let database = MariadbServer::shared().create_database();
    let long = "x".repeat(63);
    let sql = format!(
        "CREATE TABLE `a b.c``d 'e'` (`select` INT PRIMARY KEY, `from` INT, note VARCHAR(50) DEFAULT 'a\\'b\\nc `x`.`y`' COMMENT 'two\\nlines; AUTO_INCREMENT=3');
         CREATE TABLE {long} (`group` INT PRIMARY KEY, `to` INT, CONSTRAINT `a, key` FOREIGN KEY (`to`) REFERENCES `a b.c``d 'e'` (`select`));
         ALTER TABLE `a b.c``d 'e'` ADD CONSTRAINT `back` FOREIGN KEY (`from`) REFERENCES {long} (`group`), ADD CHECK (`from` > 0);
         CREATE SEQUENCE numbers;
         CREATE TABLE numbered (id INT DEFAULT (NEXTVAL(numbers) + 1), text VARCHAR(40) DEFAULT 'nextval(`x`.`numbers`)');
         CREATE VIEW z_base AS SELECT 1 AS `one`, 'é' AS two;
         CREATE VIEW a_over AS SELECT `one`, two FROM z_base;
         CREATE VIEW id AS SELECT `group` AS over_id FROM {long};
         CREATE VIEW over_id AS SELECT over_id AS id FROM id;
         DELIMITER ;;
         SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT';;
         CREATE FUNCTION \"quo ted\"(\"a\" VARCHAR(10) CHARACTER SET utf8mb4) RETURNS VARCHAR(20) CHARACTER SET utf8mb4 RETURN \"a\" || 'é; b';;
         CREATE VIEW calls AS SELECT \"quo ted\"('x') AS y;;
         SET sql_mode = DEFAULT, NAMES latin1;;
         CREATE PROCEDURE plain() BEGIN SELECT 1; SELECT ';'; END;;
         SET NAMES utf8mb4 COLLATE utf8mb4_bin;;
         CREATE PROCEDURE `é ü`() SELECT '😀';;
         CREATE TRIGGER second BEFORE INSERT ON numbered FOR EACH ROW BEGIN SET NEW.text = ';'; END;;
         CREATE TRIGGER first BEFORE INSERT ON numbered FOR EACH ROW PRECEDES second SET NEW.text = 'DEFINER=`x`';;"
    );
    MariadbServer::shared().sql(&database, &sql);
    let statements = rebuilt(&database, &[]).await;
    let position = |start: &str| {
        let found = statements.iter().position(|statement| statement.sql.contains(start));
        found.unwrap_or_else(|| panic!("no {start:?} in {:#?}", texts(&statements)))
    };
    assert!(position("VIEW `z_base`") < position("VIEW `a_over`"));
    assert!(position("FUNCTION \"quo ted\"") < position("VIEW `calls`"));
    assert!(position("TRIGGER first") < position("TRIGGER second"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_to_another_server_is_not_told() {
    let mariadb = MariadbServer::shared();
    let database = mariadb.create_database();
    let (secret, port) = ("fetched7391", mariadb.port());
    let sql = format!(
        "INSTALL PLUGIN IF NOT EXISTS federated SONAME 'ha_federatedx';
        CREATE TABLE near (x INT) COMMENT 'the comment of near';
        CREATE OR REPLACE USER fetcher@localhost IDENTIFIED BY '{secret}', fetcher@'127.0.0.1' IDENTIFIED BY '{secret}';
        GRANT SELECT ON `{database}`.* TO fetcher@localhost, fetcher@'127.0.0.1';
        CREATE TABLE far (x INT) ENGINE = FEDERATED CONNECTION = 'mysql://fetcher:{secret}@127.0.0.1:{port}/{database}/near'
            COMMENT 'password \"commented6204\"'"
    );
    mariadb.sql(&database, &sql);
    let server = TestServer::start().await;
    let client = server.client();
    register(&client, "shop", settings(&MariadbFixture::new().target(&database))).await;
    let (statements, summary) = ddl(&client, of("connections/shop")).await.unwrap();
    let told = format!("{statements:?} {summary:?}");
    assert!(told.contains("near") && !told.contains(secret), "{told}");
    assert_eq!(summary.skipped[0].subject, format!("table {database}.far"), "{summary:?}");
    assert!(summary.skipped[0].reason.contains("login"), "{summary:?}");

    // Where SPIDER has its login, which not every server has.
    let connection = || "connections/shop".to_owned();
    let table = v1::GetTableRequest { connection: connection(), table: "far".to_owned(), ..Default::default() };
    let found = client.schemas().get_table(table).await.unwrap().into_inner();
    let tables = v1::ListTablesRequest { connection: connection(), ..Default::default() };
    let listed = client.schemas().list_tables(tables).await.unwrap().into_inner();
    let told = format!("{found:?} {listed:?}");
    assert!(told.contains("FEDERATED") && !told.contains("commented6204"), "{told}");
    assert!(told.contains("the comment of near"), "{told}");
    let kept_back = format!("comments and options of table {database}.far");
    assert!(found.skipped.iter().any(|skipped| skipped.subject == kept_back), "{:?}", found.skipped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_written_is_told_and_owners_on_demand() {
    let database = MariadbServer::shared().create_database();
    let sql = format!(
        "CREATE TABLE gone (x INT); CREATE VIEW broken AS SELECT x FROM gone; DROP TABLE gone; CREATE TABLE `here` (x INT);
        CREATE TRIGGER `{database}`.bound AFTER DELETE ON `{database}`.`here` FOR EACH ROW SET @x = 'a.b';
        CREATE FUNCTION twice(n INT) RETURNS INT RETURN n * 2; SET NAMES latin1;
        CREATE FUNCTION accented() RETURNS INT COMMENT '\u{e9}' RETURN length('\u{e9}')"
    );
    MariadbServer::shared().sql(&database, &sql);
    let server = TestServer::start().await;
    let client = server.client();
    register(&client, "shop", settings(&MariadbFixture::new().target(&database))).await;
    let (statements, summary) = ddl(&client, of("connections/shop")).await.unwrap();
    let subjects: Vec<&str> = summary.skipped.iter().map(|skipped| skipped.subject.as_str()).collect();
    assert_eq!(subjects, [format!("function {database}.accented"), format!("view {database}.broken")]);
    assert!(summary.skipped[1].reason.contains("references invalid table"), "{:?}", summary.skipped);
    assert!(!texts(&statements).concat().contains("broken"));
    let bound = "CREATE TRIGGER `bound` AFTER DELETE ON `here` FOR EACH ROW SET @x = 'a.b';";
    assert!(texts(&statements).contains(&bound), "{statements:?}");

    let twice = || of_object("connections/shop", object(v1::ObjectKind::Function, "twice"));
    let (bare, _) = ddl(&client, twice()).await.unwrap();
    assert!(texts(&bare)[1].starts_with("CREATE FUNCTION `twice`(n INT)"), "{bare:?}");
    let (owned, _) = ddl(&client, v1::GetDdlRequest { include_owners: true, ..twice() }).await.unwrap();
    assert!(texts(&owned)[1].starts_with("CREATE DEFINER=`root`@`localhost` FUNCTION `twice`"), "{owned:?}");
}
