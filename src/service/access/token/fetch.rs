//! Reads a JWK set from its file or its address.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring},
};

use super::KeySource;

/// Longest set.
const MAX_LENGTH: usize = 256 * 1024;
/// Longest wait for one, from the name of the host to the last byte.
const PATIENCE: Duration = Duration::from_secs(5);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The text of the set.
pub(super) async fn read(source: &KeySource) -> Result<Vec<u8>, Failure> {
    match source {
        KeySource::File(path) => {
            let text = tokio::fs::read(path).await.map_err(|cause| format!("{}: {cause}", path.display()))?;
            if text.len() > MAX_LENGTH {
                return Err(format!("{} is larger than a JWK set may be", path.display()).into());
            }
            Ok(text)
        }
        KeySource::Url { url, ca_file } => timeout(PATIENCE, get(url, ca_file.as_deref())).await?,
    }
}

/// Gets an address. Redirects are not followed: the configuration says where the keys are, and nobody else.
async fn get(url: &str, ca_file: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let uri: Uri = url.parse()?;
    let host = uri.host().ok_or("the address has no host")?.trim_matches(['[', ']']).to_owned();
    let encrypted = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let tcp = TcpStream::connect((host.as_str(), port)).await?;
    if !encrypted {
        return exchange(tcp, &uri).await;
    }
    let connector = TlsConnector::from(Arc::new(tls(ca_file)?));
    exchange(connector.connect(ServerName::try_from(host)?, tcp).await?, &uri).await
}

async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin, uri: &Uri) -> Result<Vec<u8>, Failure> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let message = http::Request::builder()
        .method(Method::GET)
        .uri(path)
        .header(header::HOST, uri.authority().map(ToString::to_string).unwrap_or_default())
        .header(header::ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())?;
    let asked = async move {
        let answer = sender.send_request(message).await?;
        if answer.status() != http::StatusCode::OK {
            return Err(format!("the server of the keys answered {}", answer.status()).into());
        }
        let body = Limited::new(answer.into_body(), MAX_LENGTH).collect().await?;
        Ok::<_, Failure>(body.to_bytes().to_vec())
    };
    // The connection is at work beside the question and ends with it, because the sender is dropped then.
    let (answer, ended) = tokio::join!(asked, connection);
    match (answer, ended) {
        (Ok(answer), _) => Ok(answer),
        (Err(_), Err(broken)) => Err(broken.into()),
        (Err(cause), Ok(())) => Err(cause),
    }
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            for certificate in CertificateDer::pem_file_iter(path)? {
                roots.add(certificate?)?;
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
