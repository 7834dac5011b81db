use std::os::unix::fs::PermissionsExt;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    token::{KeySource, Mapping, TokenRules},
    *,
};
use crate::{
    model::{Permission, RequestId},
    vault::{MasterKeys, Vault},
};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

async fn service(directory: &Path) -> AccessService {
    let store = Store::open(&directory.join("store.sqlite")).await.unwrap();
    let vault = Vault::new(&MasterKeys::generate().unwrap()).unwrap();
    let sealed = vault.generate_server_key("pepper").unwrap();
    let pepper = vault.open_server_key("pepper", &sealed).unwrap().into();
    AccessService::new(store, pepper)
}

#[tokio::test]
async fn the_admin_key_of_the_first_start_works_and_only_it() {
    let directory = tempfile::tempdir().unwrap();
    let service = service(directory.path()).await;
    service.ensure_admin_key(directory.path()).await.unwrap();
    let path = directory.path().join(ADMIN_KEY_FILE);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&path).unwrap().trim().to_owned();

    let caller = service.authenticate(&text, HERE).await.unwrap();
    assert_eq!(caller.account.as_str(), DEFAULT_ACCOUNT);
    assert!(caller.permissions.contains(Permission::Restore));

    service.ensure_admin_key(directory.path()).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap().trim(), text, "a second start makes no second key");

    for index in 0..text.len() {
        let mut wrong = text.clone().into_bytes();
        wrong[index] = if wrong[index] == b'0' { b'1' } else { b'0' };
        let wrong = String::from_utf8(wrong).unwrap();
        let error = service.authenticate(&wrong, HERE).await.unwrap_err();
        assert_eq!(error.reason(), Reason::ApiKeyInvalid, "{index}");
    }
}

#[tokio::test]
async fn a_well_formed_key_with_another_secret_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let service = service(directory.path()).await;
    service.ensure_admin_key(directory.path()).await.unwrap();
    let text = fs::read_to_string(directory.path().join(ADMIN_KEY_FILE)).unwrap();
    let id = text.split('_').nth(1).unwrap();
    let body = format!("dbk_{id}_{}", "00".repeat(32));
    let forged = format!("{body}_{:08x}", crc32fast::hash(body.as_bytes()));
    assert!(KeyText::parse(&forged).is_some(), "the forged key must be well formed for this test to mean anything");
    assert_eq!(service.authenticate(&forged, HERE).await.unwrap_err().reason(), Reason::ApiKeyInvalid);
}

fn default_account() -> AccountId {
    AccountId::parse(DEFAULT_ACCOUNT, "account").unwrap()
}

/// A new key: its id and its text.
async fn key(service: &AccessService) -> (ApiKeyId, String) {
    use secrecy::ExposeSecret;
    let text = service.create_key(default_account(), "of the test", Grant::ALL).await.unwrap();
    let text = text.expose_secret().to_owned();
    (KeyText::parse(&text).unwrap().id().clone(), text)
}

async fn revoke(service: &AccessService, id: &ApiKeyId) {
    let caller = Caller::new(default_account(), "test", AuthenticationMethod::ApiKey, Grant::ALL);
    let request_id = RequestId::generate();
    let context = CallContext { caller, request_id, deadline: None, cancellation: CancellationToken::new() };
    service.revoke(&context, &default_account(), id, None, false).await.unwrap();
}

#[tokio::test]
async fn what_was_read_before_a_revocation_lets_nobody_in_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let service = service(directory.path()).await;
    key(&service).await;
    let (id, text) = key(&service).await;
    // A call that looks the key up is as far as this when the key is revoked.
    let Err(generation) = service.cache.get(&id) else { panic!("nobody has used the key") };
    let read = service.store.stored_key(&id).await.unwrap().unwrap();
    revoke(&service, &id).await;
    assert!(service.cache.insert(generation, read).is_none(), "it has to read again");
    assert_eq!(service.authenticate(&text, HERE).await.unwrap_err().reason(), Reason::ApiKeyInvalid);
}

#[tokio::test]
async fn a_cache_that_begins_anew_still_tells_who_was_let_in() {
    let directory = tempfile::tempdir().unwrap();
    let service = service(directory.path()).await;
    let other = service.store.stored_key(&key(&service).await.0).await.unwrap().unwrap();
    let fill = |turn: u32| {
        for number in 0..10_001 {
            let mut other = other.clone();
            other.key.id = ApiKeyId::from_stored(format!("{turn}-{number}"));
            let Err(generation) = service.cache.get(&other.key.id) else { panic!("it is new") };
            service.cache.insert(generation, other);
        }
    };
    let (id, text) = key(&service).await;
    let before = service.authenticate(&text, HERE).await.unwrap();
    fill(1);
    let between = service.authenticate(&text, HERE).await.unwrap();
    fill(2);
    revoke(&service, &id).await;
    assert!(before.validity.has_ended() && between.validity.has_ended());
}

#[tokio::test]
async fn a_key_of_an_account_that_may_be_gone_is_looked_up_again() {
    use secrecy::ExposeSecret;
    let directory = tempfile::tempdir().unwrap();
    let service = service(directory.path()).await;
    let tenant = AccountId::parse("tenant", "account").unwrap();
    let text = service.create_key(tenant.clone(), "of the test", Grant::ALL).await.unwrap();
    service.authenticate(text.expose_secret(), HERE).await.unwrap();
    // As where the commit of a deletion was not heard of.
    service.store.delete_account(&tenant, None, true, false).await.unwrap();
    service.forget_account(&tenant);
    let error = service.authenticate(text.expose_secret(), HERE).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ApiKeyInvalid);
}

#[tokio::test]
async fn a_token_of_an_account_that_may_be_gone_is_checked_again() {
    let directory = tempfile::tempdir().unwrap();
    let mapping =
        Mapping { account_claim: None, account: default_account(), role_claim: "role".to_owned(), roles: Vec::new() };
    let rules = TokenRules {
        source: KeySource::File(directory.path().join("absent")),
        issuer: "https://id.example".to_owned(),
        audience: "dbkeeper".to_owned(),
        leeway: std::time::Duration::ZERO,
        mapping,
    };
    let tokens = Tokens::new(rules, TaskTracker::new());
    let caller = Caller::new(default_account(), "jwt/ada", AuthenticationMethod::Jwt, Grant::ALL);
    let expires = Some(Timestamp::now().after(std::time::Duration::from_secs(3600)));
    // Checked with the keys of the start, of which none are left.
    tokens.remember("a.good.token", 0, Caller { expires, ..caller });
    let ways = OtherWays { tokens: Some(tokens), ..OtherWays::default() };
    let service = service(directory.path()).await.with_other_ways(ways);
    service.authenticate("a.good.token", HERE).await.unwrap();
    service.forget_account(&default_account());
    service.authenticate("a.good.token", HERE).await.unwrap_err();
}
