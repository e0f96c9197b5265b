//! A process's place in the world of objects: channels, publications, connections.
//!
//! A server publishes through its host and a client finds objects through its own;
//! most programs have one. Dropping the last handle of a host says goodbye to all
//! peers, at once; [`Host::run_until`] does it in good order.

mod acceptor;
mod addresses;
mod binding;
mod builder;
mod channels;
mod connect;
mod connections;
mod construct;
mod dialling;
mod door;
mod drain;
mod entry;
mod exchange;
mod exchanging;
mod find;
mod leases;
mod lookup;
mod marshalled;
mod named;
mod object_ref;
mod offer;
mod origin;
mod peers;
mod reach;
mod register;
mod registrations;
mod registry;
mod run;
mod streaming;
mod ticketed;
mod tickets;

#[cfg(all(test, feature = "macros"))]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use self::builder::HostSettings;
use self::channels::Registered;
use self::door::Door;
use self::exchange::Through;
use self::peers::Peers;
use self::registry::Registry;
use crate::connection::{ConnectionConfig, Label, Service};
use crate::id::InterfaceId;
use crate::limits::{Counters, Limits};
use crate::peer::Peer;
use crate::proxy::{ConnectPolicy, own_runtime, runtime};
use crate::session::End;
use crate::sink::{CallMessage, ReplyMessage};

pub use builder::HostBuilder;
pub use channels::ChannelHandle;
pub use leases::LeaseReport;
pub use object_ref::{ObjectName, ObjectRef};
pub use registrations::activate_registered;
pub use run::{Drained, RunUntil};

/// A process's place in the world of objects. A handle: cheap to clone.
#[derive(Clone)]
pub struct Host(Arc<HostInner>);

pub(crate) struct HostInner {
    registry: Arc<Registry>,
    channels: Mutex<Vec<Arc<Registered>>>,
    peers: Peers,
    door: Arc<Door>,
    well_known: Mutex<HashMap<InterfaceId, String>>,
    allow_plaintext: bool,
    allow_anonymous: bool,
    connect_policy: ConnectPolicy,
    /// Drawn at random, so that peers can tell this host from one that is started in its place.
    incarnation: u64,
    /// Whether connections are driven by a runtime of our own, and not by that of the first caller.
    on_own_runtime: bool,
    /// The host stops, or has stopped.
    leaving: AtomicBool,
    /// How many channels cannot accept connections at the moment.
    shortages: Arc<AtomicUsize>,
}

impl HostInner {
    fn new(settings: HostSettings) -> Self {
        let on_own_runtime = settings.on_own_runtime;
        let connect_policy = settings.connect_policy;
        let (allow_plaintext, allow_anonymous) =
            (settings.allow_plaintext, settings.allow_anonymous);
        Self {
            door: Arc::new(Door::of_host(&settings.limits)),
            registry: Registry::new(settings),
            channels: Mutex::default(),
            peers: Peers::default(),
            well_known: Mutex::default(),
            allow_plaintext,
            allow_anonymous,
            connect_policy,
            incarnation: crate::jitter::number().max(1),
            on_own_runtime,
            leaving: AtomicBool::new(false),
            shortages: Arc::default(),
        }
    }

    /// The runtime on which connections are dialled and driven.
    fn runtime(&self) -> Handle {
        if self.on_own_runtime {
            own_runtime()
        } else {
            runtime()
        }
    }

    fn channels(&self) -> MutexGuard<'_, Vec<Arc<Registered>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What connections of a channel are made of.
    fn connection_config(&self, channel: &Registered) -> ConnectionConfig {
        ConnectionConfig {
            service: Arc::clone(&self.registry) as _,
            limits: Arc::clone(channel.limits()),
            counters: Arc::clone(&self.registry.counters),
            formatter: channel.channel().settings().formatter.clone(),
            client_sinks: channel.behind(&self.registry.client_sinks),
            server_sinks: channel.behind(&self.registry.server_sinks),
            codecs: self.registry.codecs(),
            incarnation: self.incarnation,
            origin: None,
            token: None,
            label: Label {
                channel: channel.name().into(),
                dialled: None,
            },
        }
    }
}

impl Drop for HostInner {
    fn drop(&mut self) {
        registrations::forget(self);
        let channels = std::mem::take(&mut *self.channels());
        for channel in &channels {
            channel.stop_at_once();
        }
        // Before the peers are told, so that it is not them who seem to have let go.
        self.registry.keeper().close();
        self.registry.closing.send_replace(true);
        let accepted = channels.iter().flat_map(|channel| channel.connections());
        for connection in accepted.chain(self.peers.connections(None)) {
            connection.shut(End::HostGone);
        }
        self.peers.wake();
    }
}

impl Host {
    /// Begins to put a host together.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    fn from_inner(inner: HostInner) -> Self {
        Self(Arc::new(inner))
    }

    fn from_inner_arc(inner: Arc<HostInner>) -> Self {
        Self(inner)
    }

    /// Runs one call as if it had come through a channel without sessions.
    pub async fn exchange(&self, call: CallMessage) -> ReplyMessage {
        let registry = Arc::clone(&self.0.registry);
        let limits = Arc::clone(&registry.limits);
        let sinks = registry.server_sinks.clone();
        let through = Through::new(limits, sinks);
        exchange::run(registry, through, call, Peer::local()).await
    }

    /// The bounds of the host. What holds for one of its channels, [`ChannelHandle::limits`] says.
    pub fn limits(&self) -> &Limits {
        &self.0.registry.limits
    }

    /// How often each bound was reached, those of channels included.
    pub fn counters(&self) -> &Counters {
        &self.0.registry.counters
    }

    /// How many objects are kept here: activated, marshalled, or sent by reference.
    pub fn kept_objects(&self) -> usize {
        self.0.registry.objects()
    }

    /// How many connections are open, dialled and accepted.
    pub fn open_connections(&self) -> usize {
        let accepted: usize = self
            .0
            .channels()
            .iter()
            .map(|channel| channel.connections().len())
            .sum();
        let dialled = self.0.peers.connections(None);
        accepted
            + dialled
                .iter()
                .filter(|connection| !connection.is_closed())
                .count()
    }

    /// Says goodbye to all peers and stops, at once. Calls under way end with an error.
    pub fn shutdown(&self) {
        // What stops to listen may be a user's: the list is not locked meanwhile.
        let channels = self.0.channels().clone();
        for channel in &channels {
            channel.stop_at_once();
        }
        for connection in self.all_connections() {
            connection.shut(End::HostGone);
        }
    }

    /// Loses all connections, as if the network had: nobody says goodbye.
    pub(crate) fn cut(&self) {
        for connection in self.all_connections() {
            connection.shut(End::Lost("cut by a test".to_owned()));
        }
    }

    /// Loses the connections that this host has dialled.
    #[cfg(test)]
    fn cut_dialled(&self) {
        for connection in self.0.peers.connections(None) {
            connection.shut(End::Lost("cut by a test".to_owned()));
        }
    }

    fn all_connections(&self) -> Vec<Arc<crate::connection::Connection>> {
        let channels = self.0.channels().clone();
        let accepted = channels.iter().flat_map(|channel| channel.connections());
        accepted.chain(self.0.peers.connections(None)).collect()
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("channels", &self.channels())
            .field("published", &self.published())
            .field("connections", &self.open_connections())
            .finish_non_exhaustive()
    }
}

/// Two hosts are the same if they are handles of one.
impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Host {}
