//! The channels of a host: registered, listed, listening or not.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::HostInner;
use super::acceptor::HostAcceptor;
use super::door::Door;
use super::drain::{Calls, LEAST, cut};
use crate::channel::{Acceptor, Channel, Listener};
use crate::connection::Connection;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::sink::Sinks;

/// A channel and what the host knows of it.
pub(super) struct Registered {
    channel: Box<dyn Channel>,
    number: u64,
    /// The bounds that hold for it: the host's, and its own in their place.
    limits: Arc<Limits>,
    /// Who came in through it.
    door: Arc<Door>,
    /// What its calls pass through, in both directions.
    sinks: Sinks,
    state: Mutex<Listening>,
    /// How many connections came in through it that have no session, and requests without a connection of its own.
    pub(super) visits: Arc<watch::Sender<usize>>,
    /// The calls among them that run.
    pub(super) calls: Calls,
    /// Callers had better go elsewhere: it stops to listen, or will soon.
    pub(super) leaving: AtomicBool,
    /// What has no session is not waited for any more.
    pub(super) cut: watch::Sender<bool>,
    /// Held while listening starts or stops.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Listening {
    listener: Option<Listener>,
    /// Whether it has listened and was stopped, also before it could say where.
    is_stopped: bool,
    /// Where it listens, or last did.
    address: Option<String>,
    accepted: Vec<Weak<Connection>>,
}

impl Registered {
    /// - `limits`: those of the host.
    pub(super) fn new(channel: Box<dyn Channel>, limits: &Limits) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let own = &channel.settings().limits;
        let sinks = channel.settings().sinks.iter().cloned().collect();
        Self {
            number,
            limits: Arc::new(own.on(limits)),
            door: Arc::new(Door::of_channel(own)),
            sinks,
            channel,
            state: Mutex::default(),
            visits: Arc::default(),
            calls: Calls::default(),
            leaving: AtomicBool::new(false),
            cut: watch::Sender::new(false),
            changing: tokio::sync::Mutex::new(()),
        }
    }

    pub(super) fn channel(&self) -> &dyn Channel {
        &*self.channel
    }

    /// A number that no other channel of the process has.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn name(&self) -> &str {
        &self.channel.settings().name
    }

    pub(super) fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    pub(super) fn door(&self) -> &Arc<Door> {
        &self.door
    }

    /// The sinks of the host, and behind them those of the channel.
    pub(super) fn behind(&self, host: &Sinks) -> Sinks {
        host.clone().then(self.sinks.clone())
    }

    /// Where the channel listens now.
    pub(super) fn address(&self) -> Option<String> {
        self.state()
            .listener
            .as_ref()
            .map(|listener| listener.address.clone())
    }

    /// Adds a connection that came in through the channel.
    pub(super) fn accepted(&self, connection: &Arc<Connection>) {
        let mut state = self.state();
        if state.accepted.len() == state.accepted.capacity() {
            state
                .accepted
                .retain(|connection| connection.strong_count() > 0);
        }
        state.accepted.push(Arc::downgrade(connection));
    }

    /// The connections that came in through the channel and are not closed.
    pub(super) fn connections(&self) -> Vec<Arc<Connection>> {
        self.state()
            .accepted
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|connection| !connection.is_closed())
            .collect()
    }

    /// Starts to listen, if the channel is one that listens.
    pub(super) async fn listen(self: &Arc<Self>, host: &Arc<HostInner>) -> Result<()> {
        let _turn = self.changing.lock().await;
        if self.state().listener.is_some() {
            return Ok(());
        }
        self.leaving.store(false, Ordering::Relaxed);
        self.state().is_stopped = false;
        self.calls.go_on();
        self.cut.send_replace(false);
        let acceptor = Acceptor::new(Arc::new(HostAcceptor::new(host, self)));
        if let Some(listener) = self.channel.listen(acceptor).await? {
            tracing::info!(target: "remoting::channel", channel = self.name(), address = %listener.address, "listening");
            let mut state = self.state();
            state.address = Some(listener.address.clone());
            state.listener = Some(listener);
            host.leaving.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Stops to listen, and closes what came in when its calls have ended.
    ///
    /// - `drain`: how long calls may go on; the peers are told. Then they are cut.
    pub(super) async fn stop(&self, drain: Duration) {
        let _turn = self.changing.lock().await;
        // The peers are told first: once the channel says that it does not listen, it takes no calls.
        self.send_away(drain);
        let listener = self.take_listener();
        if let Some(listener) = &listener {
            tracing::info!(target: "remoting::channel", channel = self.name(), address = %listener.address, "stopped listening");
        }
        drop(listener);
        self.send_away(drain);
        self.end_away();
        if timeout(drain.max(LEAST), self.wait_deserted())
            .await
            .is_err()
        {
            cut(&[self]).await;
        }
    }

    /// Stops to listen, without waiting for anything.
    pub(super) fn stop_at_once(&self) {
        let listener = self.take_listener();
        drop(listener);
    }

    fn take_listener(&self) -> Option<Listener> {
        let mut state = self.state();
        state.is_stopped = true;
        state.listener.take()
    }

    /// Whether the channel listens no more. It may be too early to say where it does.
    pub(super) fn is_stopped(&self) -> bool {
        self.state().is_stopped
    }

    fn state(&self) -> MutexGuard<'_, Listening> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A channel of a running host.
///
/// Cheap to clone. Keeps neither the host nor the channel alive beyond its host.
#[derive(Clone)]
pub struct ChannelHandle {
    pub(super) registered: Arc<Registered>,
    pub(super) host: Weak<HostInner>,
}

impl ChannelHandle {
    /// The name under which the channel was registered.
    pub fn name(&self) -> &str {
        self.registered.name()
    }

    /// The scheme of the channel's URLs.
    pub fn scheme(&self) -> &'static str {
        self.registered.channel().scheme()
    }

    /// The priority: channels with a higher one are listed, and tried, first.
    pub fn priority(&self) -> i32 {
        self.registered.channel().settings().priority
    }

    /// The bounds that hold for the channel: the host's, and in their place its own.
    pub fn limits(&self) -> &Limits {
        self.registered.limits()
    }

    /// Where the channel listens, with the port it really has: `tcp://127.0.0.1:40123`.
    ///
    /// `None` while it does not listen.
    pub fn address(&self) -> Option<String> {
        self.registered.address()
    }

    /// The URL of a publication through this channel, while it listens.
    pub fn url(&self, name: &str) -> Option<String> {
        self.address().map(|address| format!("{address}/{name}"))
    }

    /// Whether the channel accepts connections.
    pub fn is_listening(&self) -> bool {
        self.address().is_some()
    }

    /// Stops to listen: no new connections, and those there are close when the calls
    /// under way have ended, or have taken as long as `Limits::max_deadline`. Sessions that wait for their peer to come
    /// back end. Ends when all are closed; the channel stays registered.
    ///
    /// A dropped future leaves the listening stopped and the connections closing.
    /// (.NET: `StopListening`, which let old connections go on.)
    pub async fn stop_listening(&self) {
        let drain = match self.host.strong_count() {
            0 => Duration::ZERO,
            _ => self.registered.limits.max_deadline,
        };
        self.registered.stop(drain).await;
    }

    /// Listens again, at the address and the port where the channel listened before.
    ///
    /// # Errors
    ///
    /// - `ChannelTaken`: the address is in use.
    /// - `Disconnected`: the host has been dropped.
    pub async fn start_listening(&self) -> Result<()> {
        let host = self.host.upgrade().ok_or_else(|| {
            Error::new(
                ErrorKind::Disconnected,
                "the channel's host has been dropped",
            )
        })?;
        self.registered.listen(&host).await
    }
}

impl fmt::Debug for ChannelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelHandle")
            .field("name", &self.name())
            .field("scheme", &self.scheme())
            .field("priority", &self.priority())
            .field("address", &self.address())
            .finish()
    }
}
