//! Looks at the certificate of a server, in a TLS handshake that is made for this alone.
//!
//! The drivers do not tell which certificate they saw. Here it is taken down as the server shows it and nothing is
//! checked, for nothing is sent that was worth protecting: the connection ends with the handshake.

use std::{
    io,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use ring::digest::{SHA256, digest};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, ClientConfig, DigitallySignedStruct, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::ring::default_provider,
    },
};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer, time::ASN1Time};

use crate::model::{Error, Reason, Result, Timestamp, facts::Certificate};

/// Makes a handshake on a connection whose server awaits one, and tells which certificate it showed.
pub(super) async fn shown_by(stream: TcpStream, host: &str) -> Result<Certificate> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|cause| Error::invalid_field("host", "is no name that a certificate can be for").caused_by(cause))?;
    let shown = Arc::new(Shown { der: Mutex::default(), provider: Arc::new(default_provider()) });
    let config = ClientConfig::builder_with_provider(shown.provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?
        .dangerous()
        .with_custom_certificate_verifier(shown.clone())
        .with_no_client_auth();
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let der = shown.der.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (der, handshake) {
        // A server that wants a certificate of ours breaks off after it has shown its own.
        (Some(der), _) => read(&der),
        (None, Err(cause)) => Err(unreadable().caused_by(cause)),
        (None, Ok(_)) => Err(unreadable()),
    }
}

/// The way to the handshake broke off.
pub(super) fn lost(cause: io::Error) -> Error {
    Error::new(Reason::DatabaseUnreachable, "the server could not be reached for a look at its certificate")
        .caused_by(cause)
}

fn unreadable() -> Error {
    Error::new(Reason::CertificateInvalid, "the server showed no certificate that can be read in a TLS handshake")
}

/// Reads a certificate.
fn read(der: &[u8]) -> Result<Certificate> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|cause| unreadable().caused_by(cause))?;
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.map(|names| names.value.general_names.iter().filter_map(host_name).collect());
    let validity = certificate.validity();
    Ok(Certificate {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        names: names.unwrap_or_default(),
        not_before: moment(&validity.not_before),
        not_after: moment(&validity.not_after),
        fingerprint: hex::encode(digest(&SHA256, der)),
    })
}

fn host_name(name: &GeneralName<'_>) -> Option<String> {
    match *name {
        GeneralName::DNSName(name) => Some(name.to_owned()),
        GeneralName::IPAddress(bytes) => {
            let fourth = <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
            fourth.or_else(|| <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)).map(|address| address.to_string())
        }
        _ => None,
    }
}

fn moment(time: &ASN1Time) -> Timestamp {
    Timestamp::from_micros(time.timestamp().saturating_mul(1_000_000))
}

/// Takes down what is shown, and lets everything pass.
#[derive(Debug)]
struct Shown {
    der: Mutex<Option<Vec<u8>>>,
    provider: Arc<rustls::crypto::CryptoProvider>,
}

impl ServerCertVerifier for Shown {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.der.lock().unwrap_or_else(PoisonError::into_inner) = Some(end_entity.to_vec());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
