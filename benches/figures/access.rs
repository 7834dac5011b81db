//! What it costs to know who calls: an API key, and a token that was seen before, against the bare digest of each.

use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dbkeeper::{
    model::{AccountId, Grant, Role},
    service::{
        access::{
            AccessService, OtherWays,
            token::{KeySource, Mapping, TokenRules, Tokens},
        },
        vault,
    },
    store::Store,
    vault::KeySource as MasterKey,
};
use ring::{
    hmac,
    signature::{Ed25519KeyPair, KeyPair},
};
use secrecy::ExposeSecret;
use serde_json::json;
use tokio_util::task::TaskTracker;

use crate::report::{Figure, Target};

const ROUNDS: usize = 6;
const CALLS: u32 = 20_000;
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Seconds since the epoch at which the token ends, far from now.
const LATER: u64 = 4_000_000_000;

pub(crate) async fn measure() -> Vec<Figure> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (token, keys) = token_and_keys();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, keys).expect("the keys can be written");
    let access = access(folder.path(), KeySource::File(file)).await;
    let account = AccountId::parse("default", "account").expect("an id");
    let key = access.create_key(account, "bench", Grant::ALL).await.expect("a key");
    let pepper = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    let (mut by_key, mut by_token, mut digest) = (Duration::MAX, Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for _ in 0..CALLS {
            black_box(hmac::sign(&pepper, black_box(&[1; 32])));
        }
        digest = digest.min(began.elapsed() / CALLS);
        by_key = by_key.min(authenticate(&access, key.expose_secret()).await);
        by_token = by_token.min(authenticate(&access, &token).await);
    }
    println!("  one HMAC-SHA-256 takes {:.2} us", micros(digest));
    let figure = |name, time: Duration| Figure {
        name,
        subject: format!("{:.2} us", micros(time)),
        peer: format!("{:.2} us", micros(digest)),
        value: micros(time),
        unit: " us",
        target: Target::Under(15.0),
    };
    vec![figure("Authentication by API key, a call", by_key), figure("Authentication by token, a call", by_token)]
}

async fn authenticate(access: &AccessService, bearer: &str) -> Duration {
    access.authenticate(bearer, HERE).await.expect("the credentials are good");
    let began = Instant::now();
    for _ in 0..CALLS {
        black_box(access.authenticate(black_box(bearer), HERE).await.expect("the credentials are good"));
    }
    began.elapsed() / CALLS
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

async fn access(folder: &Path, source: KeySource) -> AccessService {
    let store = Store::open(&folder.join("store.db")).await.expect("a store");
    let opened = vault::open(&store, &MasterKey::File(folder.join("master.key"))).await.expect("a vault");
    let vault = opened.expect("a new key");
    let sealed = vault.generate_server_key("pepper").expect("a key");
    let pepper = vault.open_server_key("pepper", &sealed).expect("the key opens").into();
    let mapping = Mapping {
        account_claim: None,
        account: AccountId::parse("default", "account").expect("an id"),
        role_claim: "role".to_owned(),
        roles: vec![("admin".to_owned(), Grant { role: Role::Admin, restore: false })],
    };
    let rules = TokenRules {
        source,
        issuer: "https://id.example".to_owned(),
        audience: "dbkeeper".to_owned(),
        leeway: Duration::ZERO,
        mapping,
    };
    let tokens = Some(Tokens::new(rules, TaskTracker::new()));
    AccessService::new(store, pepper).with_other_ways(OtherWays { tokens, certificates: Vec::new() })
}

/// A token of a new key, and the JWK set that the key is in.
fn token_and_keys() -> (String, String) {
    let document = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).expect("a key");
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("our own key");
    let claims = json!({"iss": "https://id.example", "aud": "dbkeeper", "sub": "bench", "exp": LATER, "role": "admin"});
    let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", encode(json!({"alg": "EdDSA"}).to_string()), encode(claims.to_string()));
    let signature = URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes()));
    let x = URL_SAFE_NO_PAD.encode(pair.public_key());
    let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x}]}).to_string();
    (format!("{signed}.{signature}"), keys)
}
