//! A name of a host, and what is behind it now.
//!
//! A name outlives what is published under it: proxies that were got by name work
//! again when the name is given anew, and are told meanwhile why they do not.

use std::sync::{Arc, Mutex, PoisonError};

use crate::descriptor::InterfaceDescriptor;
use crate::error::{ErrorKind, Fault, GoneReason};
use crate::id::InterfaceId;
use crate::object::{Class, Dispatched, Profile, RawCall, ServerObject};

/// A name, as long as anybody remembers it.
pub(super) struct Entry {
    name: String,
    offer: Mutex<Offer>,
}

/// What a name stands for.
#[derive(Clone)]
pub(super) enum Offer {
    /// Anything that makes objects, or is one.
    Published {
        class: Arc<dyn Class>,
        object: Result<Arc<dyn ServerObject>, Fault>,
        marshalled: Option<usize>,
    },
    /// Nothing any more.
    Gone(GoneReason),
}

impl Entry {
    pub(super) fn new(name: &str, offer: Offer) -> Self {
        Self {
            name: name.to_owned(),
            offer: Mutex::new(offer),
        }
    }

    pub(super) fn offer(&self) -> Offer {
        self.offer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts something else behind the name and gives what was there.
    pub(super) fn replace(&self, offer: Offer) -> Offer {
        std::mem::replace(
            &mut *self.offer.lock().unwrap_or_else(PoisonError::into_inner),
            offer,
        )
    }

    /// The class behind the name, if it has the interface.
    pub(super) fn class(&self, interface: InterfaceId) -> Result<Arc<dyn Class>, Fault> {
        match self.offer() {
            Offer::Gone(reason) => Err(self.gone(reason)),
            Offer::Published { class, .. } => {
                self.check(class.interface(), interface)?;
                Ok(class)
            }
        }
    }

    /// The object behind the name, if it has the interface.
    pub(super) fn object(&self, interface: InterfaceId) -> Result<Arc<dyn ServerObject>, Fault> {
        match self.offer() {
            Offer::Gone(reason) => Err(self.gone(reason)),
            Offer::Published { class, object, .. } => {
                self.check(class.interface(), interface)?;
                object
            }
        }
    }

    fn check(&self, here: &InterfaceDescriptor, wanted: InterfaceId) -> Result<(), Fault> {
        if here.id == wanted {
            return Ok(());
        }
        let text = format!("`{}` has the interface `{}`", self.name, here.name);
        Err(Fault::refused(ErrorKind::WrongInterface, text))
    }

    fn gone(&self, reason: GoneReason) -> Fault {
        let text = match reason {
            GoneReason::Disconnected => {
                format!("`{}` has been disconnected by its host", self.name)
            }
            _ => format!("`{}` is gone", self.name),
        };
        Fault::refused(ErrorKind::ObjectGone(reason), text)
    }
}

/// A name seen through one interface: what a slot stands for that was got by name.
pub(super) struct Named {
    entry: Arc<Entry>,
    interface: &'static InterfaceDescriptor,
    idle: Arc<Profile>,
}

impl Named {
    pub(super) fn new(entry: Arc<Entry>, interface: &'static InterfaceDescriptor) -> Self {
        Self {
            entry,
            interface,
            idle: Arc::new(Profile::new(interface)),
        }
    }
}

impl ServerObject for Named {
    fn interface(&self) -> &'static InterfaceDescriptor {
        self.interface
    }

    fn dispatch(self: Arc<Self>, call: RawCall<'_>) -> Dispatched {
        match self.target() {
            Ok(object) => object.dispatch(call),
            Err(fault) => Box::pin(std::future::ready(Err(fault))),
        }
    }

    fn profile(&self) -> &Arc<Profile> {
        &self.idle
    }

    fn target(self: Arc<Self>) -> Result<Arc<dyn ServerObject>, Fault> {
        self.entry.object(self.interface.id)
    }

    fn identity(&self) -> usize {
        Arc::as_ptr(&self.entry) as usize
    }
}
