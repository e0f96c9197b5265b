//! One object of the user's, with the lock its interface asks for.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use tokio::sync::OwnedRwLockWriteGuard;

use super::call::Dispatched;
use super::lease::SponsorProxy;
use super::lock::{Lock, SharedGuard, Watch};
use super::{Dispatch, Kind, Profile, RawCall, ServerObject, Tenant, keeper};
use crate::descriptor::InterfaceDescriptor;
use crate::error::{ErrorKind, Fault, GoneReason};
use crate::id::InterfaceId;
use crate::lifetime::{LeasePolicy, LeaseState};

/// An object of the user's.
pub(crate) struct Instance<T>(Cell<T>);

enum Cell<T> {
    /// No method takes `&mut self`: nobody ever waits.
    Open(T),
    /// The same, and the user keeps the object too.
    Kept(Arc<T>),
    /// Apart: a lock is larger than most objects.
    Locked(Box<Lock<T>>),
}

impl<T> Instance<T> {
    /// Takes an object in.
    ///
    /// - `exclusive`: whether it needs a lock, because there are `&mut self` methods.
    pub(crate) fn new(object: T, exclusive: bool) -> Self {
        match exclusive {
            true => Self(Cell::Locked(Box::new(Lock::new(object)))),
            false => Self(Cell::Open(object)),
        }
    }

    /// The same object with a lock, unless the user keeps it too.
    fn into_locked(self) -> Option<Self> {
        match self.0 {
            Cell::Open(object) => Some(Self(Cell::Locked(Box::new(Lock::new(object))))),
            locked @ Cell::Locked(_) => Some(Self(locked)),
            Cell::Kept(_) => None,
        }
    }

    /// Looks at the object, unless a call has it for itself.
    fn look(&self, look: impl FnOnce(&T)) {
        match &self.0 {
            Cell::Open(object) => look(object),
            Cell::Kept(object) => look(object),
            Cell::Locked(lock) => lock.look(look),
        }
    }

    /// Shares an object with the user. Its interface must have no `&mut self` method.
    pub(crate) fn kept(object: Arc<T>) -> Self {
        Self(Cell::Kept(object))
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        matches!(&self.0, Cell::Locked(lock) if lock.is_poisoned())
    }

    pub(super) async fn exclusive(&self) -> Result<(Watch, OwnedRwLockWriteGuard<T>), Fault> {
        match &self.0 {
            Cell::Locked(lock) => lock.exclusive().await,
            Cell::Open(_) | Cell::Kept(_) => Err(Fault::refused(
                ErrorKind::Internal,
                "the object has no lock for this method",
            )),
        }
    }
}

/// A `&T` for the time of one call.
pub(super) enum SharedAccess<'a, T> {
    Open(&'a T),
    Locked(SharedGuard<T>),
}

impl<'a, T> SharedAccess<'a, T> {
    pub(super) async fn to(instance: &'a Instance<T>) -> Result<Self, Fault> {
        match &instance.0 {
            Cell::Open(object) => Ok(Self::Open(object)),
            Cell::Kept(object) => Ok(Self::Open(object)),
            Cell::Locked(lock) => Ok(Self::Locked(lock.shared().await?)),
        }
    }
}

impl<T> Deref for SharedAccess<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Open(object) => object,
            Self::Locked(guard) => guard,
        }
    }
}

/// An instance seen through the interface of the proxy `P`.
pub(crate) struct Face<P, T> {
    instance: Arc<Instance<T>>,
    kind: Arc<Kind<T>>,
    interface: PhantomData<fn() -> P>,
}

impl<P: Dispatch<T>, T: Send + Sync + 'static> Face<P, T> {
    pub(crate) fn new(instance: Arc<Instance<T>>, kind: Arc<Kind<T>>) -> Self {
        Self {
            instance,
            kind,
            interface: PhantomData,
        }
    }

    /// A new object of this kind.
    pub(crate) fn make(object: T, kind: &Arc<Kind<T>>) -> Self {
        let exclusive = kind.is_exclusive(P::interface());
        Self::new(Arc::new(Instance::new(object, exclusive)), Arc::clone(kind))
    }

    pub(super) fn kind(&self) -> &Arc<Kind<T>> {
        &self.kind
    }

    /// Gives the object a lock, if nobody else has it in hand.
    pub(super) fn into_locked(self) -> Option<Self> {
        let instance = Arc::into_inner(self.instance)?;
        Some(Self::new(Arc::new(instance.into_locked()?), self.kind))
    }
}

impl<P: Dispatch<T>, T: Send + Sync + 'static> ServerObject for Face<P, T> {
    fn interface(&self) -> &'static InterfaceDescriptor {
        P::interface()
    }

    fn dispatch(self: Arc<Self>, call: RawCall<'_>) -> Dispatched {
        self.kind.dispatch::<P>(&self.instance, call)
    }

    fn profile(&self, interface: InterfaceId) -> Arc<Profile> {
        if interface == P::interface().id {
            return Arc::clone(&self.kind.profile);
        }
        let facet = self.kind.facet(interface);
        facet.map_or_else(Profile::unknown, |facet| facet.profile)
    }

    fn target(self: Arc<Self>) -> Result<Arc<dyn ServerObject>, Fault> {
        Ok(self)
    }

    fn identity(&self) -> usize {
        Arc::as_ptr(&self.instance).cast::<()>() as usize
    }

    fn facet(&self, interface: InterfaceId) -> Option<&'static InterfaceDescriptor> {
        self.kind.facet(interface).map(|facet| facet.interface)
    }

    fn is_poisoned(&self) -> bool {
        self.instance.is_poisoned()
    }

    fn wants_care(&self) -> bool {
        true
    }

    fn leased(self: Arc<Self>) -> Option<Arc<Tenant>> {
        keeper::tenant_anywhere(self.identity())
    }

    fn lease_state(&self) -> LeaseState {
        LeaseState::Initial
    }

    fn policy(&self) -> Option<Arc<LeasePolicy>> {
        self.kind.policy()
    }

    fn sponsors(&self) -> Vec<SponsorProxy> {
        self.kind.sponsors()
    }

    fn on_released(&self, reason: GoneReason) {
        if let Some(released) = self.kind.on_released() {
            self.instance.look(|object| released(object, reason));
        }
    }
}
