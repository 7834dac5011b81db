//! A small server that speaks the part of the interface of Vault's transit engine that is used: `encrypt` and `decrypt` with a
//! token. What it wraps it only disguises.

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use dbkeeper::vault::TransitKeys;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring},
};
use tokio_util::task::AbortOnDropHandle;

use super::certificates::Certificates;

/// The token that it takes.
pub(crate) const TOKEN: &str = "hvs.the-token-of-the-test";
const DISGUISE: &str = "vault:v1:";

/// What it does with a call.
#[derive(Clone, PartialEq)]
pub(crate) enum Behaviour {
    /// What it should.
    Good,
    /// Answers so, with an error of Vault's form.
    Status(u16),
    /// Takes the call and never answers.
    Silent,
    /// Answers 200 with this.
    Garbage(Vec<u8>),
}

/// The server. It ends when it is dropped.
pub(crate) struct TransitServer {
    address: SocketAddr,
    encrypted: bool,
    state: Arc<State>,
    _serving: AbortOnDropHandle<()>,
}

struct State {
    behaviour: Mutex<Behaviour>,
    paths: Mutex<Vec<String>>,
}

impl TransitServer {
    /// In clear, on the loopback.
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    /// With a certificate for `localhost`.
    pub(crate) async fn start_tls(certificates: &Certificates) -> Self {
        let certificate =
            CertificateDer::from_pem_slice(certificates.server_cert_pem.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(certificates.server_key_pem.as_bytes()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a pair");
        Self::start_with(Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start_with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State { behaviour: Mutex::new(Behaviour::Good), paths: Mutex::default() });
        let (served, encrypted) = (state.clone(), tls.is_some());
        let serving = tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.expect("the listener works");
                let (tls, state) = (tls.clone(), served.clone());
                tokio::spawn(async move {
                    let service =
                        TowerToHyperService::new(tower::service_fn(move |request| answer(state.clone(), request)));
                    let http = auto::Builder::new(TokioExecutor::new());
                    // A client that goes away in the middle is what some tests are about.
                    let _ = match tls {
                        None => http.serve_connection(TokioIo::new(tcp), service).await,
                        Some(tls) => match tls.accept(tcp).await {
                            Ok(tls) => http.serve_connection(TokioIo::new(tls), service).await,
                            Err(_) => Ok(()),
                        },
                    };
                });
            }
        });
        Self { address, encrypted, state, _serving: AbortOnDropHandle::new(serving) }
    }

    /// What it does from now on.
    pub(crate) fn behave(&self, behaviour: Behaviour) {
        *self.state.behaviour.lock().unwrap() = behaviour;
    }

    /// The paths that were called.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.state.paths.lock().unwrap().clone()
    }

    /// Where it is.
    pub(crate) fn address(&self) -> String {
        let scheme = if self.encrypted { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.address.port())
    }

    /// A source of keys over it, with its files in a folder.
    pub(crate) fn keys(&self, folder: &Path) -> TransitKeys {
        TransitKeys {
            address: self.address(),
            mount: "transit".to_owned(),
            key: "dbkeeper".to_owned(),
            token_file: token_file(folder),
            ca_file: None,
            timeout: Duration::from_secs(30),
            wrapped_key_file: folder.join("master.key.wrapped"),
        }
    }
}

/// A file with the token that is taken.
pub(crate) fn token_file(folder: &Path) -> PathBuf {
    let path = folder.join("token");
    std::fs::write(&path, format!("{TOKEN}\n")).expect("the folder can be written");
    path
}

async fn answer(
    state: Arc<State>,
    request: http::Request<hyper::body::Incoming>,
) -> Result<http::Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let allowed = request.method() == http::Method::POST
        && request.headers().get("x-vault-token").is_some_and(|token| token.as_bytes() == TOKEN.as_bytes());
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    state.paths.lock().unwrap().push(path.clone());
    let behaviour = state.behaviour.lock().unwrap().clone();
    let (status, answer) = match behaviour {
        Behaviour::Silent => std::future::pending().await,
        Behaviour::Status(status) => (status, br#"{"errors":["secret words of the service"]}"#.to_vec()),
        Behaviour::Garbage(bytes) => (200, bytes),
        Behaviour::Good if !allowed => (403, br#"{"errors":["permission denied"]}"#.to_vec()),
        Behaviour::Good => match transit(&path, &serde_json::from_slice(&body).unwrap_or_default()) {
            Some(data) => (200, json!({ "data": data }).to_string().into_bytes()),
            None => (400, br#"{"errors":["bad request"]}"#.to_vec()),
        },
    };
    let response = http::Response::builder().status(status).header("content-type", "application/json");
    Ok(response.body(Full::new(Bytes::from(answer))).expect("a response"))
}

fn transit(path: &str, body: &Value) -> Option<Value> {
    match path {
        "/v1/transit/encrypt/dbkeeper" => {
            let plain = STANDARD.decode(body["plaintext"].as_str()?).ok()?;
            Some(json!({ "ciphertext": format!("{DISGUISE}{}", hex::encode(disguised(&plain))), "key_version": 1 }))
        }
        "/v1/transit/decrypt/dbkeeper" => {
            let wrapped = hex::decode(body["ciphertext"].as_str()?.strip_prefix(DISGUISE)?).ok()?;
            Some(json!({ "plaintext": STANDARD.encode(disguised(&wrapped)) }))
        }
        _ => None,
    }
}

fn disguised(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ 0x5a).collect()
}
