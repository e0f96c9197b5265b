//! The side that listens.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use remoting_core::{Certificate, Error, ErrorKind};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::server::TlsStream;

use super::material::Material;
use super::owner::owner;
use super::trouble::{unfit, unwelcome};
use super::{Cryptography, Pem, Protocol};

/// How the first message of a client begins that speaks TLS.
const HANDSHAKE: u8 = 0x16;

/// What a listening channel shows of itself, and what it wants to see of its clients.
///
/// Clones share the certificates: one [`reload`](Self::reload) is for all of them, but for those whose
/// settings were changed after they were cloned.
///
/// ```
/// use remoting_tcp::{Pem, ServerTls, TcpChannel};
///
/// let tls = ServerTls::new(Pem::file("server.pem"), Pem::file("server.key"))
///     .client_roots(Pem::file("clients.pem"));
/// let channel = TcpChannel::listen("127.0.0.1:0").tls(tls);
/// ```
#[derive(Clone)]
pub struct ServerTls {
    chain: Pem,
    key: Pem,
    clients: Option<Clients>,
    every: Option<Duration>,
    cryptography: Cryptography,
    made: Arc<Material<Made>>,
}

#[derive(Debug, Clone)]
struct Clients {
    roots: Pem,
    optional: bool,
}

/// The same configuration for each protocol.
struct Made {
    frames: Arc<ServerConfig>,
    http: Arc<ServerConfig>,
}

/// A client that did not get through.
#[doc(hidden)]
#[derive(Debug)]
pub enum Refused {
    /// It began with clear text; the socket has what it sent, unread.
    ClearText(TcpStream),
    /// The reason is for the operator of this side; the peer knows what TLS tells. The socket may have unread bytes.
    Failed(TcpStream, String),
    /// The socket itself failed.
    Gone(io::Error),
}

impl ServerTls {
    /// Shows a certificate.
    ///
    /// - `chain`: the certificate, and those between it and an issuer whom clients trust.
    /// - `key`: the private key of the certificate.
    pub fn new(chain: Pem, key: Pem) -> Self {
        Self {
            chain,
            key,
            clients: None,
            every: None,
            cryptography: Cryptography::default(),
            made: Arc::default(),
        }
    }

    /// Lets in only clients that show a certificate of one of these issuers (mutual TLS).
    /// `CallContext::peer` tells whose it is.
    #[must_use]
    pub fn client_roots(self, roots: Pem) -> Self {
        let optional = false;
        self.with_clients(Clients { roots, optional })
    }

    /// The same, and clients without a certificate are let in too.
    #[must_use]
    pub fn optional_client_roots(self, roots: Pem) -> Self {
        let optional = true;
        self.with_clients(Clients { roots, optional })
    }

    fn with_clients(self, clients: Clients) -> Self {
        Self {
            clients: Some(clients),
            made: Arc::default(),
            ..self
        }
    }

    /// Looks at the files again when a client comes and this time has passed, and uses them if they
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

    /// Reads keys and certificates anew, for all connections that come from now on. Those that are open
    /// stay as they are.
    ///
    /// # Errors
    ///
    /// `Config` if they cannot be used; the old ones stay then.
    pub fn reload(&self) -> Result<(), Error> {
        self.made.reload(&self.files(), || self.make())
    }

    /// Whether who has no certificate is not let in.
    #[doc(hidden)]
    pub fn knows_clients(&self) -> bool {
        self.clients
            .as_ref()
            .is_some_and(|clients| !clients.optional)
    }

    /// Checks that keys and certificates can be used.
    ///
    /// # Errors
    ///
    /// `Config` if not.
    #[doc(hidden)]
    pub fn check(&self) -> Result<(), Error> {
        self.made().map(drop)
    }

    /// Makes a secure stream of a socket. The caller bounds the time.
    #[doc(hidden)]
    pub async fn accept(
        &self,
        stream: TcpStream,
        protocol: Protocol,
    ) -> Result<(TlsStream<TcpStream>, Option<Certificate>), Refused> {
        let mut first = [0];
        let count = stream.peek(&mut first).await.map_err(Refused::Gone)?;
        if count > 0 && first != [HANDSHAKE] {
            return Err(Refused::ClearText(stream));
        }
        let made = match self.made() {
            Ok(made) => made,
            Err(error) => return Err(Refused::Failed(stream, error.to_string())),
        };
        let config = match protocol {
            Protocol::Frames => &made.frames,
            Protocol::Http => &made.http,
        };
        let accepting = TlsAcceptor::from(Arc::clone(config)).accept(stream);
        match accepting.into_fallible().await {
            Ok(stream) => {
                let shown = stream.get_ref().1.peer_certificates();
                let own = shown.and_then(|shown| shown.first()).and_then(owner);
                Ok((stream, own))
            }
            Err((error, stream)) => Err(Refused::Failed(stream, unwelcome(&error))),
        }
    }

    fn made(&self) -> Result<Arc<Made>, Error> {
        self.made.get(&self.files(), self.every, || self.make())
    }

    fn files(&self) -> Vec<&Pem> {
        let roots = self.clients.as_ref().map(|clients| &clients.roots);
        [&self.chain, &self.key].into_iter().chain(roots).collect()
    }

    fn make(&self) -> Result<Made, Error> {
        let provider = self.cryptography.provider();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::new(ErrorKind::Config, error.to_string()))?;
        let builder = match self.verifier()? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let config = builder
            .with_single_cert(self.chain.certificates()?, self.key.key()?)
            .map_err(|error| unfit(&self.chain, &self.key, &error))?;
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

    fn verifier(&self) -> Result<Option<Arc<dyn ClientCertVerifier>>, Error> {
        let Some(Clients { roots, optional }) = &self.clients else {
            return Ok(None);
        };
        let provider = self.cryptography.provider();
        let trusted = Arc::new(roots.roots()?);
        let builder = WebPkiClientVerifier::builder_with_provider(trusted, provider);
        let builder = match optional {
            true => builder.allow_unauthenticated(),
            false => builder,
        };
        let built = builder.build();
        let wrong = |error| roots.wrong(&format!("holds issuers that cannot be used ({error})"));
        built.map(Some).map_err(wrong)
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls")
            .field("chain", &self.chain)
            .field("key", &self.key)
            .field("clients", &self.clients)
            .field("reload_every", &self.every)
            .field("cryptography", &self.cryptography)
            .finish_non_exhaustive()
    }
}
