//! The postgres engine against a real server.

use crate::harness::postgres::PostgresServer;

#[test]
fn the_servers_of_the_harness_answer() {
    for server in [PostgresServer::shared(), PostgresServer::with_tls()] {
        let database = server.create_database();
        assert_eq!(server.psql(&database, "SELECT current_database()"), database);
    }
}
