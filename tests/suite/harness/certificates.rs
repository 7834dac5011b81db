//! Certificates for the servers of the tests, made anew for each run.

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

/// A CA with a server certificate for `localhost` and a client certificate.
pub(crate) struct Certificates {
    /// Certificate of the CA.
    pub(crate) ca_pem: String,
    /// Certificate of the server, for `localhost` and no other name.
    pub(crate) server_cert_pem: String,
    /// Its key.
    pub(crate) server_key_pem: String,
    /// Certificate of a client.
    pub(crate) client_cert_pem: String,
    /// Its key.
    pub(crate) client_key_pem: String,
}

impl Certificates {
    /// Makes all of them.
    pub(crate) fn generate() -> Self {
        let ca_key = KeyPair::generate().expect("a key");
        let mut ca = CertificateParams::new(Vec::new()).expect("no names");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.distinguished_name.push(DnType::CommonName, "dbkeeper test CA");
        let ca_pem = ca.self_signed(&ca_key).expect("a certificate").pem();
        let issuer = Issuer::new(ca, ca_key);
        let (server_cert_pem, server_key_pem) = issue(&issuer, "localhost", ExtendedKeyUsagePurpose::ServerAuth);
        let (client_cert_pem, client_key_pem) = issue(&issuer, "client", ExtendedKeyUsagePurpose::ClientAuth);
        Self { ca_pem, server_cert_pem, server_key_pem, client_cert_pem, client_key_pem }
    }
}

fn issue(issuer: &Issuer<'_, KeyPair>, name: &str, purpose: ExtendedKeyUsagePurpose) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a DNS name");
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages.push(purpose);
    (params.signed_by(&key, issuer).expect("a certificate").pem(), key.serialize_pem())
}
