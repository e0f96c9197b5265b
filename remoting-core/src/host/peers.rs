//! The hosts that this host has called: one connection for each, dialled when it is needed.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::channels::Registered;
use crate::channel::{BoxFuture, Dialed, Exchange};
use crate::connection::{Connection, ConnectionConfig};
use crate::error::{Error, ErrorKind};
use crate::proxy::runtime;
use crate::url::ObjectUrl;

/// Connections that were dialled, by channel and address.
#[derive(Default)]
pub(super) struct Peers {
    table: Mutex<HashMap<(u64, String), Arc<Peer>>>,
}

/// One peer.
#[derive(Default)]
struct Peer {
    route: Mutex<Option<Route>>,
    /// Held while dialling, so that many callers make one connection.
    dialling: tokio::sync::Mutex<()>,
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
        self.peer(channel, url).ready()
    }

    /// Gives the connection to a peer, dialling if need be.
    pub(super) fn dial(
        &self,
        channel: Arc<Registered>,
        url: ObjectUrl,
        config: ConnectionConfig,
    ) -> BoxFuture<'static, Result<Arc<dyn Any + Send + Sync>, Error>> {
        let peer = self.peer(&channel, &url);
        let dialling = async move {
            let _turn = peer.dialling.lock().await;
            if let Some(route) = peer.ready() {
                return Ok(Arc::new(route) as Arc<dyn Any + Send + Sync>);
            }
            let route = match channel.channel().dial(&url).await? {
                Dialed::Link(link) => Route::Session(Connection::start(config, link, (), None)),
                Dialed::Exchange(exchange) => Route::Exchange(exchange),
            };
            *peer.route.lock().unwrap_or_else(PoisonError::into_inner) = Some(route.clone());
            Ok(Arc::new(route) as Arc<dyn Any + Send + Sync>)
        };
        Box::pin(OnRuntime {
            runtime: runtime(),
            future: Box::pin(dialling),
        })
    }

    /// All connections of a channel, or of all channels.
    pub(super) fn connections(&self, channel: Option<u64>) -> Vec<Arc<Connection>> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let peers = table
            .iter()
            .filter(|((number, _), _)| channel.is_none_or(|channel| channel == *number));
        peers
            .filter_map(|(_, peer)| {
                match &*peer.route.lock().unwrap_or_else(PoisonError::into_inner) {
                    Some(Route::Session(connection)) => Some(Arc::clone(connection)),
                    Some(Route::Exchange(_)) | None => None,
                }
            })
            .collect()
    }

    fn peer(&self, channel: &Registered, url: &ObjectUrl) -> Arc<Peer> {
        let key = (channel.number(), url.authority().to_owned());
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(table.entry(key).or_default())
    }
}

impl Peer {
    fn ready(&self) -> Option<Route> {
        let route = self
            .route
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()?;
        route.works().then_some(route)
    }
}

/// A future that finds a runtime wherever it is polled.
struct OnRuntime {
    runtime: tokio::runtime::Handle,
    future: BoxFuture<'static, Result<Arc<dyn Any + Send + Sync>, Error>>,
}

impl Future for OnRuntime {
    type Output = Result<Arc<dyn Any + Send + Sync>, Error>;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        let this = &mut *self;
        let _runtime = this.runtime.enter();
        this.future.as_mut().poll(cx)
    }
}

/// The error of a proxy whose host was dropped.
pub(super) fn host_is_gone() -> Error {
    Error::new(
        ErrorKind::Disconnected,
        "the host that the proxy was got from has been dropped; keep it as long as its proxies",
    )
}
