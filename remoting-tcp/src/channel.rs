//! The channel's settings, and what it does for its host.

use std::net::SocketAddr;

use remoting_core::channel::{
    Acceptor, BoxFuture, Channel, ChannelSettings, Dialed, Link, Listener,
};
use remoting_core::formatter::FormatterRef;
use remoting_core::{Error, ObjectUrl};
use tokio::net::TcpStream;

use crate::dial::{check_port, dial};
use crate::link::{StreamReader, StreamWriter};
use crate::listen::{Farewells, ListenAt, accept_all, needs_runtime, tune};

const SCHEME: &str = "tcp";

/// Objects over TCP, in clear text.
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
        }
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

    /// Lets the channel listen where other machines reach it, although it sends clear
    /// text and lets anybody call.
    ///
    /// For networks in which every machine is trusted.
    #[must_use]
    pub fn allow_plaintext(mut self) -> Self {
        self.listen_at.allow_plaintext();
        self
    }

    async fn start(&self, acceptor: Acceptor) -> Result<Option<Listener>, Error> {
        let Some((listener, bound)) = self.listen_at.bind(SCHEME, &acceptor).await? else {
            return Ok(None);
        };
        let farewells = Farewells::default();
        let guard = accept_all(listener, move |stream, peer| {
            welcome(stream, peer, &acceptor, &farewells)
        });
        Ok(Some(Listener {
            address: format!("{SCHEME}://{bound}"),
            guard: Box::new(guard),
        }))
    }
}

impl Channel for TcpChannel {
    fn scheme(&self) -> &'static str {
        SCHEME
    }

    fn settings(&self) -> &ChannelSettings {
        &self.settings
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
            let stream = dial(SCHEME, url.authority()).await?;
            Ok(Dialed::Link(link(stream, url.authority().to_owned())))
        })
    }
}

/// Gives a new connection to the host, if the host has room for it.
fn welcome(stream: TcpStream, peer: SocketAddr, acceptor: &Acceptor, farewells: &Farewells) {
    let source = peer.ip().to_canonical();
    match acceptor.admit(Some(source)) {
        Ok(admission) => {
            let peer = SocketAddr::new(source, peer.port());
            acceptor.accept(link(stream, peer.to_string()), admission);
        }
        Err(turned_away) => farewells.say(stream, turned_away.last_words()),
    }
}

fn link(stream: TcpStream, peer: String) -> Link {
    tune(&stream);
    let (reader, writer) = stream.into_split();
    Link {
        reader: Box::new(StreamReader::new(reader)),
        writer: Box::new(StreamWriter::new(writer)),
        peer,
        formatter: None,
    }
}
