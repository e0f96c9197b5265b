//! From what a slot or a name stands for to the object that runs the call.

use std::sync::Arc;

use super::{
    ANY, Busy, Class, Dispatched, Entered, Guard, Profile, RawCall, ServerObject, Tenant, describe,
    guard, lease, refused,
};
use crate::descriptor::{InterfaceDescriptor, MethodDescriptor};
use crate::error::{ErrorKind, Fault};
use crate::id::{InterfaceId, MethodId};
use crate::lifetime::LeaseState;
use crate::peer::Peer;
use crate::proxy::Reference;
use crate::sink::Sinks;

/// An object, and the method of it that is called.
pub(crate) struct Reached {
    pub(crate) object: Arc<dyn ServerObject>,
    /// The interface that the call came through.
    pub(crate) interface: InterfaceId,
    pub(crate) index: usize,
    pub(crate) method: &'static MethodDescriptor,
    /// Keeps the object until the call has ended.
    pub(crate) busy: Option<Busy>,
    /// What the call passes through, as far as the object's origin is concerned.
    pub(crate) sinks: Sinks,
}

/// Finds what runs a call of `method`.
///
/// # Errors
///
/// - `NoSuchMethod`.
/// - `ObjectGone`, `Poisoned` and others: why the object cannot be called.
/// - `Unauthenticated`, `PermissionDenied`: the caller may not call it.
pub(crate) fn reach(
    object: Arc<dyn ServerObject>,
    method: MethodId,
    caller: &Peer,
) -> Result<Reached, Fault> {
    let target = object.target()?;
    let interface = target.interface_id();
    let found = target.method(method);
    target.admit(caller, found.map(|(_, method)| method))?;
    let sinks = target.sinks();
    if let Some((index, method)) = found {
        guard::admit_to(method, caller)?;
        let Entered { object, busy } = target.enter()?;
        return Ok(Reached {
            object,
            interface,
            index,
            method,
            busy,
            sinks,
        });
    }
    let Some((index, method)) = lease::interface().method(method) else {
        return describe::reach(&*target, method);
    };
    let state = target.lease_state();
    Ok(Reached {
        object: lease::control(target.leased(), state),
        interface: lease::interface().id,
        index,
        method,
        busy: None,
        sinks,
    })
}

/// Finds a constructor that somebody may call.
///
/// # Errors
///
/// `Unauthenticated`, `PermissionDenied`; `NoSuchMethod`.
pub(crate) fn constructor_of(
    class: &dyn Class,
    constructor: MethodId,
    caller: &Peer,
) -> Result<(usize, &'static MethodDescriptor), Fault> {
    let found = class.interface().constructor(constructor);
    let method = found.map(|(_, method)| method);
    let guard = class.guard();
    guard.map_or(Ok(()), |guard| guard.admit(caller, method))?;
    let (index, method) = found.ok_or_else(|| Fault::of(ErrorKind::NoSuchMethod))?;
    guard::admit_to(method, caller)?;
    Ok((index, method))
}

/// Finds a method by its name: one of the interface's, or one that every object has.
///
/// - `name`: or `$` and the eight hexadecimal digits of its number, for who knows no more.
pub(crate) fn method_named(
    interface: &'static InterfaceDescriptor,
    name: &str,
) -> Option<&'static MethodDescriptor> {
    let digits = name.strip_prefix('$').filter(|digits| digits.len() == 8);
    let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let is_meant = |method: &&MethodDescriptor| match number {
        Some(number) => method.id == MethodId(number),
        None => method.name == name,
    };
    let offered = [interface, lease::interface(), describe::interface()];
    let mut all = offered.into_iter().flat_map(|interface| interface.methods);
    all.find(is_meant)
}

impl ServerObject for Tenant {
    fn interface(&self) -> &'static InterfaceDescriptor {
        self.interface
    }

    /// Only what has not asked [`reach`](super::reach) comes here.
    fn dispatch(self: Arc<Self>, call: RawCall<'_>) -> Dispatched {
        match self.begin_call() {
            Ok(entered) => entered.dispatch(call),
            Err(fault) => refused(fault),
        }
    }

    fn guard(&self) -> Option<&Arc<Guard>> {
        self.guard.as_ref()
    }

    fn is_guarded_elsewhere(&self) -> bool {
        self.guarded_elsewhere
    }

    fn admit(&self, caller: &Peer, method: Option<&MethodDescriptor>) -> Result<(), Fault> {
        if self.guarded_elsewhere {
            let object = self.lock().object.clone();
            return object.map_or(Ok(()), |object| object.admit(caller, method));
        }
        self.guard
            .as_ref()
            .map_or(Ok(()), |guard| guard.admit(caller, method))
    }

    fn sinks(&self) -> Sinks {
        if self.guarded_elsewhere {
            let object = self.lock().object.clone();
            return object.map(|object| object.sinks()).unwrap_or_default();
        }
        self.guard
            .as_ref()
            .map(|guard| guard.sinks())
            .unwrap_or_default()
    }

    fn interfaces(&self) -> Vec<&'static InterfaceDescriptor> {
        let object = self.lock().object.clone();
        object.map_or_else(|| vec![self.interface], |object| object.interfaces())
    }

    fn profile(&self, interface: InterfaceId) -> &'static Profile {
        let object = self.lock().object.clone();
        object.map_or_else(Profile::unknown, |object| object.profile(interface))
    }

    fn target(self: Arc<Self>) -> Result<Arc<dyn ServerObject>, Fault> {
        Ok(self)
    }

    fn identity(&self) -> usize {
        let room = self.lock();
        let own = std::ptr::from_ref(self).cast::<()>() as usize;
        room.object.as_ref().map_or(own, |object| object.identity())
    }

    fn enter(self: Arc<Self>) -> Result<Entered, Fault> {
        self.begin_call()
    }

    fn tenant(self: Arc<Self>) -> Option<Arc<Tenant>> {
        Some(self)
    }

    fn facet(&self, interface: InterfaceId) -> Option<&'static InterfaceDescriptor> {
        let object = self.lock().object.clone()?;
        object.facet(interface)
    }
}

/// An object seen through another of its interfaces.
pub(crate) struct View {
    of: Arc<dyn ServerObject>,
    interface: &'static InterfaceDescriptor,
}

impl View {
    fn of(
        of: Arc<dyn ServerObject>,
        interface: &'static InterfaceDescriptor,
    ) -> Arc<dyn ServerObject> {
        Arc::new(Self { of, interface })
    }
}

impl ServerObject for View {
    fn interface(&self) -> &'static InterfaceDescriptor {
        self.interface
    }

    fn dispatch(self: Arc<Self>, call: RawCall<'_>) -> Dispatched {
        Arc::clone(&self.of).dispatch(call)
    }

    fn guard(&self) -> Option<&Arc<Guard>> {
        self.of.guard()
    }

    fn is_guarded_elsewhere(&self) -> bool {
        self.of.is_guarded_elsewhere()
    }

    fn admit(&self, caller: &Peer, method: Option<&MethodDescriptor>) -> Result<(), Fault> {
        self.of.admit(caller, method)
    }

    fn sinks(&self) -> Sinks {
        self.of.sinks()
    }

    fn profile(&self, interface: InterfaceId) -> &'static Profile {
        self.of.profile(interface)
    }

    fn target(self: Arc<Self>) -> Result<Arc<dyn ServerObject>, Fault> {
        Ok(self)
    }

    fn identity(&self) -> usize {
        self.of.identity()
    }

    fn enter(self: Arc<Self>) -> Result<Entered, Fault> {
        Arc::clone(&self.of).enter()
    }

    fn tenant(self: Arc<Self>) -> Option<Arc<Tenant>> {
        Arc::clone(&self.of).tenant()
    }

    fn leased(self: Arc<Self>) -> Option<Arc<Tenant>> {
        Arc::clone(&self.of).leased()
    }

    fn facet(&self, interface: InterfaceId) -> Option<&'static InterfaceDescriptor> {
        match self.of.interface_id() == interface {
            true => Some(self.of.interface()),
            false => self.of.facet(interface),
        }
    }

    fn lease_state(&self) -> LeaseState {
        self.of.lease_state()
    }
}

/// The same object, seen through the interface `wanted`, if it has that.
pub(crate) fn seen_through(
    object: &Arc<dyn ServerObject>,
    wanted: InterfaceId,
) -> Option<Arc<dyn ServerObject>> {
    if object.interface_id() == wanted || wanted == ANY {
        return Some(Arc::clone(object));
    }
    let interface = object.facet(wanted)?;
    Some(View::of(Arc::clone(object), interface))
}

/// What an object of this host is here: a tenant is the very object that was taken in.
pub(crate) fn home(object: Arc<dyn ServerObject>) -> Reference {
    if let Some(reference) = object.home() {
        return reference;
    }
    let Some(tenant) = Arc::clone(&object).tenant() else {
        return Reference::local(object);
    };
    match tenant.object() {
        Ok(inner) => {
            Reference::local(seen_through(&inner, object.interface_id()).unwrap_or(object))
        }
        Err(fault) => Reference::dead_end(fault),
    }
}
