//! ListPoolStats: open pools of the account in pages, by filter, with sums and caps.

use dbkeeper::grpc::{client::Client, proto::v1};
use tonic::{Code, Status};

use crate::harness::{server::TestServer, sqlite::SqliteFolder};

async fn list(client: &Client, request: v1::ListPoolStatsRequest) -> Result<v1::ListPoolStatsResponse, Status> {
    client.connections().list_pool_stats(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn open_pools_are_listed_in_pages_with_their_sums_and_the_caps() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_with(|config| {
        config.sqlite.root = folder.root().to_owned();
        config.pools.max_connections = 30;
        config.pools.max_connections_per_account = 20;
    })
    .await;
    let client = server.client();
    for id in ["first", "second", "third", "unused"] {
        let connection = v1::Connection {
            display_name: id.to_owned(),
            engine: v1::Engine::Sqlite.into(),
            database: folder.create_database(),
            pool: Some(v1::PoolSettings { max_connections: 7, ..Default::default() }),
            ..Default::default()
        };
        let request = v1::CreateConnectionRequest {
            connection_id: id.to_owned(),
            connection: Some(connection),
            ..Default::default()
        };
        client.connections().create_connection(request).await.unwrap();
        if id != "unused" {
            let request = v1::GetDatabaseRequest { connection: format!("connections/{id}"), ..Default::default() };
            client.schemas().get_database(request).await.unwrap();
        }
    }
    let mut names = Vec::new();
    let mut page_token = String::new();
    loop {
        let page =
            list(&client, v1::ListPoolStatsRequest { page_size: 2, page_token, ..Default::default() }).await.unwrap();
        assert_eq!(page.total_size, 3);
        let totals = page.totals.unwrap();
        assert_eq!((totals.pools, totals.size, totals.idle, totals.in_use, totals.waiting), (3, 3, 3, 0, 0));
        assert_eq!((totals.max_connections, totals.server_max_connections), (20, 30));
        for pool in page.pools {
            assert!(pool.open && pool.max_connections == 7 && pool.size == 1 && pool.acquired > 0, "{pool:?}");
            names.push(pool.connection);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(names, ["connections/first", "connections/second", "connections/third"]);

    let filter = "name : \"sec\"".to_owned();
    let found = list(&client, v1::ListPoolStatsRequest { filter, ..Default::default() }).await.unwrap();
    assert_eq!((found.pools.len(), found.total_size, found.totals.unwrap().pools), (1, 1, 3));
    let filter = "colour = \"red\"".to_owned();
    let refused = list(&client, v1::ListPoolStatsRequest { filter, ..Default::default() }).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let refused = list(&client, v1::ListPoolStatsRequest { page_size: -1, ..Default::default() }).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);

    let stranger = server.client_with(&server.second_account().await);
    let nothing = list(&stranger, v1::ListPoolStatsRequest::default()).await.unwrap();
    assert_eq!((nothing.pools.len(), nothing.totals.unwrap().size), (0, 0));
}
