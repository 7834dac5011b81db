//! One HTTP request to a service that the configuration names, on a connection of its own, with the TLS library and the
//! ciphers of the rest of the server.

use std::{io, path::Path, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
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

/// Why there is no answer.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A request for JSON.
pub(crate) struct Request<'a> {
    /// Address, `http://` or `https://`.
    pub(crate) url: &'a str,
    /// A header beside those that every request has.
    pub(crate) header: Option<(HeaderName, HeaderValue)>,
    /// JSON to post. Absent: the address is got.
    pub(crate) body: Option<Zeroizing<String>>,
    /// CA of the server in PEM. Absent: the public ones.
    pub(crate) ca_file: Option<&'a Path>,
    /// Most bytes that are read of the answer.
    pub(crate) max_answer: usize,
}

/// Gives the status and the body of the answer. Redirects are not followed: the configuration says where the service is,
/// and nobody else. There is no deadline in it.
pub(crate) async fn send(request: Request<'_>) -> Result<(StatusCode, Zeroizing<Vec<u8>>), Failure> {
    let uri: Uri = request.url.parse()?;
    let host = uri.host().ok_or("the address has no host")?.trim_matches(['[', ']']).to_owned();
    let encrypted = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let tcp = TcpStream::connect((host.as_str(), port)).await?;
    if !encrypted {
        return exchange(tcp, &uri, request).await;
    }
    let connector = TlsConnector::from(Arc::new(tls(request.ca_file)?));
    exchange(connector.connect(ServerName::try_from(host)?, tcp).await?, &uri, request).await
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    uri: &Uri,
    request: Request<'_>,
) -> Result<(StatusCode, Zeroizing<Vec<u8>>), Failure> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut message = http::Request::builder()
        .method(if request.body.is_some() { Method::POST } else { Method::GET })
        .uri(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::HOST, uri.authority().map(ToString::to_string).unwrap_or_default())
        .header(header::ACCEPT, "application/json");
    if request.body.is_some() {
        message = message.header(header::CONTENT_TYPE, "application/json");
    }
    if let Some((name, value)) = request.header {
        message = message.header(name, value);
    }
    let body = request.body.map_or_else(Bytes::new, Bytes::from_owner);
    let message = message.body(Full::new(body))?;
    let asked = async move {
        let answer = sender.send_request(message).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), request.max_answer).collect().await?;
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
