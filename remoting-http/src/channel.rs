//! The channel's settings, and what it does for its host.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use remoting_core::channel::{Acceptor, BoxFuture, Channel, ChannelSettings, Dialed, Listener};
use remoting_core::formatter::FormatterRef;
use remoting_core::{Error, ObjectUrl};
use remoting_tcp::sockets::{
    AcceptGuard, Farewells, ListenAt, accept_all, check_port, needs_runtime, tune,
};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::answer::Answer;
use crate::client::{Pool, Server, pool};
use crate::connection;
use crate::gate::Gate;
use crate::serve::Service;

const SCHEME: &str = "http";

/// Objects over HTTP, in clear text.
///
/// Calls go one by one, without a session: published objects can be called, by proxies and by
/// everything that speaks HTTP. Objects are not passed by reference this way, and clients activate
/// none.
///
/// (.NET: `HttpChannel`.)
///
/// ```
/// use remoting_http::HttpChannel;
///
/// // A server, on any free port of this machine, which pages of one origin may call too.
/// let server = HttpChannel::listen("127.0.0.1:0").origin("https://app.example");
///
/// // A client that prefers this channel to others with the same scheme.
/// let client = HttpChannel::client().named("web").priority(10);
/// ```
#[derive(Clone)]
pub struct HttpChannel {
    settings: ChannelSettings,
    listen_at: ListenAt,
    gate: Gate,
    pool: OnceLock<Pool>,
}

impl HttpChannel {
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
            gate: Gate::default(),
            pool: OnceLock::new(),
        }
    }

    /// Sets the name under which the host knows the channel, `http` unless set.
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

    /// Sets how calls that leave through the channel are written. Those that come in may be written
    /// in any format that the host reads, whatever is set here.
    #[must_use]
    pub fn formatter(mut self, formatter: impl Into<FormatterRef>) -> Self {
        self.settings.formatter = formatter.into();
        self
    }

    /// Lets the channel listen where other machines reach it, although it sends clear
    /// text and lets anybody call.
    ///
    /// For networks in which every machine is trusted, and behind a gateway.
    #[must_use]
    pub fn allow_plaintext(mut self) -> Self {
        self.listen_at.allow_plaintext();
        self
    }

    /// Lets pages of an origin call. Without it, browsers let no page do so, and requests
    /// of pages are refused.
    ///
    /// - `origin`: scheme, name and port as a browser writes them: `https://app.example`.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.gate.origins.push(origin.into());
        self
    }

    /// Adds a name that the server may be called by, beside `localhost` and numbers.
    ///
    /// Requests with another `Host` are refused: else a page could give its own name this
    /// machine's address, and call what listens here. Behind a gateway it is the name that the
    /// gateway sends.
    ///
    /// - `name`: without a port: `api.example`.
    #[must_use]
    pub fn host_name(mut self, name: impl Into<String>) -> Self {
        self.gate.hosts.push(name.into());
        self
    }

    async fn start(&self, acceptor: Acceptor) -> Result<Option<Listener>, Error> {
        let Some((listener, bound)) = self.listen_at.bind(SCHEME, &acceptor).await? else {
            return Ok(None);
        };
        let (stop, stopping) = watch::channel(());
        let door = Door {
            service: Arc::new(Service::new(acceptor.clone(), self.gate.clone())),
            acceptor,
            farewells: Farewells::default(),
            stopping,
        };
        let accepting = accept_all(listener, move |stream, peer| door.welcome(stream, peer));
        Ok(Some(Listener {
            address: format!("{SCHEME}://{bound}"),
            guard: Box::new(Listening {
                _accepting: accepting,
                _stop: stop,
            }),
        }))
    }
}

/// Ends the listening when dropped, and each connection after the request that is under way.
struct Listening {
    _accepting: AcceptGuard,
    _stop: watch::Sender<()>,
}

/// What is needed to let somebody in.
struct Door {
    acceptor: Acceptor,
    service: Arc<Service>,
    farewells: Farewells,
    stopping: watch::Receiver<()>,
}

impl Door {
    /// Answers a new connection, if the host has room for it.
    fn welcome(&self, stream: TcpStream, peer: SocketAddr) {
        let source = peer.ip().to_canonical();
        match self.acceptor.admit(Some(source)) {
            Ok(admission) => {
                tune(&stream);
                let peer = SocketAddr::new(source, peer.port()).to_string();
                let (service, stopping) = (Arc::clone(&self.service), self.stopping.clone());
                tokio::spawn(connection::run(stream, peer, admission, service, stopping));
            }
            Err(turned_away) => {
                let answer = Answer::refused(503, "overloaded", &turned_away.to_string());
                self.farewells.say(stream, answer.closing().into_bytes());
            }
        }
    }
}

impl Channel for HttpChannel {
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
        check_port(url.authority()).map_err(|what| url.invalid(&what))
    }

    /// Connects nowhere yet: connections are made by calls, and kept for the next ones.
    fn dial<'a>(&'a self, url: &'a ObjectUrl) -> BoxFuture<'a, Result<Dialed, Error>> {
        Box::pin(async move {
            needs_runtime()?;
            let pool = self.pool.get_or_init(pool).clone();
            let formatter = self.settings.formatter.clone();
            let server = Server::new(pool, url.base(), formatter);
            Ok(Dialed::Exchange(Arc::new(server)))
        })
    }
}

impl fmt::Debug for HttpChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpChannel")
            .field("settings", &self.settings)
            .field("listen_at", &self.listen_at)
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}
