//! What a host offers, under which names.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::{DashMap, Entry as MapEntry};

use super::entry::{Entry, Named, Offer};
use crate::connection::{Export, Room, Service};
use crate::descriptor::InterfaceDescriptor;
use crate::error::{Error, ErrorKind, Fault, GoneReason};
use crate::formatter::FormatterRef;
use crate::id::InterfaceId;
use crate::limits::{Counters, Limits};
use crate::object::{Class, Workers};
use crate::url::check_name;

/// The names of a host, and what else its connections need to serve.
pub(super) struct Registry {
    names: DashMap<String, Arc<Entry>>,
    /// The interfaces that were ever published, by number.
    interfaces: DashMap<InterfaceId, &'static InterfaceDescriptor>,
    /// The name of each marshalled object.
    marshalled: DashMap<usize, String>,
    /// Names behind which there is nothing any more, oldest first.
    withdrawn: Mutex<VecDeque<String>>,
    formatters: Vec<FormatterRef>,
    workers: Arc<Workers>,
    pub(super) limits: Arc<Limits>,
    pub(super) counters: Arc<Counters>,
    objects: Arc<AtomicUsize>,
}

impl Registry {
    pub(super) fn new(limits: Arc<Limits>, formatters: Vec<FormatterRef>) -> Self {
        let counters = Arc::<Counters>::default();
        Self {
            names: DashMap::new(),
            interfaces: DashMap::new(),
            marshalled: DashMap::new(),
            withdrawn: Mutex::default(),
            formatters,
            workers: Workers::new(Arc::clone(&limits), Arc::clone(&counters)),
            limits,
            counters,
            objects: Arc::default(),
        }
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
        self.objects.load(Ordering::Relaxed)
    }

    /// The names under which something is published, in no order.
    pub(super) fn names(&self) -> Vec<String> {
        let published = |offer: Offer| matches!(offer, Offer::Published { .. });
        self.names
            .iter()
            .filter(|entry| published(entry.offer()))
            .map(|entry| entry.key().clone())
            .collect()
    }

    /// Whether something is published under a name.
    pub(super) fn is_published(&self, name: &str) -> bool {
        let offer = self.names.get(name).map(|entry| entry.offer());
        matches!(offer, Some(Offer::Published { .. }))
    }

    /// Publishes a class under a name.
    pub(super) fn publish(&self, name: &str, class: Arc<dyn Class>) -> Result<(), Error> {
        self.offer(name, class, None)
    }

    /// Publishes one object. Tells whether it is published so already.
    pub(super) fn marshal(
        &self,
        name: &str,
        class: Arc<dyn Class>,
        identity: usize,
    ) -> Result<(), Error> {
        if let Some(known) = self.marshalled.get(&identity).map(|known| known.clone()) {
            if known == name {
                return Ok(());
            }
            let text =
                format!("the object is marshalled as `{known}` already; disconnect it there first");
            return Err(Error::new(ErrorKind::NameTaken, text));
        }
        self.offer(name, class, Some(identity))?;
        self.marshalled.insert(identity, name.to_owned());
        Ok(())
    }

    fn offer(
        &self,
        name: &str,
        class: Arc<dyn Class>,
        marshalled: Option<usize>,
    ) -> Result<(), Error> {
        check_name(name).map_err(|what| Error::new(ErrorKind::InvalidUrl, what))?;
        self.know(class.interface())?;
        let object = Arc::clone(&class).object();
        let offer = Offer::Published {
            class,
            object,
            marshalled,
        };
        match self.names.entry(name.to_owned()) {
            MapEntry::Vacant(place) => {
                place.insert(Arc::new(Entry::new(name, offer)));
            }
            MapEntry::Occupied(known) => match known.get().offer() {
                Offer::Gone(_) => drop(known.get().replace(offer)),
                Offer::Published { .. } => {
                    let text = format!(
                        "something is published as `{name}` already; take it back with `unpublish` or `disconnect` first, or choose another name"
                    );
                    return Err(Error::new(ErrorKind::NameTaken, text));
                }
            },
        }
        tracing::debug!(target: "remoting::host", name, "published");
        Ok(())
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

    /// Takes a publication back. Gives `None` if there was none.
    ///
    /// - `marshalled_only`: refuse what was published rather than marshalled.
    pub(super) fn withdraw(&self, name: &str, marshalled_only: bool) -> Result<bool, Error> {
        let Some(entry) = self.names.get(name).map(|entry| Arc::clone(&entry)) else {
            return Ok(false);
        };
        match entry.offer() {
            Offer::Gone(_) => return Ok(false),
            Offer::Published {
                marshalled: None, ..
            } if marshalled_only => {
                let text =
                    format!("`{name}` is published, not marshalled; take it back with `unpublish`");
                return Err(Error::new(ErrorKind::NotRegistered, text));
            }
            Offer::Published { .. } => {}
        }
        let before = entry.replace(Offer::Gone(GoneReason::Disconnected));
        if let Offer::Published {
            marshalled: Some(identity),
            ..
        } = &before
        {
            self.marshalled.remove(identity);
        }
        drop(before);
        self.remember(name);
        Ok(true)
    }

    /// Keeps the names of former publications, but not without end.
    fn remember(&self, name: &str) {
        let forgotten = {
            let mut withdrawn = self
                .withdrawn
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            withdrawn.push_back(name.to_owned());
            if withdrawn.len() <= self.limits.tombstones {
                None
            } else {
                withdrawn.pop_front()
            }
        };
        if let Some(name) = forgotten {
            self.counters.tombstones.add();
            self.names
                .remove_if(&name, |_, entry| matches!(entry.offer(), Offer::Gone(_)));
        }
    }

    pub(super) fn entry(&self, name: &str) -> Result<Arc<Entry>, Fault> {
        self.names
            .get(name)
            .map(|entry| Arc::clone(&entry))
            .ok_or_else(|| {
                let text = format!(
                    "nothing is published under the name `{}`; publish it there with `host.publish(..)`, \
                     or look at the spelling: names are case-sensitive",
                    crate::log::clean(name)
                );
                Fault::refused(ErrorKind::NotFound, text)
            })
    }
}

impl Service for Registry {
    fn resolve(&self, name: &str, interface: InterfaceId) -> Result<Export, Fault> {
        let entry = self.entry(name)?;
        let descriptor = entry.object(interface)?.interface();
        Ok(Export {
            object: Arc::new(Named::new(entry, descriptor)),
            _room: None,
        })
    }

    fn class(&self, name: &str, interface: InterfaceId) -> Result<Arc<dyn Class>, Fault> {
        self.entry(name)?.class(interface)
    }

    fn room_for_object(&self) -> Result<Room, Fault> {
        let room = ObjectRoom(Arc::clone(&self.objects));
        if room.0.fetch_add(1, Ordering::Relaxed) < self.limits.objects_per_host {
            return Ok(Arc::new(room));
        }
        self.counters.objects_per_host.add();
        Err(Fault::refused(
            ErrorKind::ResourceExhausted,
            "the host keeps too many objects for its clients",
        ))
    }

    fn formatter(&self, codec: u8) -> Option<FormatterRef> {
        self.formatters
            .iter()
            .find(|formatter| formatter.codec().0 == codec)
            .cloned()
    }

    fn workers(&self) -> &Arc<Workers> {
        &self.workers
    }
}

/// Room for one object of a client.
struct ObjectRoom(Arc<AtomicUsize>);

impl Drop for ObjectRoom {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
