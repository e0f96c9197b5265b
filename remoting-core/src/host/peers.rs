//! The hosts that this host has called: one connection for each, dialled when it is needed.

use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::HostInner;
use super::addresses::{self, Answered};
use super::channels::Registered;
use super::dialling::Dialling;
use super::origin::Dialled;
use crate::channel::{BoxFuture, Dialed, Exchange};
use crate::clock;
use crate::connection::{
    Connection, ConnectionChange, ConnectionConfig, ConnectionEvent, ConnectionInfo, Direction,
};
use crate::error::{Error, ErrorKind};
use crate::jitter::Backoff;
use crate::log::Seldom;
use crate::session::End;
use crate::url::ObjectUrl;

/// Connections that were dialled, by channel and URL without a name.
#[derive(Default)]
pub(super) struct Peers {
    table: Mutex<HashMap<(u64, String), Arc<Peer>>>,
}

/// One peer.
#[derive(Default)]
struct Peer {
    known: Mutex<Known>,
    /// Told when there is a connection.
    there: Notify,
    /// How many calls dial until there is one.
    waiting: AtomicUsize,
}

#[derive(Default)]
struct Known {
    route: Option<Route>,
    /// A dialling that is under way.
    dialling: Option<Dialling<Route>>,
    /// Which of the addresses is dialled first: the one that worked last.
    first: usize,
    /// Which of them it is that the connection goes to, or last did.
    at: usize,
    /// Whether the other side of an exchange could not be reached when it was tried last.
    in_doubt: bool,
    /// When those who wait dial again.
    backoff: Backoff,
    /// Why the last dialling has failed, if it has.
    failure: Option<String>,
    /// When a failure was told last.
    told: Seldom,
}

/// The way to a [`Route`], as a call takes it along.
pub(super) type Reaching = BoxFuture<'static, Result<Arc<dyn Any + Send + Sync>, Error>>;

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
        (channel, url): (&Arc<Registered>, &ObjectUrl),
        mut config: ConnectionConfig,
        host: Weak<HostInner>,
        runtime: &Handle,
    ) -> Reaching {
        let peer = self.peer(channel, url);
        // The channel's own code runs without a lock.
        config.token = channel.channel().settings().token.clone();
        let (dialling, is_first) = {
            let mut known = peer.known();
            if let Some(route) = known.ready().filter(|_| !known.in_doubt) {
                return Box::pin(std::future::ready(Ok(Arc::new(route) as _)));
            }
            match known.dialling.clone().filter(Dialling::is_under_way) {
                Some(dialling) => (dialling, false),
                None => {
                    let (channel, url) = (Arc::clone(channel), url.clone());
                    let peer = Arc::clone(&peer);
                    let dial = async move { peer.dial((&channel, &url), config, &host).await };
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

    /// Lets the pause before the next dialling pass, if there is one. It ends early when there is a connection.
    pub(super) fn pause(
        &self,
        channel: &Registered,
        url: &ObjectUrl,
    ) -> impl Future<Output = ()> + Send + use<> {
        let peer = self.peer(channel, url);
        async move {
            loop {
                let there = peer.there.notified();
                let pause = {
                    let known = peer.known();
                    let pause = known.backoff.pause(clock::now());
                    pause.filter(|_| !known.is_connected())
                };
                let Some(until) = pause else { return };
                let waited = tokio::time::timeout_at(until.into(), there).await;
                if waited.is_ok() {
                    return;
                }
            }
        }
    }

    /// Ends all pauses: the host is gone, as those who wait will find out.
    pub(super) fn wake(&self) {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        for peer in table.values() {
            peer.there.notify_waiters();
        }
    }

    /// Notes that a call dials until there is a connection, until dropped.
    pub(super) fn wait_for(&self, channel: &Registered, url: &ObjectUrl) -> Waiting {
        let peer = self.peer(channel, url);
        peer.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(peer)
    }

    /// What is being dialled by a channel, or will be again because calls wait.
    pub(super) fn under_way(&self, channel: &Registered) -> Vec<ConnectionInfo> {
        let (name, own) = (channel.name(), channel.number());
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let peers = table.iter().filter(|((number, _), _)| own == *number);
        peers
            .filter_map(|((_, base), peer)| peer.wanted(name, base))
            .collect()
    }

    /// Notes that a peer was there, and of no use: those who wait leave it in peace for a while.
    pub(super) fn failed(&self, (channel, url): (&Registered, &ObjectUrl), error: &Error) {
        let peer = self.peer(channel, url);
        let mut known = peer.known();
        known.failed();
        known.failure = Some(error.to_string());
    }

    /// Whether it is to be told now that a peer could not be reached.
    pub(super) fn take_turn(&self, channel: &Registered, url: &ObjectUrl) -> bool {
        let peer = self.peer(channel, url);
        peer.known().told.take_turn(clock::now())
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
        // A channel's own code ends with them, which is not to run under the lock.
        let mut spent = Vec::new();
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if !table.contains_key(&key) {
            // Peers that have gone are forgotten when a new one comes.
            table.retain(|_, peer| {
                let stays = Arc::strong_count(peer) > 1 || !peer.known().is_spent();
                spent.extend((!stays).then(|| Arc::clone(peer)));
                stays
            });
        }
        Arc::clone(table.entry(key).or_default())
    }
}

impl Peer {
    /// How the connection is that is being dialled, or waited for.
    fn wanted(&self, channel: &str, base: &str) -> Option<ConnectionInfo> {
        let calls = self.waiting.load(Ordering::Relaxed);
        let known = self.known();
        let dialling = known.dialling.as_ref().is_some_and(Dialling::is_under_way);
        let awaited = calls > 0 && !known.is_connected();
        (dialling || awaited).then(|| ConnectionInfo {
            calls_out: calls,
            failure: known.failure.clone(),
            ..ConnectionInfo::dialling(channel, base)
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Dials, and remembers what came of it.
    async fn dial(
        &self,
        (channel, url): (&Arc<Registered>, &ObjectUrl),
        config: ConnectionConfig,
        host: &Weak<HostInner>,
    ) -> Result<Route, Error> {
        let place = (channel, url);
        let result = self.attempt(place, config, host).await;
        match &result {
            Ok(route) => self.is_there(route),
            Err(error) => self.is_not_there(error, place, host),
        }
        if let (Ok(Route::Session(connection)), 0) = (&result, host.strong_count()) {
            // The host was dropped meanwhile, and knew nothing of this connection.
            connection.shut(End::HostGone);
        }
        result
    }

    async fn attempt(
        &self,
        (channel, url): (&Arc<Registered>, &ObjectUrl),
        config: ConnectionConfig,
        host: &Weak<HostInner>,
    ) -> Result<Route, Error> {
        let known = self.known().ready();
        if let Some(Route::Exchange(exchange)) = known {
            // Which is in doubt.
            let probed = exchange.probe().await;
            return probed.map(|()| Route::Exchange(exchange));
        }
        let first = self.known().first();
        let answered = addresses::dial(channel, url, first).await?;
        if let Some((number, _)) = answered.at {
            let mut known = self.known();
            (known.first, known.at) = (number, number);
        }
        Ok(begin(answered, (channel, url), config, host))
    }

    fn is_there(&self, route: &Route) {
        let spent = {
            let mut known = self.known();
            known.dialling = None;
            known.in_doubt = false;
            known.failure = None;
            known.route.replace(route.clone())
        };
        drop(spent);
        self.there.notify_waiters();
    }

    fn is_not_there(
        &self,
        error: &Error,
        (channel, url): (&Arc<Registered>, &ObjectUrl),
        host: &Weak<HostInner>,
    ) {
        let why = error.to_string();
        let now = clock::now();
        let (next, is_due) = {
            let mut known = self.known();
            known.dialling = None;
            known.backoff.failed(now);
            known.failure = Some(why.clone());
            (known.backoff.left(now), known.told.take_turn(now))
        };
        let Some(host) = host.upgrade().filter(|_| is_due) else {
            return;
        };
        let next = next.filter(|_| self.waiting.load(Ordering::Relaxed) > 0);
        host.registry.events.tell(|| ConnectionEvent {
            what: ConnectionChange::DialFailed { why, next },
            channel: channel.name().into(),
            direction: Direction::Dialled,
            peer: url.base().into(),
        });
    }
}

/// Makes a way to a peer of what dialling gave.
fn begin(
    Answered { dialed, at }: Answered,
    (channel, url): (&Arc<Registered>, &ObjectUrl),
    mut config: ConnectionConfig,
    host: &Weak<HostInner>,
) -> Route {
    match dialed {
        Dialed::Link(link) => {
            let address = at.map(|(_, address)| address);
            let reached = address.as_ref().unwrap_or(url);
            config.label.dialled = Some(reached.base().into());
            config.origin = Some(Arc::new(Dialled {
                host: Weak::clone(host),
                channel: Arc::downgrade(channel),
                url: url.clone(),
                address,
            }));
            Route::Session(Connection::start(config, link, Box::new(()), None))
        }
        Dialed::Exchange(exchange) => Route::Exchange(exchange),
    }
}

impl Known {
    /// Notes that the peer was of no use.
    fn failed(&mut self) {
        self.in_doubt |= matches!(&self.route, Some(Route::Exchange(_)));
        self.backoff.failed(clock::now());
    }

    /// Which of the addresses is to be dialled first.
    fn first(&self) -> usize {
        match &self.route {
            // Who has let nobody in there, or stands still, does so for everybody: the next address is tried first.
            Some(Route::Session(session)) if session.is_closed() && !session.is_greeted() => {
                self.at.saturating_add(1)
            }
            _ => self.first,
        }
    }

    fn ready(&self) -> Option<Route> {
        self.route.clone().filter(Route::works)
    }

    /// Whether there is a connection that takes calls. Without sessions, nobody knows.
    fn is_connected(&self) -> bool {
        matches!(self.ready(), Some(Route::Session(_)))
    }

    /// Whether there is nothing to remember.
    fn is_spent(&self) -> bool {
        let closed = match &self.route {
            Some(Route::Session(connection)) => connection.is_closed(),
            // It has no connection: whoever needs it again makes another.
            Some(Route::Exchange(exchange)) => Arc::strong_count(exchange) == 1,
            None => true,
        };
        closed && self.dialling.is_none()
    }
}

/// A call that dials until there is a connection.
pub(super) struct Waiting(Arc<Peer>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The error of a proxy whose host was dropped.
pub(super) fn host_is_gone() -> Error {
    Error::new(
        ErrorKind::Disconnected,
        "the host that the proxy was got from has been dropped; keep it as long as its proxies",
    )
}
