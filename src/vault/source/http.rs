//! One HTTP request on a connection of its own, with the TLS library and the ciphers of the rest of the server.

use std::{io, path::Path, sync::Arc};

use bytes::Bytes;
use http::{Method, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring},
};
use zeroize::Zeroizing;

/// Most that is read of an answer.
const MAX_ANSWER: usize = 64 * 1024;
/// Header of the token in Vault's interface.
const TOKEN: &str = "x-vault-token";

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A request.
pub(super) struct Request<'a> {
    /// `http://` or `https://` with host and port.
    pub(super) address: &'a str,
    pub(super) path: String,
    pub(super) token: &'a str,
    pub(super) body: Zeroizing<String>,
    /// CA of the server in PEM. Absent: the public ones.
    pub(super) ca_file: Option<&'a Path>,
}

/// Posts JSON; gives the status and the body of the answer. Redirects are not followed.
pub(super) async fn post(request: Request<'_>) -> Result<(u16, Zeroizing<Vec<u8>>), Failure> {
    let uri: Uri = request.address.parse()?;
    let host = uri.host().ok_or("the address has no host")?.trim_matches(['[', ']']).to_owned();
    let encrypted = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let tcp = TcpStream::connect((host.as_str(), port)).await?;
    if !encrypted {
        return exchange(tcp, &uri, request).await;
    }
    let connector = TlsConnector::from(Arc::new(tls(request.ca_file)?));
    let tls = connector.connect(ServerName::try_from(host)?, tcp).await?;
    exchange(tls, &uri, request).await
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    uri: &Uri,
    request: Request<'_>,
) -> Result<(u16, Zeroizing<Vec<u8>>), Failure> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut token = header::HeaderValue::from_str(request.token).map_err(|_| "the token is not printable ASCII")?;
    token.set_sensitive(true);
    let message = http::Request::builder()
        .method(Method::POST)
        .uri(request.path)
        .header(header::HOST, uri.authority().map(ToString::to_string).unwrap_or_default())
        .header(header::CONTENT_TYPE, "application/json")
        .header(TOKEN, token)
        .body(Full::new(Bytes::copy_from_slice(request.body.as_bytes())))?;
    let asked = async move {
        let answer = sender.send_request(message).await?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await?;
        Ok::<_, Failure>((status, Zeroizing::new(body.to_bytes().to_vec())))
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
            let unreadable = |cause: &dyn std::fmt::Display| io::Error::other(format!("{}: {cause}", path.display()));
            for certificate in CertificateDer::pem_file_iter(path).map_err(|cause| unreadable(&cause))? {
                roots.add(certificate.map_err(|cause| unreadable(&cause))?)?;
            }
            if roots.is_empty() {
                return Err(unreadable(&"there is no certificate in it").into());
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
