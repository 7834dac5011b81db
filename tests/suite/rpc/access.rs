//! Who may do what: callers, accounts and keys.

use dbkeeper::grpc::proto::v1;

use crate::harness::server::TestServer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_is_told_who_it_is() {
    let server = TestServer::start().await;
    let identity = server.client().access().who_am_i(v1::WhoAmIRequest {}).await.unwrap().into_inner();
    assert_eq!(identity.account, "accounts/default");
    let id = identity.principal.strip_prefix("key/").unwrap();
    assert_eq!(identity.api_key, format!("accounts/default/apiKeys/{id}"));
    assert_eq!(identity.display_name, "made at the first start");
    assert_eq!((identity.role(), identity.method()), (v1::Role::Admin, v1::AuthenticationMethod::ApiKey));
    let held: Vec<v1::Permission> = identity.permissions().collect();
    use v1::Permission::{Admin, Operate, Read, Restore, System};
    assert_eq!(held, [Read, Operate, Admin, Restore, System]);
    assert_eq!(identity.expire_time, None);

    let stranger = server.client_with(&server.second_account().await);
    let identity = stranger.access().who_am_i(v1::WhoAmIRequest {}).await.unwrap().into_inner();
    assert_eq!(identity.account, "accounts/stranger");
    assert!(identity.permissions().all(|held| held != System), "{identity:?}");
}
