//! The MySQL and MariaDB engine against a real server.

use crate::harness::mariadb::MariadbServer;

#[test]
fn the_servers_of_the_harness_answer() {
    for server in [MariadbServer::shared(), MariadbServer::with_tls()] {
        let database = server.create_database();
        assert_eq!(server.sql(&database, "SELECT DATABASE()"), database);
    }
}
