//! A name of a host, and what is behind it now.
//!
//! A name outlives what is published under it: proxies that were got by name work
//! again when the name is given anew, and are told meanwhile why they do not.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::descriptor::{InterfaceDescriptor, MethodDescriptor};
use crate::error::{ErrorKind, Fault, GoneReason};
use crate::id::InterfaceId;
use crate::object::{
    ANY, Class, Dispatched, Entered, Profile, RawCall, ServerObject, Tenant, Undone, seen_through,
};
use crate::peer::Peer;
use crate::sink::Sinks;

/// A name, as long as anybody remembers it.
pub(super) struct Entry {
    name: Arc<str>,
    offer: Mutex<Offer>,
}

/// What a name stands for. Dropping one may drop objects of the user's.
pub(super) enum Offer {
    /// Anything that makes objects, or is one.
    Published {
        interface: &'static InterfaceDescriptor,
        class: Arc<dyn Class>,
        object: Result<Arc<dyn ServerObject>, Fault>,
        /// The object's number, if it was marshalled.
        marshalled: Option<usize>,
    },
    /// Nothing any more.
    Gone(GoneReason),
}

impl Offer {
    /// Tells what is offered its name, or that it has none any more.
    pub(super) fn named(&self, name: Option<&str>) {
        if let Self::Published { class, .. } = self {
            class.named(name);
        }
    }
}

impl Entry {
    /// A name behind which there is nothing yet.
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            offer: Mutex::new(Offer::Gone(GoneReason::Disconnected)),
        }
    }

    /// Looks at what is behind the name; `look` runs under the lock and keeps nothing of it.
    pub(super) fn look<R>(&self, look: impl FnOnce(&Offer) -> R) -> R {
        look(&self.lock())
    }

    pub(super) fn is_published(&self) -> bool {
        self.look(|offer| matches!(offer, Offer::Published { .. }))
    }

    /// The object behind the name.
    pub(super) fn published(&self) -> Option<Arc<dyn ServerObject>> {
        self.look(|offer| match offer {
            Offer::Published { object, .. } => object.clone().ok(),
            Offer::Gone(_) => None,
        })
    }

    /// Puts something else behind the name and gives what was there.
    pub(super) fn replace(&self, offer: Offer) -> Offer {
        std::mem::replace(&mut *self.lock(), offer)
    }

    fn lock(&self) -> MutexGuard<'_, Offer> {
        self.offer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The class behind the name, if it has the interface.
    pub(super) fn class(&self, wanted: InterfaceId) -> Result<Arc<dyn Class>, Fault> {
        self.look(|offer| match offer {
            Offer::Gone(reason) => Err(self.gone(*reason)),
            Offer::Published {
                interface, class, ..
            } => {
                if interface.id != wanted && wanted != ANY {
                    return Err(self.other_interface(interface));
                }
                Ok(Arc::clone(class))
            }
        })
    }

    /// The object behind the name, if it has the interface.
    pub(super) fn object(&self, wanted: InterfaceId) -> Result<Arc<dyn ServerObject>, Fault> {
        self.look(|offer| match offer {
            Offer::Gone(reason) => Err(self.gone(*reason)),
            Offer::Published {
                interface,
                object,
                class,
                ..
            } => {
                let object = match object {
                    Ok(object) => object,
                    // It can be described all the same.
                    Err(fault) if wanted == ANY => {
                        let undone = Undone::new(&**class, fault.clone());
                        return Ok(Arc::new(undone) as _);
                    }
                    Err(fault) => return Err(fault.clone()),
                };
                if interface.id == wanted {
                    return Ok(Arc::clone(object));
                }
                seen_through(object, wanted).ok_or_else(|| self.other_interface(interface))
            }
        })
    }

    /// Checks that somebody may do anything with what is behind the name.
    ///
    /// # Errors
    ///
    /// `Unauthenticated`, `PermissionDenied`.
    pub(super) fn admit(&self, caller: &Peer) -> Result<(), Fault> {
        let guard = self.look(|offer| match offer {
            Offer::Published { class, .. } => class.guard().cloned(),
            Offer::Gone(_) => None,
        });
        guard.map_or(Ok(()), |guard| guard.admit(caller, None))
    }

    /// The interface behind the name: the one that is wanted, or that of the publication.
    pub(super) fn interface(
        &self,
        wanted: Option<InterfaceId>,
    ) -> Result<&'static InterfaceDescriptor, Fault> {
        let published = self.look(|offer| match offer {
            Offer::Gone(reason) => Err(self.gone(*reason)),
            Offer::Published { interface, .. } => Ok(*interface),
        })?;
        match wanted {
            Some(wanted) if wanted != published.id && wanted != ANY => {
                Ok(self.object(wanted)?.interface())
            }
            Some(_) | None => Ok(published),
        }
    }

    fn other_interface(&self, here: &InterfaceDescriptor) -> Fault {
        let text = format!("`{}` has the interface `{}`", self.name, here.name);
        Fault::refused(ErrorKind::WrongInterface, text)
    }

    fn gone(&self, reason: GoneReason) -> Fault {
        let text = match reason {
            GoneReason::Disconnected => {
                format!("`{}` has been disconnected by its host", self.name)
            }
            GoneReason::LeaseExpired => format!("the lease of `{}` has expired", self.name),
            _ => format!("`{}` is gone", self.name),
        };
        Fault::refused(ErrorKind::ObjectGone(reason), text)
    }
}

/// A name seen through one interface: what a slot stands for that was got by name.
pub(super) struct Named {
    entry: Arc<Entry>,
    /// The interface that was asked for.
    wanted: InterfaceId,
    interface: &'static InterfaceDescriptor,
}

impl Named {
    pub(super) fn new(
        entry: Arc<Entry>,
        wanted: InterfaceId,
        interface: &'static InterfaceDescriptor,
    ) -> Self {
        Self {
            entry,
            wanted,
            interface,
        }
    }
}

impl ServerObject for Named {
    fn interface(&self) -> &'static InterfaceDescriptor {
        self.interface
    }

    fn name(&self) -> Option<Arc<str>> {
        Some(Arc::clone(&self.entry.name))
    }

    fn dispatch(self: Arc<Self>, call: RawCall<'_>) -> Dispatched {
        match self.enter() {
            Ok(entered) => entered.dispatch(call),
            Err(fault) => Box::pin(std::future::ready(Err(fault))),
        }
    }

    fn is_guarded_elsewhere(&self) -> bool {
        true
    }

    fn admit(&self, caller: &Peer, method: Option<&MethodDescriptor>) -> Result<(), Fault> {
        self.entry.object(self.wanted)?.admit(caller, method)
    }

    fn sinks(&self) -> Sinks {
        let object = self.entry.object(self.wanted);
        object.map(|object| object.sinks()).unwrap_or_default()
    }

    fn profile(&self, interface: InterfaceId) -> &'static Profile {
        self.entry
            .object(self.wanted)
            .map_or_else(|_| Profile::unknown(), |object| object.profile(interface))
    }

    fn leased(self: Arc<Self>) -> Option<Arc<Tenant>> {
        self.entry.object(self.wanted).ok()?.leased()
    }

    fn target(self: Arc<Self>) -> Result<Arc<dyn ServerObject>, Fault> {
        self.entry.object(self.wanted)
    }

    fn enter(self: Arc<Self>) -> Result<Entered, Fault> {
        self.target()?.enter()
    }

    fn identity(&self) -> usize {
        Arc::as_ptr(&self.entry) as usize
    }
}
