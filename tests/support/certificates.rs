//! Certificates for tests and examples, made on the fly: an issuer, and whom it vouches for.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use remoting::{ClientTls, Pem, ServerTls};

/// Somebody who issues certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// A certificate with its key, as PEM.
#[derive(Clone)]
pub struct Owned {
    pub chain: String,
    pub key: String,
}

/// What is in a certificate besides its owner's name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    Now,
    Over,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = named(name, &[], Validity::Now);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self {
            issuer,
            certificate,
        }
    }

    /// Its own certificate, for those who trust it.
    pub fn root(&self) -> Pem {
        Pem::text(&*self.certificate)
    }

    /// The same as text.
    pub fn root_text(&self) -> &str {
        &self.certificate
    }

    /// A certificate for a name, with other names: of hosts and addresses.
    pub fn vouch(&self, name: &str, others: &[&str], validity: Validity) -> Owned {
        let params = named(name, others, validity);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Owned {
            chain: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// A certificate of a server on this machine.
    pub fn server(&self) -> Owned {
        self.vouch("server", &["localhost", "127.0.0.1", "::1"], Validity::Now)
    }

    /// A certificate of a client.
    pub fn client(&self, name: &str) -> Owned {
        self.vouch(name, &[], Validity::Now)
    }
}

/// A certificate that only its owner vouches for.
pub fn self_signed(others: &[&str]) -> Owned {
    let key = KeyPair::generate().unwrap();
    let certificate = named("nobody", others, Validity::Now).self_signed(&key);
    Owned {
        chain: certificate.unwrap().pem(),
        key: key.serialize_pem(),
    }
}

impl Owned {
    pub fn server_tls(&self) -> ServerTls {
        ServerTls::new(Pem::text(&*self.chain), Pem::text(&*self.key))
    }

    pub fn shown_by(&self, tls: ClientTls) -> ClientTls {
        tls.identity(Pem::text(&*self.chain), Pem::text(&*self.key))
    }
}

fn named(name: &str, others: &[&str], validity: Validity) -> CertificateParams {
    let others: Vec<String> = others.iter().map(|&other| other.to_owned()).collect();
    let mut params = CertificateParams::new(others).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    if validity == Validity::Over {
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
    }
    params
}
