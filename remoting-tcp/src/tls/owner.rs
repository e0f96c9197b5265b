//! What a certificate says of its owner.

use std::net::IpAddr;

use remoting_core::Certificate;
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Reads the subject and the other names of a certificate that was verified. Nothing where it cannot be
/// read: its owner is then a stranger.
pub(super) fn owner(certificate: &CertificateDer<'_>) -> Option<Certificate> {
    let read = x509_cert::Certificate::from_der(certificate).ok()?;
    let body = read.tbs_certificate();
    let others = body.get_extension::<SubjectAltName>().ok()?;
    let others = others.map_or_else(Vec::new, |(_, SubjectAltName(names))| names);
    let names = others.iter().filter_map(written).collect();
    Some(Certificate::new(body.subject().to_string(), names))
}

fn written(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(format!("DNS:{name}")),
        GeneralName::Rfc822Name(name) => Some(format!("email:{name}")),
        GeneralName::UniformResourceIdentifier(name) => Some(format!("URI:{name}")),
        GeneralName::IpAddress(bytes) => {
            address(bytes.as_bytes()).map(|address| format!("IP:{address}"))
        }
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}
