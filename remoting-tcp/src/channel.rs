//! The channel's settings, and what it does for its host.

use std::net::SocketAddr;
use std::sync::Arc;

use remoting_core::channel::{
    Acceptor, Admission, BoxFuture, Channel, ChannelSettings, Dialed, Link, Listener,
};
use remoting_core::formatter::FormatterRef;
use remoting_core::sink::SinkRef;
use remoting_core::{ChannelLimits, ConnectPolicy, Error, ObjectUrl, Peer, Token};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::accept::{Farewells, accept_all, needs_runtime, tune};
use crate::dial::{check_port, dial};
use crate::exposure::Shelter;
use crate::link::{StreamReader, StreamWriter};
use crate::listen::ListenAt;
use crate::reset::Reset;
use crate::security::{Security, Socket, Unwelcome, accept_secure};
#[cfg(feature = "_tls")]
use crate::tls::Half;
use crate::tls::Protocol;

const SCHEME: &str = "tcp";

/// The scheme of URLs with TLS.
const SECURE: &str = "tcps";

/// What a client is told that speaks in clear text to a port with TLS: TLS's own words for a message
/// that was not expected (RFC 8446, section 6).
const NOT_TLS: [u8; 7] = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x0a];

/// Objects over TCP, in clear text or through TLS.
///
/// The scheme of a URL decides: `tcp://` is clear text, `tcps://` is TLS.
///
/// ```
/// use remoting_tcp::TcpChannel;
///
/// // A server, on any free port of this machine.
/// let server = TcpChannel::listen("127.0.0.1:0");
///
/// // A client that prefers this channel to others with the same scheme.
/// let client = TcpChannel::client().named("fast").priority(10);
/// ```
#[derive(Debug, Clone)]
pub struct TcpChannel {
    settings: ChannelSettings,
    listen_at: ListenAt,
    security: Security,
}

impl TcpChannel {
    /// Makes a channel that listens on `address` and can dial.
    ///
    /// - `address`: `host:port`; port 0 takes any free one. Addresses that other
    ///   machines can reach need [`allow_plaintext`](Self::allow_plaintext). It is
    ///   looked at when the host starts to listen.
    pub fn listen(address: impl ToString) -> Self {
        Self {
            listen_at: ListenAt::new(address),
            ..Self::client()
        }
    }

    /// Makes a channel that only dials.
    pub fn client() -> Self {
        Self {
            settings: ChannelSettings::new(SCHEME),
            listen_at: ListenAt::default(),
            security: Security::default(),
        }
    }

    /// Has the channel listen with TLS: its URLs are `tcps://`.
    #[cfg(feature = "_tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::ServerTls) -> Self {
        self.security.server = Some(tls);
        self
    }

    /// Says whom the channel trusts when it dials a `tcps://` URL, and what it shows. Without it,
    /// it trusts whom the system trusts, and shows nothing.
    #[cfg(feature = "_tls")]
    #[must_use]
    pub fn client_tls(mut self, tls: crate::ClientTls) -> Self {
        self.security.client = tls;
        self
    }

    /// Sets the name under which the host knows the channel, `tcp` unless set.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// Sets the priority, 1 unless set: channels of higher priority are tried first.
    #[must_use]
    pub fn priority(mut self, priority: i32) -> Self {
        self.settings.priority = priority;
        self
    }

    /// Sets how calls that leave through the channel are written.
    #[must_use]
    pub fn formatter(mut self, formatter: impl Into<FormatterRef>) -> Self {
        self.settings.formatter = formatter.into();
        self
    }

    /// Says what calls do where there is no connection; without it, as the host says.
    #[must_use]
    pub fn connect_policy(mut self, policy: ConnectPolicy) -> Self {
        self.settings.connect_policy = Some(policy);
        self
    }

    /// Gives the channel bounds of its own; without it, those of the host hold.
    #[must_use]
    pub fn limits(mut self, limits: ChannelLimits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Has each call that leaves or comes through the channel pass through a sink, inside of those that were added before
    /// and of those of the host. [`MethodCall::side`](remoting_core::sink::MethodCall::side) tells which way it goes.
    #[must_use]
    pub fn sink(mut self, sink: impl Into<SinkRef>) -> Self {
        self.settings.sinks.push(sink.into());
        self
    }

    /// Shows a token to all hosts that the channel dials, to prove who this side is. It goes only where nobody on
    /// the way can read it: through TLS, or to this machine.
    #[must_use]
    pub fn token(mut self, token: impl Into<Token>) -> Self {
        self.settings.token = Some(token.into());
        self
    }

    /// Lets the channel listen where other machines reach it, although it sends clear
    /// text and lets anybody call.
    ///
    /// For networks in which every machine is trusted.
    #[must_use]
    pub fn allow_plaintext(mut self) -> Self {
        self.listen_at.allow_plaintext();
        self
    }

    /// Lets the channel listen with TLS where other machines reach it, although callers do not say
    /// who they are.
    #[must_use]
    pub fn allow_anonymous(mut self) -> Self {
        self.listen_at.allow_anonymous();
        self
    }

    async fn start(&self, acceptor: Acceptor) -> Result<Option<Listener>, Error> {
        let scheme = self.scheme();
        let shelter = Shelter::of(&self.security, &acceptor);
        let Some((listener, bound)) = self.listen_at.bind(scheme, &acceptor, shelter).await? else {
            return Ok(None);
        };
        let own = acceptor.clone();
        let door = Arc::new(Door {
            acceptor,
            farewells: Farewells::default(),
            security: self.security.clone(),
        });
        let guard = accept_all(
            listener,
            move |stream, peer| door.welcome(stream, peer),
            move || own.shortage(),
        );
        Ok(Some(Listener {
            address: format!("{scheme}://{bound}"),
            guard: Box::new(guard),
        }))
    }
}

impl Channel for TcpChannel {
    fn scheme(&self) -> &'static str {
        if self.security.is_secure() {
            SECURE
        } else {
            SCHEME
        }
    }

    fn serves(&self, scheme: &str) -> bool {
        [SCHEME, SECURE].contains(&scheme)
    }

    fn settings(&self) -> &ChannelSettings {
        &self.settings
    }

    fn validate(&self) -> Result<(), Error> {
        self.security.check()
    }

    fn listen(&self, acceptor: Acceptor) -> BoxFuture<'_, Result<Option<Listener>, Error>> {
        Box::pin(self.start(acceptor))
    }

    fn check(&self, url: &ObjectUrl) -> Result<(), Error> {
        url.without_path()?;
        check_port(url.authority()).map_err(|what| url.invalid(&what))
    }

    fn dial<'a>(&'a self, url: &'a ObjectUrl) -> BoxFuture<'a, Result<Dialed, Error>> {
        Box::pin(async move {
            needs_runtime()?;
            let is_private = url.scheme() == SECURE || self.listen_at.allows_plaintext();
            self.settings.check_token(url, is_private)?;
            let place = (url.scheme(), url.authority());
            let stream = dial(url.scheme(), url.authority()).await?;
            let connecting = self
                .security
                .connect(stream, place, SCHEME, Protocol::Frames);
            Ok(Dialed::Link(link(
                connecting.await?,
                Peer::named(url.authority()),
            )))
        })
    }
}

/// What is needed to let somebody in.
struct Door {
    acceptor: Acceptor,
    farewells: Farewells,
    security: Security,
}

impl Door {
    /// Gives a new connection to the host, if the host has room for it.
    fn welcome(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        match self.acceptor.admit(Some(peer.ip().to_canonical())) {
            Ok(admission) if self.security.is_secure() => {
                tokio::spawn(Arc::clone(self).secure(stream, Peer::at(peer), admission));
            }
            Ok(admission) => {
                let link = link(Socket::Plain(stream), Peer::at(peer));
                self.acceptor.accept(link, admission);
            }
            // Who speaks TLS would not understand it.
            Err(_) if self.security.is_secure() => {}
            Err(turned_away) => self.farewells.say(stream, turned_away.last_words()),
        }
    }

    /// The same for a connection through TLS.
    async fn secure(self: Arc<Self>, stream: TcpStream, peer: Peer, admission: Admission) {
        let accepting = accept_secure(
            &self.security,
            &self.acceptor,
            stream,
            &peer,
            Protocol::Frames,
        );
        match accepting.await {
            Ok((socket, owner)) => {
                let link = link(socket, peer.with_certificate(owner));
                self.acceptor.accept(link, admission);
            }
            Err(Some(Unwelcome::ClearText(stream))) => self.farewells.say(stream, NOT_TLS.to_vec()),
            Err(Some(Unwelcome::Failed(stream))) => self.farewells.say(stream, Vec::new()),
            Err(None) => {}
        }
    }
}

fn link(socket: Socket, peer: Peer) -> Link {
    match socket {
        Socket::Plain(stream) => {
            tune(&stream);
            let (reader, writer) = stream.into_split();
            halves(reader, writer, peer)
        }
        #[cfg(feature = "_tls")]
        Socket::Secure(stream) => {
            tune(stream.get_ref().0);
            let (reader, writer) = Half::split(*stream);
            halves(reader, writer, peer)
        }
    }
}

fn halves<R, W>(reader: R, writer: W, peer: Peer) -> Link
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Reset + Send + Unpin + 'static,
{
    Link {
        reader: Box::new(StreamReader::new(reader)),
        writer: Box::new(StreamWriter::new(writer)),
        peer,
        formatter: None,
    }
}
