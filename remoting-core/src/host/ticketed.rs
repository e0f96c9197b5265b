//! An object as whoever holds a ticket for it sees it.

use std::sync::Arc;

use crate::connection::Export;
use crate::descriptor::{InterfaceDescriptor, MethodDescriptor};
use crate::error::{ErrorKind, Fault};
use crate::id::{InterfaceId, MethodId};
use crate::lifetime::LeasePolicy;
use crate::object::{Dispatched, Entered, Profile, RawCall, ServerObject, refused, seen_through};
use crate::peer::Peer;
use crate::proxy::Reference;
use crate::sink::Sinks;

/// An object that was given out by ticket. Each ticket has a lease of its own, and holds the
/// object as long as that runs.
pub(super) struct Ticketed {
    /// What keeps the object, where it is kept.
    export: Export,
    /// What has been given out.
    reference: Reference,
    /// The interface that it was given out through.
    interface: &'static InterfaceDescriptor,
}

impl Ticketed {
    pub(super) fn new(
        export: Export,
        reference: Reference,
        interface: &'static InterfaceDescriptor,
    ) -> Self {
        Self {
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
        // What was checked is the method of the interface that the call has come through.
        let Some(seen) = seen_through(&object, call.interface) else {
            return refused(Fault::of(ErrorKind::NoSuchMethod));
        };
        // An object of somebody else's counts its methods in its own way.
        let Some((index, method)) = seen.method(call.method.id) else {
            return refused(Fault::of(ErrorKind::NoSuchMethod));
        };
        (call.index, call.method) = (index, method);
        match seen.enter() {
            Ok(entered) => entered.dispatch(call),
            Err(fault) => refused(fault),
        }
    }

    fn is_guarded_elsewhere(&self) -> bool {
        true
    }

    /// As the object is guarded now: what is behind a name may change.
    fn admit(&self, caller: &Peer, method: Option<&MethodDescriptor>) -> Result<(), Fault> {
        self.export.object().target()?.admit(caller, method)
    }

    fn sinks(&self) -> Sinks {
        let target = self.export.object().target();
        target.map(|target| target.sinks()).unwrap_or_default()
    }

    fn profile(&self, interface: InterfaceId) -> &'static Profile {
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
