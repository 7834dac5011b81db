use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::model::Permission;
use crate::vault::{MasterKeys, Vault};

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
