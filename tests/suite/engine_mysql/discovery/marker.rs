//! The change marker, on a server of its own: it counts what others do as well.

use dbkeeper::engine::Engine;

use super::*;
use crate::harness::server::in_time;

#[tokio::test]
async fn the_marker_changes_with_definitions_and_while_one_runs() {
    let server = MariadbServer::with_settings(&[]);
    let name = server.create_database();
    let database = engine().open(server.target(&name)).await.unwrap();
    let marker = async || database.require_inspect().unwrap().change_marker().await.unwrap().unwrap();
    let first = marker().await;
    server.sql(&name, "CREATE TEMPORARY TABLE passing (id INT); SELECT 1");
    assert_eq!(marker().await, first, "reading and temporary tables change nothing");
    server.sql(&name, "CREATE TABLE t (id INT)");
    let second = marker().await;
    assert_ne!(second, first);
    for sql in [
        "ALTER TABLE t ADD x INT",
        "CREATE INDEX i ON t (x)",
        "GRANT SELECT ON t TO keeper",
        "CREATE VIEW v AS SELECT x FROM t",
        "RENAME TABLE t TO t2",
        "DROP TABLE t2",
    ] {
        let before = marker().await;
        server.sql(&name, sql);
        assert_ne!(marker().await, before, "{sql}");
    }

    let mut running = std::process::Command::new("mariadb")
        .args([
            "--no-defaults",
            "--user=root",
            "--database",
            &name,
            "--execute",
            "CREATE TABLE held AS SELECT SLEEP(600) AS x",
        ])
        .arg("--socket")
        .arg(server.socket())
        .spawn()
        .unwrap();
    let count = "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'CREATE TABLE held%'";
    in_time(async {
        while server.sql(&name, count).is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
    let under_way = [marker().await, marker().await];
    assert_ne!(under_way[0], under_way[1], "what is read meanwhile may be old soon");
    server.sql(&name, &format!("KILL {}", server.sql(&name, count)));
    let _ = running.wait();
    assert!(!under_way.contains(&marker().await));
}
