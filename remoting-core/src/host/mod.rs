//! A process's place in the world of objects: channels, publications, connections.
//!
//! A server publishes through its host and a client finds objects through its own;
//! most programs have one. Dropping the last handle of a host says goodbye to all
//! peers, at once; [`Host::run_until`] does it in good order.

mod acceptor;
mod builder;
mod channels;
mod entry;
mod exchange;
mod named;
mod object_ref;
mod peers;
mod registrations;
mod registry;
mod run;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::acceptor::Door;
use self::channels::Registered;
use self::named::NamedEndpoint;
use self::peers::Peers;
use self::registry::Registry;
use crate::channel::Channel;
use crate::connection::ConnectionConfig;
use crate::descriptor::InterfaceDescriptor;
use crate::error::{Error, ErrorKind, Result};
use crate::formatter::FormatterRef;
use crate::id::InterfaceId;
use crate::limits::{Counters, Limits};
use crate::object::{Dispatch, Dispatcher, Publication};
use crate::proxy::{Activatable, Activator, Proxy, Reference};
use crate::session::End;
use crate::sink::{CallMessage, ReplyMessage};
use crate::url::ObjectUrl;

pub use builder::HostBuilder;
pub use channels::ChannelHandle;
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
}

impl HostInner {
    fn new(limits: Arc<Limits>, formatters: Vec<FormatterRef>, allow_plaintext: bool) -> Self {
        Self {
            registry: Arc::new(Registry::new(limits, formatters)),
            channels: Mutex::default(),
            peers: Peers::default(),
            door: Arc::default(),
            well_known: Mutex::default(),
            allow_plaintext,
        }
    }

    fn channels(&self) -> MutexGuard<'_, Vec<Arc<Registered>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What connections of a channel are made of.
    fn connection_config(&self, channel: &Registered) -> ConnectionConfig {
        ConnectionConfig {
            service: Arc::clone(&self.registry) as _,
            limits: Arc::clone(&self.registry.limits),
            counters: Arc::clone(&self.registry.counters),
            formatter: channel.channel().settings().formatter.clone(),
            codecs: self.registry.codecs(),
        }
    }
}

impl Drop for HostInner {
    fn drop(&mut self) {
        registrations::forget(self);
        let channels = std::mem::take(&mut *self.channels());
        for channel in &channels {
            channel.stop_at_once();
            for connection in channel.connections() {
                connection.shut(End::HostGone);
            }
        }
        for connection in self.peers.connections(None) {
            connection.shut(End::HostGone);
        }
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

    // ---- what this host offers

    /// Offers objects under a name: what `singleton`, `single_call` and `activated` of a dispatcher make.
    ///
    /// The names are the same on every channel.
    ///
    /// # Errors
    ///
    /// - `NameTaken`: something is published under that name, or an interface clashes with another one.
    /// - `InvalidUrl`: the name has other characters than letters, digits, `.`, `_`, `-`, or more than 128.
    pub fn publish(&self, name: &str, publication: Publication) -> Result<()> {
        self.0.registry.publish(name, publication.class)
    }

    /// Takes a publication back, however it was published. Tells whether there was one.
    ///
    /// Calls that run go on; later ones end with `ObjectGone(Disconnected)`. Objects
    /// that clients have activated stay theirs.
    pub fn unpublish(&self, name: &str) -> bool {
        self.0.registry.withdraw(name, false).unwrap_or(false)
    }

    /// Offers an object that already lives under a name.
    ///
    /// The same object under the same name again gives the same reference. An object
    /// that was disconnected may be marshalled again, and proxies got by its name work
    /// again. (.NET: `RemotingServices.Marshal`.)
    ///
    /// # Errors
    ///
    /// `NameTaken` if the name stands for something else, or the object has another
    /// name; those of [`Host::publish`].
    pub fn marshal<P, T>(&self, name: &str, object: Dispatcher<P, T>) -> Result<ObjectRef>
    where
        P: Dispatch<T>,
        T: Send + Sync + 'static,
    {
        let identity = object.identity();
        self.0.registry.marshal(name, object.into_class(), identity)?;
        Ok(ObjectRef::new(Arc::downgrade(&self.0), name, P::interface()))
    }

    /// Takes a marshalled object back: true the first time, false when it was gone already.
    ///
    /// - `object`: its name, or what `marshal` gave.
    ///
    /// # Errors
    ///
    /// `NotRegistered` if the reference is another host's, or the name was published
    /// rather than marshalled. (.NET: `RemotingServices.Disconnect`.)
    pub fn disconnect(&self, object: impl Into<ObjectName>) -> Result<bool> {
        let name = object.into().on(&self.0)?;
        self.0.registry.withdraw(&name, true)
    }

    /// The names under which something is published, sorted.
    pub fn published(&self) -> Vec<String> {
        let mut names = self.0.registry.names();
        names.sort_unstable();
        names
    }

    /// The URLs of a name: one for each channel that listens, those of higher priority first.
    pub fn urls(&self, name: &str) -> Vec<String> {
        self.channels().iter().filter_map(|channel| channel.url(name)).collect()
    }

    // ---- what this host calls

    /// Makes a proxy of an object at a URL. Nothing is sent: the first call connects.
    ///
    /// # Errors
    ///
    /// - `InvalidUrl`: the URL is not like `tcp://127.0.0.1:8080/bank`.
    /// - `NoChannel`: the host has no channel for the URL's scheme.
    ///
    /// (.NET: `Activator.GetObject`.)
    pub fn get<P: Proxy>(&self, url: &str) -> Result<P> {
        Ok(P::from_reference(Reference::new(self.endpoint(url, P::interface())?)))
    }

    /// Makes a proxy of an object at a URL, and finds out whether it is there.
    ///
    /// # Errors
    ///
    /// Those of [`Host::get`]; `ConnectFailed` if nobody answers at the address;
    /// `NotFound`, `ObjectGone` or `WrongInterface` if the object is not what was expected.
    pub async fn connect<P: Proxy>(&self, url: &str) -> Result<P> {
        let endpoint = self.endpoint(url, P::interface())?;
        endpoint.connect().await?;
        Ok(P::from_reference(Reference::new(endpoint)))
    }

    /// The way to the constructors of a publication: `host.activate::<AccountProxy>(url)?.open(..)`.
    ///
    /// # Errors
    ///
    /// Those of [`Host::get`]; nothing is sent before a constructor is called.
    pub fn activate<P: Activatable>(&self, url: &str) -> Result<P::Activator> {
        self.activator(url, P::interface()).map(P::activator)
    }

    fn activator(&self, url: &str, interface: &'static InterfaceDescriptor) -> Result<Activator> {
        Ok(Activator::new(self.endpoint(url, interface)?))
    }

    fn endpoint(&self, url: &str, interface: &'static InterfaceDescriptor) -> Result<Arc<NamedEndpoint>> {
        let url: ObjectUrl = url.parse()?;
        let channel = self.channel_for(&url)?;
        Ok(Arc::new(NamedEndpoint::new(Arc::downgrade(&self.0), channel, url, interface)))
    }

    /// Says where the objects of an interface are activated, so that its constructors can be
    /// called on the proxy's type: `AccountProxy::open(..)`.
    ///
    /// Holds for the whole process, until the host is dropped.
    ///
    /// # Errors
    ///
    /// `NameTaken` if the interface is registered already; those of [`Host::get`].
    pub fn register_activated<P: Activatable>(&self, url: &str) -> Result<()> {
        self.channel_for(&url.parse()?)?;
        registrations::register(Arc::downgrade(&self.0), P::interface(), url)
    }

    /// Says where the one object of an interface is, for [`Host::well_known`].
    ///
    /// # Errors
    ///
    /// `NameTaken` if the interface is registered with this host already; those of [`Host::get`].
    pub fn register_well_known<P: Proxy>(&self, url: &str) -> Result<()> {
        self.channel_for(&url.parse()?)?;
        let mut table = self.0.well_known.lock().unwrap_or_else(PoisonError::into_inner);
        let interface = P::interface();
        if let Some(known) = table.get(&interface.id) {
            let text = format!("`{}` is registered as well known at {known} already", interface.name);
            return Err(Error::new(ErrorKind::NameTaken, text));
        }
        table.insert(interface.id, url.to_owned());
        Ok(())
    }

    /// Makes a proxy of the one object of an interface, at the URL that was registered.
    ///
    /// # Errors
    ///
    /// `NotRegistered` without [`Host::register_well_known`].
    pub fn well_known<P: Proxy>(&self) -> Result<P> {
        let interface = P::interface();
        let url = self.0.well_known.lock().unwrap_or_else(PoisonError::into_inner).get(&interface.id).cloned();
        let url = url.ok_or_else(|| {
            let text = format!("no URL is registered for `{0}`; call `host.register_well_known::<{0}Proxy>(url)` first", interface.name);
            Error::new(ErrorKind::NotRegistered, text)
        })?;
        self.get(&url)
    }

    // ---- channels

    /// The channels, those of higher priority first.
    pub fn channels(&self) -> Vec<ChannelHandle> {
        let mut channels = self.0.channels().clone();
        channels.sort_by_key(|channel| std::cmp::Reverse(channel.channel().settings().priority));
        channels.into_iter().map(|registered| ChannelHandle { registered, host: Arc::downgrade(&self.0) }).collect()
    }

    /// The channel of a name.
    pub fn channel(&self, name: &str) -> Option<ChannelHandle> {
        self.channels().into_iter().find(|channel| channel.name() == name)
    }

    /// Adds a channel, and listens if it does. A failure leaves nothing registered and nothing bound.
    ///
    /// # Errors
    ///
    /// - `ChannelTaken`: a channel of that name is registered, or the address is in use.
    ///   Channels without a name never clash.
    /// - `Config`: the channel may not listen there.
    pub async fn register_channel(&self, channel: impl Channel) -> Result<ChannelHandle> {
        self.register_boxed(Box::new(channel)).await
    }

    async fn register_boxed(&self, channel: Box<dyn Channel>) -> Result<ChannelHandle> {
        let mut pending = Pending { host: self, registered: Some(self.add_channel(channel)?) };
        if let Some(registered) = &pending.registered {
            registered.listen(&self.0).await?;
        }
        let registered = pending.registered.take();
        let handle = registered.map(|registered| ChannelHandle { registered, host: Arc::downgrade(&self.0) });
        handle.ok_or_else(|| Error::new(ErrorKind::Config, "the channel was not registered"))
    }

    fn add_channel(&self, channel: Box<dyn Channel>) -> Result<Arc<Registered>> {
        let registered = Arc::new(Registered::new(channel));
        let mut channels = self.0.channels();
        let name = registered.name();
        if !name.is_empty() && channels.iter().any(|known| known.name() == name) {
            let text = format!("a channel named `{name}` is registered already; give this one another name with `.named(..)`");
            return Err(Error::new(ErrorKind::ChannelTaken, text));
        }
        channels.push(Arc::clone(&registered));
        Ok(registered)
    }

    fn remove_channel(&self, registered: &Arc<Registered>) {
        self.0.channels().retain(|known| !Arc::ptr_eq(known, registered));
    }

    /// Takes a channel away: stops to listen, and closes its connections when the calls under
    /// way have ended.
    ///
    /// # Errors
    ///
    /// `NotRegistered` if there is no channel of that name.
    pub async fn unregister_channel(&self, name: &str) -> Result<()> {
        let found = self.0.channels().iter().find(|known| known.name() == name).cloned();
        let Some(registered) = found else {
            return Err(Error::new(ErrorKind::NotRegistered, format!("no channel named `{name}` is registered")));
        };
        self.remove_channel(&registered);
        let drain = self.0.registry.limits.max_deadline;
        let dialled = self.0.peers.connections(Some(registered.number()));
        for connection in &dialled {
            connection.go_away(drain, "the channel was unregistered");
        }
        registered.stop(drain).await;
        channels::drain_all(&dialled, drain).await;
        Ok(())
    }

    fn channel_for(&self, url: &ObjectUrl) -> Result<Arc<Registered>> {
        let channels = self.channels();
        if let Some(handle) = channels.iter().find(|channel| channel.scheme() == url.scheme()) {
            return Ok(Arc::clone(&handle.registered));
        }
        let mut schemes: Vec<_> = channels.iter().map(|channel| format!("`{}`", channel.scheme())).collect();
        schemes.dedup();
        let have = if schemes.is_empty() { "no channel at all".to_owned() } else { format!("only {}", schemes.join(", ")) };
        let text = format!(
            "no channel for `{}`, the scheme of `{url}`: the host has {have}; add one with `Host::builder().channel(..)` or `host.register_channel(..)`",
            url.scheme()
        );
        Err(Error::new(ErrorKind::NoChannel, text))
    }

    // ---- the whole

    /// Runs one call as if it had come through a channel without sessions.
    pub async fn exchange(&self, call: CallMessage) -> ReplyMessage {
        exchange::run(Arc::clone(&self.0.registry), call, Arc::from("local")).await
    }

    /// The bounds of the host.
    pub fn limits(&self) -> &Limits {
        &self.0.registry.limits
    }

    /// How often each bound was reached.
    pub fn counters(&self) -> &Counters {
        &self.0.registry.counters
    }

    /// How many objects clients have activated here and still hold.
    pub fn activated_objects(&self) -> usize {
        self.0.registry.objects()
    }

    /// How many connections are open, dialled and accepted.
    pub fn open_connections(&self) -> usize {
        let accepted: usize = self.0.channels().iter().map(|channel| channel.connections().len()).sum();
        let dialled = self.0.peers.connections(None);
        accepted + dialled.iter().filter(|connection| !connection.is_closed()).count()
    }

    /// Says goodbye to all peers and stops, at once. Calls under way end with an error.
    pub fn shutdown(&self) {
        for channel in self.0.channels().iter() {
            channel.stop_at_once();
        }
        for connection in self.connections() {
            connection.shut(End::HostGone);
        }
    }

    fn connections(&self) -> Vec<Arc<crate::connection::Connection>> {
        let channels = self.0.channels().clone();
        let accepted = channels.iter().flat_map(|channel| channel.connections());
        accepted.chain(self.0.peers.connections(None)).collect()
    }
}

/// A channel that is registered but not known to work; removed again on drop.
struct Pending<'a> {
    host: &'a Host,
    registered: Option<Arc<Registered>>,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(registered) = &self.registered {
            self.host.remove_channel(registered);
            registered.stop_at_once();
        }
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
