//! The server's own certificate, read again when its files change.

use std::sync::{Arc, PoisonError, RwLock};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
};

use super::settings::TlsFiles;
use crate::model::{Error, Result};

/// TLS of the listener.
pub(super) struct Tls {
    files: TlsFiles,
    current: Arc<CurrentCertificate>,
    acceptor: TlsAcceptor,
    /// Hash of both files as they were last looked at, good or bad.
    seen: blake3::Hash,
}

impl Tls {
    /// Reads the files. HTTP/1.1 is offered beside HTTP/2 to browsers only.
    pub(super) async fn load(files: TlsFiles, web: bool) -> Result<Self> {
        let content = Content::read(&files).await?;
        let current = Arc::new(CurrentCertificate(RwLock::new(Arc::new(content.certified_key()?))));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(Error::internal)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec()];
        if web {
            config.alpn_protocols.push(b"http/1.1".to_vec());
        }
        Ok(Self { files, current, acceptor: TlsAcceptor::from(Arc::new(config)), seen: content.hash() })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// Takes a new certificate over whenever the files change. One that cannot be used is logged and the old one
    /// stays.
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
        self.current.replace(content.certified_key()?);
        tracing::info!("certificate reloaded");
        Ok(())
    }
}

/// Both files as they are.
struct Content {
    certificate: Vec<u8>,
    key: zeroize::Zeroizing<Vec<u8>>,
}

impl Content {
    async fn read(files: &TlsFiles) -> Result<Self> {
        let read = async |field: &str, path: &std::path::Path| {
            tokio::fs::read(path).await.map_err(|cause| {
                Error::invalid_field(field, format!("{} cannot be read: {}", path.display(), cause.kind()))
            })
        };
        let certificate = read("tls.certificate", &files.certificate).await?;
        let key = zeroize::Zeroizing::new(read("tls.key", &files.key).await?);
        Ok(Self { certificate, key })
    }

    fn hash(&self) -> blake3::Hash {
        blake3::Hasher::new().update(&self.certificate).update(&[0]).update(&self.key).finalize()
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

#[derive(Debug)]
struct CurrentCertificate(RwLock<Arc<CertifiedKey>>);

impl CurrentCertificate {
    fn replace(&self, key: CertifiedKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
    }
}

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
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
            reload_interval: Duration::ZERO,
        };
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        fs::write(&files.certificate, made.cert.pem()).unwrap();
        let mut tls = Tls::load(files.clone(), false).await.unwrap();
        let shown = |tls: &Tls| tls.current.0.read().unwrap().cert.clone();
        let first = shown(&tls);
        tls.reload().await.unwrap();

        let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(&files.key, stranger.signing_key.serialize_pem()).unwrap();
        assert!(tls.reload().await.unwrap_err().message().starts_with("tls.key"));
        assert_eq!(shown(&tls), first);
        fs::write(&files.certificate, "rubbish").unwrap();
        assert!(tls.reload().await.unwrap_err().message().starts_with("tls.certificate"));
        assert_eq!(shown(&tls), first);

        fs::write(&files.certificate, stranger.cert.pem()).unwrap();
        tls.reload().await.unwrap();
        assert_ne!(shown(&tls), first);
    }
}
