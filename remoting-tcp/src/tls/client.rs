//! The side that dials.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use remoting_core::{Error, ErrorKind};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::material::Material;
use super::trouble::{unconnected, unfit};
use super::{Cryptography, Pem, Protocol};

/// How long a server may take for its part of the handshake.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whom a dialling channel trusts, and what it shows of itself.
///
/// Clones share the certificates: one [`reload`](Self::reload) is for all of them, but for those whose
/// settings were changed after they were cloned.
///
/// ```
/// use remoting_tcp::{ClientTls, Pem, TcpChannel};
///
/// let tls = ClientTls::new()
///     .roots(Pem::file("issuer.pem"))
///     .identity(Pem::file("client.pem"), Pem::file("client.key"));
/// let channel = TcpChannel::client().client_tls(tls);
/// ```
#[derive(Clone, Default)]
pub struct ClientTls {
    /// Those of the system without it.
    roots: Option<Pem>,
    identity: Option<(Pem, Pem)>,
    every: Option<Duration>,
    cryptography: Cryptography,
    made: Arc<Material<Made>>,
}

/// The same configuration for each protocol.
struct Made {
    frames: Arc<ClientConfig>,
    http: Arc<ClientConfig>,
}

impl ClientTls {
    /// Trusts the issuers that the system trusts, and shows no certificate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts these issuers, and no others.
    #[must_use]
    pub fn roots(self, roots: Pem) -> Self {
        Self {
            roots: Some(roots),
            made: Arc::default(),
            ..self
        }
    }

    /// Shows a certificate to servers that ask for one (mutual TLS).
    ///
    /// - `chain`: the certificate, and those between it and an issuer whom servers trust.
    /// - `key`: the private key of the certificate.
    #[must_use]
    pub fn identity(self, chain: Pem, key: Pem) -> Self {
        Self {
            identity: Some((chain, key)),
            made: Arc::default(),
            ..self
        }
    }

    /// Looks at the files again when a server is dialled and this time has passed, and uses them if they
    /// have changed. Without it only [`reload`](Self::reload) does.
    #[must_use]
    pub fn reload_every(self, every: Duration) -> Self {
        let every = Some(every);
        Self { every, ..self }
    }

    /// Says who does the cryptography.
    #[must_use]
    pub fn cryptography(self, cryptography: Cryptography) -> Self {
        Self {
            cryptography,
            made: Arc::default(),
            ..self
        }
    }

    /// Reads keys and certificates anew, for all connections that are dialled from now on.
    ///
    /// # Errors
    ///
    /// `Config` if they cannot be used; the old ones stay then.
    pub fn reload(&self) -> Result<(), Error> {
        self.made.reload(&self.files(), || self.make())
    }

    /// Checks that keys and certificates can be used which were given. What the system trusts is looked at when
    /// it is needed.
    ///
    /// # Errors
    ///
    /// `Config` if not.
    #[doc(hidden)]
    pub fn check(&self) -> Result<(), Error> {
        match self.roots.is_some() || self.identity.is_some() {
            true => self.made().map(drop),
            false => Ok(()),
        }
    }

    /// Makes a secure stream of a socket, and verifies the server's name.
    ///
    /// - `scheme`: that of the URL.
    /// - `authority`: its address; the name in it has to be the server's.
    /// - `plain`: the scheme that has no TLS.
    ///
    /// # Errors
    ///
    /// - `TlsRequired`: the server does not speak TLS.
    /// - `Unauthenticated`: it does not take the certificate of this side, or wants one.
    /// - `ConnectFailed`: its certificate is not accepted, or it speaks something else inside TLS.
    /// - `Config`: the certificates of this side cannot be used.
    #[doc(hidden)]
    pub async fn connect(
        &self,
        stream: TcpStream,
        (scheme, authority): (&str, &str),
        plain: &str,
        protocol: Protocol,
    ) -> Result<TlsStream<TcpStream>, Error> {
        let base = format!("{scheme}://{authority}");
        let made = self.made()?;
        let config = match protocol {
            Protocol::Frames => &made.frames,
            Protocol::Http => &made.http,
        };
        let name = ServerName::try_from(host(authority).to_owned()).map_err(|error| {
            let text = format!("the host of `{base}` is no name that certificates have ({error})");
            Error::new(ErrorKind::InvalidUrl, text)
        })?;
        let connecting = TlsConnector::from(Arc::clone(config)).connect(name, stream);
        match timeout(PATIENCE, connecting).await {
            Ok(connected) => connected.map_err(|error| unconnected(error, &base, plain)),
            Err(_) => {
                let text = format!(
                    "`{base}` took the connection and did not begin TLS within {} s; does it speak TLS on \
                     this port?",
                    PATIENCE.as_secs()
                );
                Err(Error::new(ErrorKind::ConnectFailed, text))
            }
        }
    }

    fn made(&self) -> Result<Arc<Made>, Error> {
        self.made.get(&self.files(), self.every, || self.make())
    }

    fn files(&self) -> Vec<&Pem> {
        let identity = self.identity.iter().flat_map(|(chain, key)| [chain, key]);
        self.roots.iter().chain(identity).collect()
    }

    fn make(&self) -> Result<Made, Error> {
        let unusable = |error: tokio_rustls::rustls::Error| {
            let text = format!(
                "the issuers that the system trusts cannot be used ({error}); give some with `ClientTls::roots`"
            );
            Error::new(ErrorKind::Config, text)
        };
        let builder = ClientConfig::builder_with_provider(self.cryptography.provider())
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let builder = match &self.roots {
            Some(roots) => builder.with_root_certificates(roots.roots()?),
            None => builder.with_platform_verifier().map_err(unusable)?,
        };
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(chain.certificates()?, key.key()?)
                .map_err(|error| unfit(chain, key, &error))?,
        };
        let speaking = |protocol: Protocol| {
            let mut config = config.clone();
            config.alpn_protocols = protocol.names();
            Arc::new(config)
        };
        Ok(Made {
            frames: speaking(Protocol::Frames),
            http: speaking(Protocol::Http),
        })
    }
}

/// The host of an address, without the brackets of IPv6.
fn host(authority: &str) -> &str {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let inside = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    inside.unwrap_or(host)
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("roots", &self.roots)
            .field("identity", &self.identity)
            .field("reload_every", &self.every)
            .field("cryptography", &self.cryptography)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_for_the_host_of_the_address() {
        for (authority, expected) in [
            ("bank.example:8443", "bank.example"),
            ("bank.example", "bank.example"),
            ("127.0.0.1:1", "127.0.0.1"),
            ("[::1]:1", "::1"),
            ("[::1]", "::1"),
        ] {
            assert_eq!(host(authority), expected);
        }
    }
}
