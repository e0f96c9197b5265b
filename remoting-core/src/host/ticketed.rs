//! An object as whoever holds a ticket for it sees it.

use std::sync::Arc;

use crate::connection::Export;
use crate::descriptor::{InterfaceDescriptor, MethodDescriptor};
use crate::error::{ErrorKind, Fault};
use crate::id::{InterfaceId, MethodId};
use crate::lifetime::LeasePolicy;
use crate::object::{Dispatched, Entered, Guard, Profile, RawCall, ServerObject, refused};
use crate::proxy::Reference;

/// An object that was given out by ticket. Each ticket has a lease of its own, and holds the
/// object as long as that runs.
pub(super) struct Ticketed {
    /// What keeps the object, where it is kept.
    export: Export,
    /// What has been given out.
    reference: Reference,
    /// The interface that it was given out through.
    interface: &'static InterfaceDescriptor,
    guard: Option<Arc<Guard>>,
}

impl Ticketed {
    pub(super) fn new(
        export: Export,
        reference: Reference,
        interface: &'static InterfaceDescriptor,
    ) -> Self {
        Self {
            guard: export.object().guard().cloned(),
            export,
            reference,
            interface,
        }
    }
}

impl ServerObject for Ticketed {
    fn interface(&self) -> &'static InterfaceDescriptor {
        self.interface
    }

    fn method(&self, id: MethodId) -> Option<(usize, &'static MethodDescriptor)> {
        self.export.object().method(id)
    }

    fn dispatch(self: Arc<Self>, mut call: RawCall<'_>) -> Dispatched {
        let object = self.export.object();
        // It may count its methods in another way.
        let Some((index, _)) = object.method(call.method.id) else {
            return refused(Fault::of(ErrorKind::NoSuchMethod));
        };
        call.index = index;
        match object.enter() {
            Ok(entered) => entered.dispatch(call),
            Err(fault) => refused(fault),
        }
    }

    fn guard(&self) -> Option<&Arc<Guard>> {
        self.guard.as_ref()
    }

    fn profile(&self, interface: InterfaceId) -> Arc<Profile> {
        self.export.object().profile(interface)
    }

    fn identity(&self) -> usize {
        std::ptr::from_ref(self).cast::<()>() as usize
    }

    fn target(self: Arc<Self>) -> Result<Arc<dyn ServerObject>, Fault> {
        Ok(self)
    }

    fn enter(self: Arc<Self>) -> Result<Entered, Fault> {
        Ok(Entered::plain(self))
    }

    fn facet(&self, interface: InterfaceId) -> Option<&'static InterfaceDescriptor> {
        self.export.object().facet(interface)
    }

    /// That of the object, unless it has no end: there is no session that would end and let it go.
    fn policy(&self) -> Option<Arc<LeasePolicy>> {
        let policy = match self.export.hold() {
            Some(hold) => Some(hold.tenant().policy()),
            None => self.export.object().policy(),
        };
        Some(
            policy
                .filter(|policy| !policy.is_endless())
                .unwrap_or_default(),
        )
    }

    fn home(&self) -> Option<Reference> {
        Some(self.reference.clone())
    }
}
