//! Who is let in, on every RPC of the contract: the list comes from the descriptors, and so does what each demands.

use std::{collections::BTreeMap, time::Duration};

use dbkeeper::{
    grpc::{
        options::MethodPolicies,
        proto::v1::{self, Role},
    },
    model::Permission,
};
use secrecy::{ExposeSecret, SecretString};
use tonic::{Code, transport::Channel};

use super::{
    answer::assert_refused,
    support::{issue, key_of, make_account, until, viewer},
    wire::{begin, methods, short_name},
};
use crate::harness::server::TestServer;

/// No message of the contract begins like this, so a call that is let in ends as MESSAGE_INVALID and does nothing.
const UNREADABLE: [u8; 1] = [0xff];

async fn channel(server: &TestServer) -> Channel {
    Channel::from_shared(server.url()).unwrap().connect().await.unwrap()
}

/// A key that was good and has ended.
async fn ended_keys(server: &TestServer) -> (SecretString, SecretString) {
    let client = server.client();
    let soon = std::time::SystemTime::now() + Duration::from_secs(3);
    let key = v1::ApiKey { expire_time: Some(soon.into()), ..key_of(Role::Admin, true) };
    let (name, expired) = issue(&client, "accounts/default", key).await;
    until(async || {
        let key = client.access().get_api_key(v1::GetApiKeyRequest { name: name.clone() }).await.unwrap().into_inner();
        key.state() == v1::ApiKeyState::Expired
    })
    .await;
    let (name, revoked) = issue(&client, "accounts/default", key_of(Role::Admin, true)).await;
    let own = server.client_with(&revoked);
    own.access().who_am_i(v1::WhoAmIRequest {}).await.expect("the key is good before it is revoked");
    client.access().revoke_api_key(v1::RevokeApiKeyRequest { name, ..Default::default() }).await.unwrap();
    (expired, revoked)
}

/// Keys that look like keys and are none: form, checksum, unknown id, another secret.
fn forged_keys(good: &SecretString) -> Vec<SecretString> {
    let good = good.expose_secret();
    let with_checksum = |body: &str| SecretString::from(format!("{body}_{:08x}", crc32fast::hash(body.as_bytes())));
    let id = good.split('_').nth(1).expect("a key has an id");
    let last = if good.ends_with('0') { '1' } else { '0' };
    vec![
        "not-a-key".into(),
        format!("{}{last}", &good[..good.len() - 1]).into(),
        with_checksum(&format!("dbk_{}_{}", "0".repeat(16), "0".repeat(64))),
        with_checksum(&format!("dbk_{id}_{}", "0".repeat(64))),
        with_checksum(&format!("dbk_{id}_{}", "0".repeat(63))),
        with_checksum(&format!("xyz_{id}_{}", "0".repeat(64))),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rpc_refuses_who_is_not_known() {
    let server = TestServer::start().await;
    let channel = channel(&server).await;
    let (expired, revoked) = ended_keys(&server).await;
    let mut bad = forged_keys(&server.admin_key());
    bad.extend([expired, revoked]);
    let methods = methods();
    assert!(methods.len() > 40, "the contract was not read");
    for method in &methods {
        let name = short_name(method);
        let error = begin(&channel, method, None, UNREADABLE.to_vec()).await.expect_err(&name);
        assert_refused(&error, Code::Unauthenticated, "CREDENTIALS_MISSING");
        assert!(error.message().contains("authorization"), "{name}: {}", error.message());
        let mut texts = Vec::new();
        for key in &bad {
            let error = begin(&channel, method, Some(key), UNREADABLE.to_vec()).await.expect_err(&name);
            assert_refused(&error, Code::Unauthenticated, "API_KEY_INVALID");
            texts.push(error.message().to_owned());
        }
        assert!(texts[0].contains("admin.key"), "{name}: {}", texts[0]);
        texts.dedup();
        assert_eq!(texts.len(), 1, "{name} tells one bad key from another");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rpc_is_open_to_those_who_hold_its_permission_and_to_nobody_else() {
    use Permission::{Admin, Operate, Read, Restore, System};
    let server = TestServer::start().await;
    let client = server.client();
    make_account(&client, "tenant").await;
    let scoped = v1::ApiKey { scopes: vec![v1::Permission::Read.into()], ..key_of(Role::Admin, true) };
    let mut callers: Vec<(&str, SecretString, &[Permission])> = Vec::new();
    for (name, parent, key, held) in [
        ("viewer", "accounts/tenant", viewer("v"), &[Read][..]),
        ("operator", "accounts/tenant", key_of(Role::Operator, false), &[Read, Operate]),
        ("admin of an account", "accounts/tenant", key_of(Role::Admin, false), &[Read, Operate, Admin]),
        ("viewer who restores", "accounts/tenant", key_of(Role::Viewer, true), &[Read, Restore]),
        ("operator of the default account", "accounts/default", key_of(Role::Operator, false), &[Read, Operate]),
        ("admin of the server", "accounts/default", key_of(Role::Admin, false), &[Read, Operate, Admin, System]),
        ("admin narrowed to looking", "accounts/default", scoped, &[Read]),
    ] {
        callers.push((name, issue(&client, parent, key).await.1, held));
    }
    let (channel, policies) = (channel(&server).await, MethodPolicies::of_contract().unwrap());
    let mut demanded = BTreeMap::new();
    for method in &methods() {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let demands = policies.get(&path).expect("every method has a policy").permission;
        *demanded.entry(demands.as_str()).or_insert(0) += 1;
        for (name, key, held) in &callers {
            let what = format!("{} by {name}", short_name(method));
            let answer = begin(&channel, method, Some(key), UNREADABLE.to_vec()).await;
            let error = match answer {
                Ok(mut messages) => messages.message().await.expect_err(&what),
                Err(error) => error,
            };
            if held.contains(&demands) {
                assert_eq!(error.code(), Code::InvalidArgument, "{what}: {error:?}");
            } else {
                assert_refused(&error, Code::PermissionDenied, "PERMISSION_MISSING");
                assert!(error.message().contains(demands.as_str()), "{what}: {error:?}");
            }
        }
    }
    assert_eq!(demanded.len(), Permission::ALL.len(), "a permission that no method demands: {demanded:?}");
}
