//! The hosts that this host has called: one connection for each, dialled when it is needed.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::runtime::Handle;

use super::HostInner;
use super::channels::Registered;
use super::dialling::Dialling;
use crate::authentication::Token;
use crate::channel::{BoxFuture, Dialed, Exchange, Link};
use crate::connection::{Connection, ConnectionConfig, Origin};
use crate::error::{Error, ErrorKind};
use crate::proxy::OnRuntime;
use crate::session::End;
use crate::url::ObjectUrl;

/// Connections that were dialled, by channel and URL without a name.
#[derive(Default)]
pub(super) struct Peers {
    table: Mutex<HashMap<(u64, String), Arc<Peer>>>,
}

/// One peer.
#[derive(Default)]
struct Peer(Mutex<Known>);

#[derive(Default)]
struct Known {
    route: Option<Route>,
    /// A dialling that is under way.
    dialling: Option<Dialling<Route>>,
}

/// How calls get to a peer.
#[derive(Clone)]
pub(super) enum Route {
    Session(Arc<Connection>),
    Exchange(Arc<dyn Exchange>),
}

impl Route {
    fn works(&self) -> bool {
        match self {
            Self::Session(connection) => connection.can_call(),
            Self::Exchange(_) => true,
        }
    }
}

impl Peers {
    /// The connection to a peer, if there is one that takes calls.
    pub(super) fn ready(&self, channel: &Registered, url: &ObjectUrl) -> Option<Route> {
        self.peer(channel, url).known().ready()
    }

    /// Gives the connection to a peer, dialling if need be.
    ///
    /// Many callers make one connection, which nobody's giving up ends.
    ///
    /// - `runtime`: dials, and drives the connection.
    pub(super) fn dial(
        &self,
        channel: &Arc<Registered>,
        url: &ObjectUrl,
        mut config: ConnectionConfig,
        host: Weak<HostInner>,
        runtime: &Handle,
    ) -> BoxFuture<'static, Result<Arc<dyn Any + Send + Sync>, Error>> {
        let peer = self.peer(channel, url);
        let (dialling, is_first) = {
            let mut known = peer.known();
            if let Some(route) = known.ready() {
                return Box::pin(std::future::ready(Ok(Arc::new(route) as _)));
            }
            match known.dialling.clone().filter(Dialling::is_under_way) {
                Some(dialling) => (dialling, false),
                None => {
                    config.token = channel.channel().settings().token.clone();
                    config.origin = Some(Dialled::origin(&host, channel, url));
                    let (channel, url) = (Arc::clone(channel), url.clone());
                    let peer = Arc::clone(&peer);
                    let dial = async move { peer.dial(&channel, &url, config, &host).await };
                    let dialling = Dialling::new(runtime, dial);
                    known.dialling = Some(dialling.clone());
                    (dialling, true)
                }
            }
        };
        if is_first {
            let first = dialling.lead();
            Box::pin(async move { Ok(Arc::new(first.await?) as _) })
        } else {
            let another = dialling.join();
            Box::pin(async move { Ok(Arc::new(another.await?) as _) })
        }
    }

    /// All connections of a channel, or of all channels.
    pub(super) fn connections(&self, channel: Option<u64>) -> Vec<Arc<Connection>> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let peers = table
            .iter()
            .filter(|((number, _), _)| channel.is_none_or(|channel| channel == *number));
        peers
            .filter_map(|(_, peer)| match &peer.known().route {
                Some(Route::Session(connection)) => Some(Arc::clone(connection)),
                Some(Route::Exchange(_)) | None => None,
            })
            .collect()
    }

    fn peer(&self, channel: &Registered, url: &ObjectUrl) -> Arc<Peer> {
        let key = (channel.number(), url.base());
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if !table.contains_key(&key) {
            // Peers that have gone are forgotten when a new one comes.
            table.retain(|_, peer| Arc::strong_count(peer) > 1 || !peer.known().is_spent());
        }
        Arc::clone(table.entry(key).or_default())
    }
}

impl Peer {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Dials, and remembers what came of it.
    async fn dial(
        &self,
        channel: &Registered,
        url: &ObjectUrl,
        config: ConnectionConfig,
        host: &Weak<HostInner>,
    ) -> Result<Route, Error> {
        let dialed = channel.channel().dial(url).await;
        let result = dialed.map(|dialed| match dialed {
            Dialed::Link(link) => {
                Route::Session(Connection::start(config, link, Box::new(()), None))
            }
            Dialed::Exchange(exchange) => Route::Exchange(exchange),
        });
        let spent = {
            let mut known = self.known();
            known.dialling = None;
            result
                .as_ref()
                .ok()
                .and_then(|route| known.route.replace(route.clone()))
        };
        drop(spent);
        if let (Ok(Route::Session(connection)), 0) = (&result, host.strong_count()) {
            // The host was dropped meanwhile, and knew nothing of this connection.
            connection.shut(End::HostGone);
        }
        result
    }
}

impl Known {
    fn ready(&self) -> Option<Route> {
        self.route.clone().filter(Route::works)
    }

    /// Whether there is nothing to remember.
    fn is_spent(&self) -> bool {
        let closed = match &self.route {
            Some(Route::Session(connection)) => connection.is_closed(),
            Some(Route::Exchange(_)) => false,
            None => true,
        };
        closed && self.dialling.is_none()
    }
}

/// Where a connection was dialled to.
struct Dialled {
    host: Weak<HostInner>,
    channel: Weak<Registered>,
    url: ObjectUrl,
}

impl Dialled {
    fn origin(
        host: &Weak<HostInner>,
        channel: &Arc<Registered>,
        url: &ObjectUrl,
    ) -> Arc<dyn Origin> {
        Arc::new(Self {
            host: Weak::clone(host),
            channel: Arc::downgrade(channel),
            url: url.clone(),
        })
    }
}

impl Origin for Dialled {
    fn incarnation(&self) -> BoxFuture<'static, Option<u64>> {
        let (Some(host), Some(channel)) = (self.host.upgrade(), self.channel.upgrade()) else {
            return Box::pin(std::future::ready(None));
        };
        let config = host.connection_config(&channel);
        let own = Weak::clone(&self.host);
        let dialling = host
            .peers
            .dial(&channel, &self.url, config, own, &host.runtime());
        let patience = channel.limits().handshake_time;
        Box::pin(OnRuntime::new(async move {
            let told = async {
                let route = dialling.await.ok()?;
                match route.downcast_ref::<Route>()? {
                    Route::Session(connection) => connection.incarnation().await,
                    Route::Exchange(_) => None,
                }
            };
            tokio::time::timeout(patience, told).await.ok().flatten()
        }))
    }

    fn dial(&self) -> BoxFuture<'_, Result<Link, Error>> {
        Box::pin(async move {
            let channel = self.channel.upgrade().ok_or_else(host_is_gone)?;
            let dialed = channel.channel().dial(&self.url).await?;
            match dialed {
                Dialed::Link(link) => Ok(link),
                Dialed::Exchange(_) => {
                    let text = "the channel gives links no more";
                    Err(Error::new(ErrorKind::Unsupported, text))
                }
            }
        })
    }

    fn token(&self) -> Option<Token> {
        let channel = self.channel.upgrade()?;
        channel.channel().settings().token.clone()
    }
}

/// The error of a proxy whose host was dropped.
pub(super) fn host_is_gone() -> Error {
    Error::new(
        ErrorKind::Disconnected,
        "the host that the proxy was got from has been dropped; keep it as long as its proxies",
    )
}
