//! The disk under the server's own store is full: what was acknowledged stays, nothing else comes to be, and with room again all goes on.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Write,
    path::Path,
};

use dbkeeper::grpc::{client::Client, proto::v1};
use tonic::Code;

use super::{answer::assert_refused, backups::SmallDisk, support::until};
use crate::harness::server::TestServer;

/// Most calls until the disk is full, which each take some KiB of it.
const MANY: u32 = 3000;

/// Takes all room but so many bytes.
fn fill(path: &Path, left: usize) {
    let mut file = File::create(path).unwrap();
    for size in [1 << 16, 1 << 12, 1 << 8, 1] {
        let block = vec![1_u8; size];
        while file.write_all(&block).is_ok() {}
    }
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(left as u64)).unwrap();
}

async fn create(client: &Client, id: &str) -> Result<String, tonic::Status> {
    let labels = (0..16).map(|number| (format!("label-{number}"), "x".repeat(255))).collect();
    let connection = v1::Connection {
        display_name: "Of the test".to_owned(),
        engine: v1::Engine::Sqlite.into(),
        database: "shop.db".to_owned(),
        labels,
        ..Default::default()
    };
    let request = v1::CreateConnectionRequest {
        connection_id: id.to_owned(),
        connection: Some(connection),
        ..Default::default()
    };
    client.connections().create_connection(request).await.map(|made| made.into_inner().name)
}

async fn names(client: &Client) -> BTreeSet<String> {
    let (mut names, mut request) = (BTreeSet::new(), v1::ListConnectionsRequest::default());
    loop {
        let page = client.connections().list_connections(request.clone()).await.unwrap().into_inner();
        names.extend(page.connections.into_iter().map(|connection| connection.name));
        if page.next_page_token.is_empty() {
            return names;
        }
        request.page_token = page.next_page_token;
    }
}

async fn assert_intact(client: &Client) {
    let verified = client.access().verify_audit_log(v1::VerifyAuditLogRequest::default()).await.unwrap().into_inner();
    assert!(verified.intact, "{verified:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_on_a_full_disk_keeps_what_it_has_and_goes_on_with_room() {
    let disk = SmallDisk::new("24m");
    let mut server = TestServer::start_with(|config| config.store.file = disk.path().join("store.db")).await;
    let filler = disk.path().join("filler");
    let mut acknowledged = BTreeSet::new();
    for (round, left) in [0, 4096, 5000, 20_000, 100_000].into_iter().enumerate() {
        let client = server.client();
        acknowledged.insert(create(&client, &format!("before-{round}")).await.unwrap());
        fill(&filler, left);
        let mut refused = None;
        for number in 0..MANY {
            match create(&client, &format!("full-{round}-{number}")).await {
                Ok(name) => _ = acknowledged.insert(name),
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        let error = refused.expect("the disk is full");
        // Whichever write met the end of the disk: that of the intent or that of the call.
        match error.code() {
            Code::Unavailable => assert_refused(&error, Code::Unavailable, "AUDIT_UNAVAILABLE"),
            _ => assert_refused(&error, Code::ResourceExhausted, "STORAGE_FULL"),
        }
        // What only reads is answered.
        assert_eq!(names(&client).await, acknowledged);
        fs::remove_file(&filler).unwrap();
        until(async || match create(&client, &format!("after-{round}")).await {
            Ok(name) => acknowledged.insert(name),
            Err(error) => {
                assert_eq!(error.code(), Code::Unavailable, "there is room again: {error:?}");
                false
            }
        })
        .await;
        assert_eq!(names(&client).await, acknowledged);
        assert_intact(&client).await;
        server = server.stop().await.start().await;
        assert_eq!(names(&server.client()).await, acknowledged);
        assert_intact(&server.client()).await;
    }
}
