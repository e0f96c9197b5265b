//! The channel's settings, and what it does for its host.

use std::fmt;
use std::sync::{Arc, OnceLock};

use remoting_core::channel::{Acceptor, BoxFuture, Channel, ChannelSettings, Dialed, Listener};
use remoting_core::formatter::FormatterRef;
use remoting_core::sink::SinkRef;
use remoting_core::{ChannelLimits, ConnectPolicy, Error, ErrorKind, ObjectUrl, Token};
use remoting_tcp::sockets::{
    AcceptGuard, Farewells, ListenAt, Security, Shelter, accept_all, needs_runtime,
};
use tokio::sync::watch;

use crate::address::{Base, check_address, is_secure, read_base};
use crate::client::{Pool, Server, pool};
use crate::door::Door;
use crate::gate::Gate;
use crate::mount::{HttpService, Mount, Opened};
use crate::once::Kept;
use crate::serve::Service;
use crate::websocket;

/// The schemes of the channel's URLs, without TLS and with it.
const SCHEME: &str = "http";
const SECURE: &str = "https";

/// The schemes of URLs whose calls all go through a session.
const SESSIONS: &str = "ws";
const SECURE_SESSIONS: &str = "wss";

/// Objects over HTTP, in clear text or through TLS.
///
/// The scheme of a URL decides: `http://` and `ws://` are clear text, `https://` and `wss://` are TLS.
///
/// Calls go one by one, without a session: published objects can be called, by proxies and by
/// everything that speaks HTTP. A proxy whose call needs a session, to activate an object or to pass
/// one of this side, opens one over WebSocket; with `ws://` in the place of `http://` in its URL, it does so for
/// all its calls.
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
    /// The URL of a mounted channel.
    base: Option<String>,
    mount: Arc<Mount>,
    gate: Gate,
    security: Arc<Security>,
    pool: OnceLock<Pool>,
    /// Made when the channel listens first: a clone in another host has its own.
    kept: OnceLock<Kept>,
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

    /// Makes a channel that listens on no socket of its own, but is mounted in a server of yours
    /// by its [`service`](Self::service), and can dial.
    ///
    /// Requests may call the server by the name in `base`. Who can reach it is the server's to
    /// decide: [`allow_plaintext`](Self::allow_plaintext) means nothing here.
    ///
    /// - `base`: the URL under which clients reach the service, which host and publications report:
    ///   `http://api.example/objects`. It is looked at when the host starts to listen.
    pub fn mounted(base: impl Into<String>) -> Self {
        Self {
            base: Some(base.into()),
            ..Self::client()
        }
    }

    /// The objects of the host as a service, to be mounted in a server of yours. It answers while
    /// the channel listens, on a socket of its own or not.
    ///
    /// Clones of a channel share it; of those, the one that listens first has it.
    pub fn service(&self) -> HttpService {
        HttpService::new(Arc::clone(&self.mount))
    }

    /// Makes a channel that only dials.
    pub fn client() -> Self {
        Self {
            settings: ChannelSettings::new(SCHEME),
            listen_at: ListenAt::default(),
            base: None,
            mount: Arc::default(),
            gate: Gate::default(),
            security: Arc::default(),
            pool: OnceLock::new(),
            kept: OnceLock::new(),
        }
    }

    /// Has the channel listen with TLS: its URLs are `https://`.
    #[cfg(feature = "_tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::ServerTls) -> Self {
        Arc::make_mut(&mut self.security).server = Some(tls);
        self
    }

    /// Says whom the channel trusts when it dials an `https://` or `wss://` URL, and what it shows.
    /// Without it, it trusts whom the system trusts, and shows nothing.
    #[cfg(feature = "_tls")]
    #[must_use]
    pub fn client_tls(mut self, tls: crate::ClientTls) -> Self {
        Arc::make_mut(&mut self.security).client = tls;
        self.pool = OnceLock::new();
        self
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

    /// Shows a token to all servers that the channel calls, to prove who this side is: in the header
    /// `Authorization`, and to sessions in their HELLO. It goes only where nobody on the way can read it: through TLS,
    /// or to this machine.
    #[must_use]
    pub fn token(mut self, token: impl Into<Token>) -> Self {
        self.settings.token = Some(token.into());
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

    /// Lets the channel listen with TLS where other machines reach it, although callers do not say
    /// who they are.
    #[must_use]
    pub fn allow_anonymous(mut self) -> Self {
        self.listen_at.allow_anonymous();
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
        if let Some(base) = &self.base {
            return self.start_mounted(base, acceptor).map(Some);
        }
        let scheme = self.scheme();
        let shelter = Shelter::of(&self.security, &acceptor);
        let Some((listener, bound)) = self.listen_at.bind(scheme, &acceptor, shelter).await? else {
            return Ok(None);
        };
        let (stop, stopping) = watch::channel(());
        let service = self.serve(acceptor.clone(), self.gate.clone(), "");
        let opened = self.mount.open(&service);
        let own = acceptor.clone();
        let door = Arc::new(Door {
            security: Arc::clone(&self.security),
            service,
            acceptor,
            farewells: Farewells::default(),
            stopping,
        });
        let accepting = accept_all(
            listener,
            move |stream, peer| door.welcome(stream, peer),
            move || own.shortage(),
        );
        Ok(Some(Listener {
            address: format!("{scheme}://{bound}"),
            guard: Box::new(Listening {
                _accepting: accepting,
                _stop: stop,
                _opened: opened,
            }),
        }))
    }

    fn serve(&self, acceptor: Acceptor, gate: Gate, path: &str) -> Arc<Service> {
        let kept = self
            .kept
            .get_or_init(|| Kept::new(acceptor.limits().kept_answers))
            .clone();
        Arc::new(Service::new(acceptor, gate, path, kept))
    }

    fn start_mounted(&self, base: &str, acceptor: Acceptor) -> Result<Listener, Error> {
        let Base { name, path, url } = read_base(base)?;
        let mut gate = self.gate.clone();
        gate.hosts.push(name);
        let service = self.serve(acceptor, gate, &path);
        let opened = self.mount.open(&service).ok_or_else(|| {
            let text = format!("a clone of the channel at `{url}` is mounted already");
            Error::new(ErrorKind::ChannelTaken, text)
        })?;
        Ok(Listener {
            address: url,
            guard: Box::new(opened),
        })
    }
}

/// Ends the listening when dropped, and each connection after the request that is under way.
struct Listening {
    _accepting: AcceptGuard,
    _stop: watch::Sender<()>,
    _opened: Option<Opened>,
}

impl Channel for HttpChannel {
    fn scheme(&self) -> &'static str {
        match self.security.is_secure() {
            true => SECURE,
            false => SCHEME,
        }
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
        check_address(url.authority()).map_err(|what| url.invalid(&what))
    }

    fn serves(&self, scheme: &str) -> bool {
        [SCHEME, SECURE, SESSIONS, SECURE_SESSIONS].contains(&scheme)
    }

    fn session_url(&self, url: &ObjectUrl) -> Option<ObjectUrl> {
        match url.scheme() {
            SCHEME => Some(url.over(SESSIONS)),
            SECURE => Some(url.over(SECURE_SESSIONS)),
            _ => None,
        }
    }

    /// Connects nowhere yet, but for a session: connections are made by calls, and kept for the next ones.
    fn dial<'a>(&'a self, url: &'a ObjectUrl) -> BoxFuture<'a, Result<Dialed, Error>> {
        Box::pin(async move {
            needs_runtime()?;
            let is_private = is_secure(url.scheme()) || self.listen_at.allows_plaintext();
            self.settings.check_token(url, is_private)?;
            if [SESSIONS, SECURE_SESSIONS].contains(&url.scheme()) {
                let link = websocket::open(url, &self.settings.formatter, &self.security).await?;
                return Ok(Dialed::Link(link));
            }
            let make = || pool(Arc::clone(&self.security));
            let pool = self.pool.get_or_init(make).clone();
            let server = Server::new(pool, &self.security, url.base(), &self.settings.token);
            Ok(Dialed::Exchange(Arc::new(server)))
        })
    }
}

impl fmt::Debug for HttpChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpChannel")
            .field("settings", &self.settings)
            .field("listen_at", &self.listen_at)
            .field("base", &self.base)
            .field("gate", &self.gate)
            .field("security", &self.security)
            .finish_non_exhaustive()
    }
}
