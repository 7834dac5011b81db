//! The way back after the admin key was lost.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Output,
};

use dbkeeper::grpc::proto::v1;

use crate::harness::{
    process::{ServerProcess, binary},
    server::TestServer,
};

fn admin_key(data_directory: &Path) -> Output {
    binary().args(["admin-key", "--data-dir"]).arg(data_directory).output().expect("the binary runs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_admin_key_is_replaced_while_no_server_runs() {
    let server = TestServer::start().await;
    let first = server.admin_key();
    let stopped = server.stop().await;
    let data_directory = stopped.data_directory();
    fs::remove_file(data_directory.join("admin.key")).unwrap();

    let mut paths: Vec<PathBuf> = Vec::new();
    for _ in 0..2 {
        let output = admin_key(&data_directory);
        let (told, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{complaint}");
        let path = PathBuf::from(told.trim());
        assert_eq!(path.parent(), Some(data_directory.as_path()), "{told}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let key = fs::read_to_string(&path).unwrap();
        assert!(!told.contains(key.trim()) && !complaint.contains(key.trim()), "the key itself is not told");
        paths.push(path);
    }
    assert_eq!(paths[0].file_name().unwrap(), "admin.key");
    assert_ne!(paths[0], paths[1], "a key that lies there is not overwritten");

    let server = stopped.start().await;
    for path in &paths {
        let key = fs::read_to_string(path).unwrap().trim().to_owned().into();
        let identity = server.client_with(&key).access().who_am_i(v1::WhoAmIRequest {}).await.unwrap().into_inner();
        assert_eq!((identity.account.as_str(), identity.permissions.len()), ("accounts/default", 5));
    }
    server.client_with(&first).access().who_am_i(v1::WhoAmIRequest {}).await.expect("older keys go on");

    let request = v1::ListAuditEventsRequest { method: "MakeAdminKey".to_owned(), ..Default::default() };
    let told = server.client().access().list_audit_events(request).await.unwrap().into_inner().audit_events;
    let codes: Vec<&str> = told.iter().map(|event| event.code.as_str()).collect();
    assert_eq!(codes, ["OK"; 4], "intent and outcome of each: {told:?}");
    assert!(told.iter().all(|event| event.actor.starts_with("user/")), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_is_made_beside_a_server_or_without_a_store_or_its_master_key() {
    let server = ServerProcess::start(&[]).await;
    let data_directory = server.data_directory();
    let output = admin_key(&data_directory);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && complaint.contains("another dbkeeper holds"), "{complaint}");
    drop(server);

    let empty = tempfile::tempdir().unwrap();
    let output = admin_key(&empty.path().join("nothing"));
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && complaint.contains("no store"), "{complaint}");
    assert!(!empty.path().join("nothing").exists(), "a mistyped folder is not made");

    let stopped = TestServer::start().await.stop().await;
    let data_directory = stopped.data_directory();
    fs::remove_file(data_directory.join("admin.key")).unwrap();
    fs::rename(data_directory.join("master.key"), data_directory.join("away")).unwrap();
    let output = admin_key(&data_directory);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && complaint.contains("master key"), "{complaint}");
    assert!(!data_directory.join("admin.key").exists());
}
