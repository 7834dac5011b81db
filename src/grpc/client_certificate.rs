//! What a client certificate says about who shows it. That one of our authorities signed it was checked in the handshake.

use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use crate::model::{ClientCertificate, Timestamp, Validity};

/// Names and end of a certificate in DER; absent where it cannot be read.
pub(super) fn read(der: &[u8]) -> Option<ClientCertificate> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let alternatives = certificate.subject_alternative_name().ok()?;
    let mut names: Vec<String> =
        alternatives.iter().flat_map(|extension| &extension.value.general_names).filter_map(name).collect();
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    names.extend(common.map(|name| format!("cn:{name}")));
    let seconds = certificate.validity().not_after.timestamp();
    let expires = Timestamp::from_micros(seconds.saturating_mul(1_000_000));
    Some(ClientCertificate { names, expires, validity: Validity::default() })
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(format!("dns:{}", name.to_ascii_lowercase())),
        GeneralName::URI(name) => Some(format!("uri:{name}")),
        GeneralName::RFC822Name(name) => Some(format!("email:{name}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    #[test]
    fn names_come_with_their_kinds_and_the_end_with_them() {
        let mut params = CertificateParams::new(vec!["CI.example.com".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::URI("spiffe://example.com/ci".try_into().unwrap()));
        params.subject_alt_names.push(SanType::Rfc822Name("ci@example.com".try_into().unwrap()));
        params.distinguished_name.push(DnType::CommonName, "ci, of the team");
        params.not_after = rcgen::date_time_ymd(2040, 1, 1);
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let read = read(made.der()).unwrap();
        let expected =
            ["dns:ci.example.com", "uri:spiffe://example.com/ci", "email:ci@example.com", "cn:ci, of the team"];
        for name in expected {
            assert!(read.names.iter().any(|found| found == name), "{name} is not in {:?}", read.names);
        }
        assert_eq!(read.expires.to_string(), "2040-01-01T00:00:00.000Z");
    }

    #[test]
    fn what_is_no_certificate_has_no_names() {
        let made = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
        let der = made.cert.der();
        assert!(read(&der[..der.len() - 1]).is_none() && read(b"").is_none());
        assert!(read(&[der, &[0][..]].concat()).is_none(), "nothing may follow it");
    }
}
