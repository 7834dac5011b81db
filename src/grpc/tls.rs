//! The server's own certificate and the authorities of its clients, read again when their files change.

use std::{path::Path, sync::Arc};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject};
use tokio::sync::watch;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        server::{WebPkiClientVerifier, danger::ClientCertVerifier},
        sign::{CertifiedKey, SingleCertAndKey},
    },
};

use super::settings::TlsFiles;
use crate::model::{Error, Result};

/// TLS of the listener.
pub(super) struct Tls {
    files: TlsFiles,
    web: bool,
    current: watch::Sender<Terms>,
    /// Hash of all files as they were last looked at, good or bad.
    seen: blake3::Hash,
}

/// What the files say at the moment.
#[derive(Clone)]
pub(super) struct Terms {
    /// Shakes hands.
    pub(super) acceptor: TlsAcceptor,
    /// The authorities of clients; absent: no client may show a certificate.
    authorities: Option<Arc<dyn ClientCertVerifier>>,
}

impl Terms {
    /// True where an authority vouches for the certificate of a client; the certificates behind the first lead to it.
    pub(super) fn vouch_for(&self, chain: &[CertificateDer<'_>]) -> bool {
        let (Some(authorities), Some((certificate, between))) = (&self.authorities, chain.split_first()) else {
            return false;
        };
        authorities.verify_client_cert(certificate, between, UnixTime::now()).is_ok()
    }
}

impl Tls {
    /// Reads the files. HTTP/1.1 is offered beside HTTP/2 to browsers only.
    pub(super) async fn load(files: TlsFiles, web: bool) -> Result<Self> {
        let content = Content::read(&files).await?;
        let current = watch::Sender::new(content.terms(web)?);
        Ok(Self { files, web, current, seen: content.hash() })
    }

    /// What the files say, now and later.
    pub(super) fn terms(&self) -> watch::Receiver<Terms> {
        self.current.subscribe()
    }

    /// Takes new files over whenever they change. What cannot be used is logged and the old stays.
    pub(super) async fn watch(&mut self) {
        loop {
            tokio::time::sleep(self.files.reload_interval).await;
            if let Err(error) = self.reload().await {
                tracing::error!(error = error.message(), "new certificate refused, the old one stays");
            }
        }
    }

    async fn reload(&mut self) -> Result<()> {
        // The files are small: comparing what is in them is surer than comparing their times.
        let content = Content::read(&self.files).await?;
        let hash = content.hash();
        if hash == self.seen {
            return Ok(());
        }
        self.seen = hash;
        // A whole new configuration, so that no session of before is taken up again under an authority that was taken out.
        // Connections that are open look at it by themselves.
        self.current.send_replace(content.terms(self.web)?);
        tracing::info!("certificate reloaded");
        Ok(())
    }
}

/// All files as they are.
struct Content {
    certificate: Vec<u8>,
    key: zeroize::Zeroizing<Vec<u8>>,
    client_ca: Option<Vec<u8>>,
}

impl Content {
    async fn read(files: &TlsFiles) -> Result<Self> {
        let read = async |field: &str, path: &Path| {
            tokio::fs::read(path).await.map_err(|cause| {
                Error::invalid_field(field, format!("{} cannot be read: {}", path.display(), cause.kind()))
            })
        };
        let certificate = read("tls.certificate", &files.certificate).await?;
        let key = zeroize::Zeroizing::new(read("tls.key", &files.key).await?);
        let client_ca = match &files.client_ca {
            Some(path) => Some(read("tls.client_ca", path).await?),
            None => None,
        };
        Ok(Self { certificate, key, client_ca })
    }

    fn hash(&self) -> blake3::Hash {
        let parts = [&self.certificate[..], &self.key[..], self.client_ca.as_deref().unwrap_or_default()];
        parts
            .into_iter()
            .fold(blake3::Hasher::new(), |mut hasher, part| {
                hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
                hasher
            })
            .finalize()
    }

    fn terms(&self, web: bool) -> Result<Terms> {
        let resolver = Arc::new(SingleCertAndKey::from(self.certified_key()?));
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(Error::internal)?;
        let authorities = self.client_verifier()?;
        let builder = match authorities.clone() {
            Some(authorities) => builder.with_client_cert_verifier(authorities),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec()];
        if web {
            config.alpn_protocols.push(b"http/1.1".to_vec());
        }
        Ok(Terms { acceptor: TlsAcceptor::from(Arc::new(config)), authorities })
    }

    /// A client may show a certificate and need not: the other ways to prove who one is stay open.
    fn client_verifier(&self) -> Result<Option<Arc<dyn ClientCertVerifier>>> {
        let Some(client_ca) = &self.client_ca else { return Ok(None) };
        let invalid = |cause: &dyn std::fmt::Display| Error::invalid_field("tls.client_ca", cause.to_string());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(client_ca) {
            roots.add(certificate.map_err(|cause| invalid(&cause))?).map_err(|cause| invalid(&cause))?;
        }
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).allow_unauthenticated();
        verifier.build().map(Some).map_err(|cause| invalid(&cause))
    }

    /// Certificate and key must be readable and belong together: in the middle of an exchange of the two files they
    /// do not, and the next look finds both new.
    fn certified_key(&self) -> Result<CertifiedKey> {
        let invalid = |field: &str, cause: &dyn std::fmt::Display| Error::invalid_field(field, cause.to_string());
        let chain = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|cause| invalid("tls.certificate", &cause))?;
        if chain.is_empty() {
            return Err(Error::invalid_field("tls.certificate", "has no certificate in PEM"));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|cause| invalid("tls.key", &cause))?;
        CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|cause| invalid("tls.key", &cause))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;

    #[tokio::test]
    async fn a_certificate_that_cannot_be_used_is_not_taken_over() {
        let directory = tempfile::tempdir().unwrap();
        let files = TlsFiles {
            certificate: directory.path().join("cert.pem"),
            key: directory.path().join("key.pem"),
            client_ca: None,
            reload_interval: Duration::ZERO,
        };
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        fs::write(&files.certificate, made.cert.pem()).unwrap();
        let mut tls = Tls::load(files.clone(), false).await.unwrap();
        let used = |tls: &Tls| Arc::as_ptr(tls.current.borrow().acceptor.config());
        let first = used(&tls);
        tls.reload().await.unwrap();

        let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(&files.key, stranger.signing_key.serialize_pem()).unwrap();
        assert!(tls.reload().await.unwrap_err().message().starts_with("tls.key"));
        assert_eq!(used(&tls), first);
        fs::write(&files.certificate, "rubbish").unwrap();
        assert!(tls.reload().await.unwrap_err().message().starts_with("tls.certificate"));
        assert_eq!(used(&tls), first);

        fs::write(&files.certificate, stranger.cert.pem()).unwrap();
        tls.reload().await.unwrap();
        assert_ne!(used(&tls), first);
    }
}
