//! Callers with tokens of an identity provider, over the wire.

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dbkeeper::{config::Config, grpc::proto::v1};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tonic::{Code, Status};

use super::{
    answer::{assert_refused, assert_says},
    support::{end_of, make_account, until, watch},
};
use crate::harness::server::TestServer;

const ISSUER: &str = "https://id.example";

/// Modulus of the RSA key of RFC 7515, A.2, of which everybody knows the public half.
const RSA_MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR\
    T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB\
    dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia\
    GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

/// A key of the provider.
struct Signer {
    kid: &'static str,
    pair: Ed25519KeyPair,
}

impl Signer {
    fn new(kid: &'static str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
        Self { kid, pair: Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap() }
    }

    fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "alg": "EdDSA", "use": "sig", "x": x})
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_under(&json!({"alg": "EdDSA", "kid": self.kid, "typ": "JWT"}), claims)
    }

    fn sign_under(&self, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

fn set(signers: &[&Signer]) -> String {
    json!({"keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()}).to_string()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims(roles: &[&str]) -> Value {
    json!({"iss": ISSUER, "aud": ["other", "dbkeeper"], "sub": "ada", "exp": now() + 3600, "role": roles, "tenant": "default"})
}

fn configure(config: &mut Config) {
    config.access.jwt.issuer = Some(ISSUER.to_owned());
    config.access.jwt.audience = Some("dbkeeper".to_owned());
    config.access.jwt.account_claim = Some("tenant".to_owned());
    config.access.jwt.roles =
        vec!["admin=admin".to_owned(), "dev=operator".to_owned(), "dba=viewer+restore".to_owned()];
}

/// A server that reads the keys from a file.
async fn server_with(signers: &[&Signer]) -> TestServer {
    let text = set(signers);
    TestServer::start_with(|config| {
        configure(config);
        let file = config.data_dir.join("jwks.json");
        fs::write(&file, text).unwrap();
        config.access.jwt.jwks_file = Some(file);
    })
    .await
}

async fn who(server: &TestServer, token: &str) -> Result<v1::Identity, Status> {
    let client = server.client_with(&token.to_owned().into());
    client.access().who_am_i(v1::WhoAmIRequest {}).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_a_caller_of_the_account_and_role_in_its_claims() {
    use v1::Permission::{Operate, Read, Restore};
    let signer = Signer::new("one");
    let server = server_with(&[&signer]).await;
    let token = signer.sign(&claims(&["dev", "dba", "other"]));
    for _ in 0..2 {
        // The second time from memory.
        let identity = who(&server, &token).await.unwrap();
        assert_eq!((identity.account.as_str(), identity.principal.as_str()), ("accounts/default", "jwt/ada"));
        assert_eq!(identity.method(), v1::AuthenticationMethod::Jwt);
        assert_eq!(identity.permissions().collect::<Vec<_>>(), [Read, Operate, Restore]);
        assert_eq!((identity.api_key.as_str(), identity.expire_time.is_some()), ("", true));
    }
    let client = server.client_with(&token.into());
    let error = client.access().list_api_keys(v1::ListApiKeysRequest::default()).await.unwrap_err();
    assert_refused(&error, Code::PermissionDenied, "PERMISSION_MISSING");

    let mut elsewhere = claims(&["admin"]);
    elsewhere["tenant"] = json!("tenant");
    let foreign = signer.sign(&elsewhere);
    let error = who(&server, &foreign).await.unwrap_err();
    assert_refused(&error, Code::PermissionDenied, "IDENTITY_UNMAPPED");
    make_account(&server.client(), "tenant").await;
    let identity = who(&server, &foreign).await.unwrap();
    assert_eq!(identity.account, "accounts/tenant");
    assert!(identity.permissions().all(|held| held != v1::Permission::System));
    let watching = watch(&server.client_with(&foreign.clone().into())).await;
    let request = v1::DeleteAccountRequest { name: "accounts/tenant".to_owned(), ..Default::default() };
    server.client().access().delete_account(request).await.unwrap();
    assert_refused(&end_of(watching).await, Code::Unauthenticated, "CREDENTIALS_ENDED");
    let error = who(&server, &foreign).await.unwrap_err();
    assert_refused(&error, Code::PermissionDenied, "IDENTITY_UNMAPPED");

    let error = who(&server, &signer.sign(&claims(&["guest"]))).await.unwrap_err();
    assert_refused(&error, Code::PermissionDenied, "IDENTITY_UNMAPPED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_not_right_in_every_part_is_refused() {
    let (signer, other) = (Signer::new("one"), Signer::new("one"));
    let server = server_with(&[&signer]).await;
    let good = claims(&["admin"]);
    who(&server, &signer.sign(&good)).await.expect("the good one is good");
    let header = |alg: &str| json!({"alg": alg, "kid": "one"});
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        signer.sign(&claims)
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        signer.sign(&claims)
    };
    let unsigned = signer.sign_under(&header("none"), &good);
    let (unsigned, _) = unsigned.rsplit_once('.').unwrap();
    let hmac = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, signer.pair.public_key().as_ref());
    let confused = signer.sign_under(&header("HS256"), &good);
    let (confused, _) = confused.rsplit_once('.').unwrap();
    let tag = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&hmac, confused.as_bytes()));
    let jku = json!({"alg": "EdDSA", "kid": "one", "jku": "http://127.0.0.1:1/", "jwk": other.jwk()});
    for (what, token) in [
        ("alg none", format!("{unsigned}.")),
        ("alg none with a signature", signer.sign_under(&header("none"), &good)),
        ("a public key as a shared secret", format!("{confused}.{tag}")),
        ("another algorithm", signer.sign_under(&header("ES256"), &good)),
        ("another key", other.sign(&good)),
        ("a key that the token brings", other.sign_under(&jku, &good)),
        ("a kid that is not there", signer.sign_under(&json!({"alg": "EdDSA", "kid": "two"}), &good)),
        ("a demand", signer.sign_under(&json!({"alg": "EdDSA", "kid": "one", "crit": ["b64"]}), &good)),
        ("no exp", without("exp")),
        ("no aud", without("aud")),
        ("no iss", without("iss")),
        ("no sub", without("sub")),
        ("exp as a text", with("exp", json!((now() + 3600).to_string()))),
        ("nbf as a text", with("nbf", json!("0"))),
        ("aud as a number", with("aud", json!(7))),
        ("sub as a list", with("sub", json!(["ada"]))),
        ("expired", with("exp", json!(now() - 61))),
        ("not yet valid", with("nbf", json!(now() + 120))),
        ("another issuer", with("iss", json!("https://evil.example"))),
        ("another audience", with("aud", json!("other"))),
        ("too long", with("pad", json!("x".repeat(9000)))),
    ] {
        let error = who(&server, &token).await.expect_err(what);
        assert_refused(&error, Code::Unauthenticated, "TOKEN_INVALID");
    }
    let error = who(&server, &with("exp", json!(now() - 61))).await.unwrap_err();
    assert_says(&error, "expired");
}

/// A web server with a JWK set: what it answers can be changed and held back, and it counts.
struct Provider {
    url: String,
    set: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
    answering: Arc<tokio::sync::Mutex<()>>,
}

impl Provider {
    async fn start(set: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let (set, asked) = (Arc::new(Mutex::new(set)), Arc::new(AtomicUsize::new(0)));
        let answering: Arc<tokio::sync::Mutex<()>> = Arc::default();
        let (answers, count, turn) = (set.clone(), asked.clone(), Arc::clone(&answering));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                count.fetch_add(1, Ordering::SeqCst);
                let _turn = turn.lock().await;
                let body = answers.lock().unwrap().clone();
                let status = if body.is_empty() { "503 Service Unavailable" } else { "200 OK" };
                let answer =
                    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { url, set, asked, answering }
    }

    fn now_has(&self, set: String) {
        *self.set.lock().unwrap() = set;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn server_at(url: &str) -> TestServer {
    let url = url.to_owned();
    TestServer::start_with(|config| {
        configure(config);
        config.access.jwt.jwks_url = Some(url);
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_of_the_provider_is_read_at_once_and_unknown_ones_once_a_minute() {
    let (first, second) = (Signer::new("first"), Signer::new("second"));
    let provider = Provider::start(set(&[&first])).await;
    let server = server_at(&provider.url).await;
    // The start has the keys read in the background; tokens that come meanwhile wait for that reading.
    until(async || provider.asked() > 0).await;
    let old = first.sign(&claims(&["dev"]));
    who(&server, &old).await.unwrap();
    who(&server, &first.sign(&claims(&["dba"]))).await.unwrap();
    assert_eq!(provider.asked(), 1, "known keys are not asked for");

    provider.now_has(set(&[&second]));
    who(&server, &second.sign(&claims(&["dev"]))).await.expect("the new key is read");
    assert_eq!(provider.asked(), 2);
    let error = who(&server, &old).await.unwrap_err();
    assert_refused(&error, Code::Unauthenticated, "TOKEN_INVALID");
    for kid in ["a", "b", "c", "d", "e", "f"] {
        let token = second.sign_under(&json!({"alg": "EdDSA", "kid": kid}), &claims(&["dev"]));
        assert_refused(&who(&server, &token).await.unwrap_err(), Code::Unauthenticated, "TOKEN_INVALID");
    }
    assert_eq!(provider.asked(), 2, "unknown keys make the server ask");

    // A token that was good under keys that are gone is forgotten, though no other was good under the new ones since.
    let provider = Provider::start(set(&[&first])).await;
    let server = server_at(&provider.url).await;
    // A reading that the token itself caused would be the one of this minute.
    until(async || provider.asked() > 0).await;
    who(&server, &old).await.unwrap();
    assert_eq!(provider.asked(), 1);
    provider.now_has(set(&[&second]));
    let unknown = second.sign_under(&json!({"alg": "EdDSA", "kid": "unknown"}), &claims(&["dev"]));
    for refused in [&unknown, &old] {
        assert_refused(&who(&server, refused).await.unwrap_err(), Code::Unauthenticated, "TOKEN_INVALID");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_leaves_does_not_cut_short_what_others_wait_for() {
    let (first, second) = (Signer::new("first"), Signer::new("second"));
    let provider = Provider::start(set(&[&first])).await;
    let server = server_at(&provider.url).await;
    // The keys of the start, so that no token has caused a reading yet.
    until(async || provider.asked() > 0).await;
    who(&server, &first.sign(&claims(&["dev"]))).await.unwrap();
    assert_eq!(provider.asked(), 1);

    provider.now_has(set(&[&second]));
    let held_back = provider.answering.lock().await;
    let unknown = first.sign_under(&json!({"alg": "EdDSA", "kid": "unknown"}), &claims(&["dev"]));
    let client = server.client_with(&unknown.into());
    let leaving = tokio::spawn(async move { client.access().who_am_i(v1::WhoAmIRequest {}).await });
    until(async || provider.asked() == 2).await;
    leaving.abort();
    leaving.await.unwrap_err();

    let client = server.client_with(&second.sign(&claims(&["dev"])).into());
    let waiting = tokio::spawn(async move { client.access().who_am_i(v1::WhoAmIRequest {}).await });
    // Calls of others are answered meanwhile, and the server takes note of who left and who came.
    for _ in 0..5 {
        server.client().access().who_am_i(v1::WhoAmIRequest {}).await.unwrap();
    }
    drop(held_back);
    waiting.await.unwrap().expect("the reading went on");
    assert_eq!(provider.asked(), 2, "and served who came while it was under way");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_down_keeps_tokens_out_and_nobody_else() {
    let signer = Signer::new("one");
    let provider = Provider::start(String::new()).await;
    let server = server_at(&provider.url).await;
    server.client().access().who_am_i(v1::WhoAmIRequest {}).await.expect("keys need no provider");
    let token = signer.sign(&claims(&["dev"]));
    for _ in 0..3 {
        let error = who(&server, &token).await.unwrap_err();
        assert_refused(&error, Code::Unavailable, "IDENTITY_PROVIDER_UNAVAILABLE");
    }
    assert!(provider.asked() <= 2, "a provider that is down is not hammered");

    let nobody = { TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() };
    let server = server_at(&format!("http://{nobody}/keys")).await;
    let error = who(&server, &token).await.unwrap_err();
    assert_refused(&error, Code::Unavailable, "IDENTITY_PROVIDER_UNAVAILABLE");
}

/// A DER value of a kind.
fn der(kind: u8, body: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(body.len()).unwrap().to_be_bytes();
    let length = match body.len() {
        0..0x80 => vec![low],
        0x80..0x100 => vec![0x81, low],
        _ => vec![0x82, high, low],
    };
    [&[kind], &length[..], body].concat()
}

/// The public key as it lies about in files, in PEM.
fn public_key_pem(modulus: &[u8]) -> String {
    let key = der(0x30, &[der(0x02, &[&[0], modulus].concat()), der(0x02, &[1, 0, 1])].concat());
    let rsa_encryption = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    let der = der(0x30, &[der(0x30, rsa_encryption), der(0x03, &[&[0], &key[..]].concat())].concat());
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_rsa_key_is_no_shared_secret() {
    let signer = Signer::new("one");
    let rsa = json!({"kty": "RSA", "kid": "rsa", "use": "sig", "n": RSA_MODULUS, "e": "AQAB"});
    let keys = json!({"keys": [&rsa, signer.jwk()]}).to_string();
    let server = TestServer::start_with(|config| {
        configure(config);
        let file = config.data_dir.join("jwks.json");
        fs::write(&file, &keys).unwrap();
        config.access.jwt.jwks_file = Some(file);
    })
    .await;
    who(&server, &signer.sign(&claims(&["admin"]))).await.expect("the keys are read");
    let modulus = URL_SAFE_NO_PAD.decode(RSA_MODULUS).unwrap();
    let (pem, jwk) = (public_key_pem(&modulus), rsa.to_string());
    let secrets: [(&str, &[u8]); 6] = [
        ("the PEM", pem.as_bytes()),
        ("the PEM without its last line end", pem.trim_end().as_bytes()),
        ("the modulus", &modulus),
        ("the text of the modulus", RSA_MODULUS.as_bytes()),
        ("the JWK", jwk.as_bytes()),
        ("the key set", keys.as_bytes()),
    ];
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for (what, secret) in secrets {
        for (alg, kid) in [("HS256", Some("rsa")), ("HS256", None), ("RS256", Some("rsa"))] {
            let mut header = json!({"alg": alg, "typ": "JWT"});
            if let Some(kid) = kid {
                header["kid"] = json!(kid);
            }
            let signed = format!("{}.{}", encode(&header), encode(&claims(&["admin"])));
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
            let tag = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, signed.as_bytes()));
            let error = who(&server, &format!("{signed}.{tag}")).await.expect_err(what);
            assert_eq!(error.code(), Code::Unauthenticated, "{what}, {alg}: {error:?}");
        }
    }
}
