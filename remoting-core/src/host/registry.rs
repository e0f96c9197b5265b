//! What a host offers, under which names.
//!
//! Whoever publishes or takes back does so with the ledger locked, one at a time; calls look names
//! up without it. No class and no object is dropped or asked anything while something here is locked:
//! both may run code of the user's, and that may publish.

mod tombstones;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use dashmap::DashMap;
use tokio::sync::watch;

use self::tombstones::Tombstones;
use super::builder::HostSettings;
use super::entry::{Entry, Offer};
use super::marshalled::Marshalled;
use super::tickets::Tickets;
use crate::authentication::Authenticator;
use crate::connection::{Events, Sessions};
use crate::descriptor::InterfaceDescriptor;
use crate::error::{Error, ErrorDetail, ErrorKind, Fault, GoneReason};
use crate::formatter::FormatterRef;
use crate::id::InterfaceId;
use crate::limits::{Counters, Limits};
use crate::object::{Class, Keeper, Names, ServerObject, Tenant, Workers};
use crate::peer::Peer;
use crate::sink::Sinks;
use crate::url::{TICKETS, check_name};

/// The names of a host, and what else its connections need to serve. The tables are made when
/// they are needed first, which in a host that only calls is never.
pub(super) struct Registry {
    names: LazyLock<DashMap<String, Arc<Entry>>>,
    /// The interfaces that were ever published, by number.
    interfaces: LazyLock<DashMap<InterfaceId, &'static InterfaceDescriptor>>,
    ledger: Mutex<Ledger>,
    formatters: Vec<FormatterRef>,
    pub(super) authenticator: Option<Arc<dyn Authenticator>>,
    pub(super) error_detail: ErrorDetail,
    pub(super) workers: Arc<Workers>,
    /// What calls pass through that leave the host.
    pub(super) client_sinks: Sinks,
    /// What calls pass through that come to it.
    pub(super) server_sinks: Sinks,
    pub(super) limits: Arc<Limits>,
    pub(super) counters: Arc<Counters>,
    pub(super) keeper: Arc<Keeper>,
    pub(super) tickets: Tickets,
    pub(super) sessions: Sessions,
    /// Who is told what happens to connections.
    pub(super) events: Events,
    /// Ends the streams of answers when the host is gone.
    pub(super) closing: watch::Sender<bool>,
}

/// What is held while names change.
#[derive(Default)]
struct Ledger {
    /// The name of each marshalled object.
    marshalled: HashMap<usize, String>,
    tombstones: Tombstones,
}

/// How many of the oldest tombstones are looked at for each new one. With more than one, those
/// whose names can be forgotten are found faster than new ones come.
const EXAMINED: usize = 4;

impl Registry {
    pub(super) fn new(settings: HostSettings) -> Arc<Self> {
        let limits = Arc::new(settings.limits);
        let counters = Arc::<Counters>::default();
        let (of_keeper, counted) = (Arc::clone(&limits), Arc::clone(&counters));
        let keeper = Keeper::new(settings.policy, of_keeper, counted, settings.on_own_runtime);
        let tickets = Tickets::new(Arc::clone(&limits), Arc::clone(&counters));
        let registry = Arc::new(Self {
            names: LazyLock::new(DashMap::new),
            interfaces: LazyLock::new(DashMap::new),
            ledger: Mutex::default(),
            formatters: settings.formatters,
            authenticator: settings.authenticator,
            error_detail: settings.error_detail,
            workers: Workers::new(Arc::clone(&limits), Arc::clone(&counters)),
            client_sinks: settings.client_sinks.into_iter().collect(),
            server_sinks: settings.server_sinks.into_iter().collect(),
            limits,
            counters,
            keeper,
            tickets,
            sessions: Sessions::default(),
            events: Events::default(),
            closing: watch::Sender::new(false),
        });
        let names: Weak<Self> = Arc::downgrade(&registry);
        registry.keeper.set_names(names);
        registry
    }

    /// The codecs that the host reads.
    pub(super) fn codecs(&self) -> Vec<u8> {
        self.formatters
            .iter()
            .map(|formatter| formatter.codec().0)
            .collect()
    }

    /// How many objects the host keeps for clients.
    pub(super) fn objects(&self) -> usize {
        self.keeper.count()
    }

    /// The names under which something is published, in no order.
    pub(super) fn names(&self) -> Vec<String> {
        self.names
            .iter()
            .filter(|entry| entry.is_published())
            .map(|entry| entry.key().clone())
            .collect()
    }

    /// What is published that the caller may do anything with, sorted by name.
    pub(super) fn publications(
        &self,
        caller: &Peer,
    ) -> Vec<(String, &'static InterfaceDescriptor)> {
        let entries: Vec<_> = self
            .names
            .iter()
            .map(|entry| (entry.key().clone(), Arc::clone(&entry)))
            .collect();
        let mut published: Vec<_> = entries
            .into_iter()
            .filter(|(_, entry)| entry.admit(caller).is_ok())
            .filter_map(|(name, entry)| Some((name, entry.interface(None).ok()?)))
            .collect();
        published.sort_by(|(one, _), (other, _)| one.cmp(other));
        published
    }

    pub(super) fn formatters(&self) -> &[FormatterRef] {
        &self.formatters
    }

    /// The objects that are reached by a name.
    pub(super) fn tenants(&self) -> Vec<Arc<Tenant>> {
        let entries: Vec<_> = self.names.iter().map(|entry| Arc::clone(&entry)).collect();
        let objects = entries.into_iter().filter_map(|entry| entry.published());
        objects.filter_map(|object| object.leased()).collect()
    }

    /// Whether something is published under a name.
    pub(super) fn is_published(&self, name: &str) -> bool {
        self.known(name).is_some_and(|entry| entry.is_published())
    }

    pub(super) fn known(&self, name: &str) -> Option<Arc<Entry>> {
        self.names.get(name).map(|entry| Arc::clone(&entry))
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes a class under a name.
    pub(super) fn publish(&self, name: &str, class: Arc<dyn Class>) -> Result<(), Error> {
        self.offer(name, class, None)
    }

    /// Publishes one object. Does nothing if it is published so already.
    pub(super) fn marshal(&self, name: &str, object: Arc<dyn ServerObject>) -> Result<(), Error> {
        let identity = object.identity();
        // Held until it has its name, under which it stays.
        let hold = self.keeper.lodge(object, Some(name)).map_err(into_error)?;
        let class = Arc::new(Marshalled(Arc::clone(hold.tenant())));
        self.offer(name, class, Some(identity))
    }

    fn offer(
        &self,
        name: &str,
        class: Arc<dyn Class>,
        marshalled: Option<usize>,
    ) -> Result<(), Error> {
        check_name(name).map_err(|what| Error::new(ErrorKind::InvalidUrl, what))?;
        let interface = class.interface();
        self.know(interface)?;
        check_guard(&*class)?;
        class.settle_in(&self.keeper);
        let object = Arc::clone(&class).object();
        let offer = Offer::Published {
            interface,
            class,
            object,
            marshalled,
        };
        let left = self
            .place(name, marshalled, offer)
            .map_err(|(_refused, error)| error)?;
        if matches!(left, Offer::Gone(_)) {
            tracing::debug!(target: "remoting::host", name, "published");
        }
        Ok(())
    }

    /// Puts an offer behind a name; gives back, for the caller to drop, what is not wanted there.
    fn place(
        &self,
        name: &str,
        marshalled: Option<usize>,
        offer: Offer,
    ) -> Result<Offer, (Offer, Error)> {
        let mut ledger = self.ledger();
        if let Some(known) = marshalled.and_then(|identity| ledger.marshalled.get(&identity)) {
            if known == name {
                return Ok(offer);
            }
            let text =
                format!("the object is marshalled as `{known}` already; disconnect it there first");
            return Err((offer, Error::new(ErrorKind::NameTaken, text)));
        }
        let known = self.known(name);
        if known.as_ref().is_some_and(|entry| entry.is_published()) {
            let text = format!(
                "something is published as `{name}` already; take it back with `unpublish` or `disconnect` first, or choose another name"
            );
            return Err((offer, Error::new(ErrorKind::NameTaken, text)));
        }
        if let Some(identity) = marshalled {
            ledger.marshalled.insert(identity, name.to_owned());
        }
        offer.named(Some(name));
        ledger.tombstones.take_out(name);
        if let Some(entry) = known {
            return Ok(entry.replace(offer));
        }
        let entry = Arc::new(Entry::new(name));
        let nothing = entry.replace(offer);
        self.names.insert(name.to_owned(), entry);
        Ok(nothing)
    }

    /// Notes an interface; two that share a number cannot be told apart by peers.
    fn know(&self, interface: &'static InterfaceDescriptor) -> Result<(), Error> {
        let known = *self.interfaces.entry(interface.id).or_insert(interface);
        if known.name == interface.name && known.signature == interface.signature {
            return Ok(());
        }
        let text = format!(
            "the interfaces `{}` and `{}` of this host have the same number; give one another name with `#[remote(name = \"…\")]`",
            known.name, interface.name
        );
        Err(Error::new(ErrorKind::NameTaken, text))
    }

    /// Takes a publication back. Tells whether there was one.
    ///
    /// - `marshalled_only`: refuse what was published rather than marshalled.
    pub(super) fn withdraw(&self, name: &str, marshalled_only: bool) -> Result<bool, Error> {
        // What was there is dropped here, where nothing is locked any more.
        let before = self.take_back(name, marshalled_only)?;
        if let Some(Offer::Published { class, .. }) = &before {
            class.taken_back();
        }
        Ok(before.is_some())
    }

    fn take_back(&self, name: &str, marshalled_only: bool) -> Result<Option<Offer>, Error> {
        let mut ledger = self.ledger();
        let Some(entry) = self.known(name) else {
            return Ok(None);
        };
        let marshalled = entry.look(|offer| match offer {
            Offer::Published { marshalled, .. } => Some(*marshalled),
            Offer::Gone(_) => None,
        });
        match marshalled {
            None => return Ok(None),
            Some(Some(identity)) => drop(ledger.marshalled.remove(&identity)),
            Some(None) if marshalled_only => {
                let text =
                    format!("`{name}` is published, not marshalled; take it back with `unpublish`");
                return Err(Error::new(ErrorKind::NotRegistered, text));
            }
            Some(None) => {}
        }
        Ok(Some(self.bury(
            &mut ledger,
            entry,
            name,
            GoneReason::Disconnected,
        )))
    }

    /// Remembers why there is nothing behind a name any more; gives what was there.
    fn bury(
        &self,
        ledger: &mut Ledger,
        entry: Arc<Entry>,
        name: &str,
        reason: GoneReason,
    ) -> Offer {
        let before = entry.replace(Offer::Gone(reason));
        before.named(None);
        drop(entry);
        ledger.tombstones.bury(name);
        self.forget_oldest(&mut ledger.tombstones);
        before
    }

    /// Forgets the oldest of too many names, except those that somebody holds: a name that is
    /// published again must be the one that its proxies are bound to.
    ///
    /// So there are no more tombstones than the limit says, or not many more than are held.
    fn forget_oldest(&self, tombstones: &mut Tombstones) {
        for _ in 0..EXAMINED {
            if tombstones.len() <= self.limits.tombstones {
                return;
            }
            let Some(name) = tombstones.pop_oldest() else {
                return;
            };
            let unheld = |_: &String, entry: &Arc<Entry>| Arc::strong_count(entry) == 1;
            match self.names.remove_if(&*name, unheld) {
                Some(_) => self.counters.tombstones.add(),
                None => tombstones.bury(&name),
            }
        }
    }
}

impl Names for Registry {
    fn forget(&self, name: &str, identity: usize, reason: GoneReason) {
        if let Some(ticket) = name.strip_prefix(TICKETS) {
            return self.tickets.bury(ticket, reason);
        }
        let before = {
            let mut ledger = self.ledger();
            if ledger
                .marshalled
                .get(&identity)
                .is_none_or(|known| known != name)
            {
                return;
            }
            ledger.marshalled.remove(&identity);
            let Some(entry) = self.known(name) else {
                return;
            };
            self.bury(&mut ledger, entry, name, reason)
        };
        drop(before);
    }
}

/// Checks that roles are asked for methods that there are.
fn check_guard(class: &dyn Class) -> Result<(), Error> {
    let interfaces = class.interfaces();
    let known = |name: &str| {
        let mut all = interfaces
            .iter()
            .flat_map(|interface| interface.methods.iter().chain(interface.constructors));
        all.any(|method| method.name == name)
    };
    let asked = class.guard().map_or_else(Vec::new, |guard| guard.methods());
    match asked.iter().find(|name| !known(name)) {
        None => Ok(()),
        Some(name) => {
            let text = format!(
                "roles are asked for `{name}`, which is no method of `{}`",
                class.interface().name
            );
            Err(Error::new(ErrorKind::Config, text))
        }
    }
}

fn into_error(fault: Fault) -> Error {
    match fault {
        Fault::Error(error) => error,
        Fault::App(_) => Error::new(ErrorKind::Internal, "the object could not be kept"),
    }
}

#[cfg(all(test, feature = "macros"))]
mod tests;
