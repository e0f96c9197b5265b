//! One object of the user's, with the lock its interfaces ask for.

use std::ops::Deref;
use std::sync::Arc;

use tokio::sync::OwnedRwLockWriteGuard;

use super::call::Dispatched;
use super::lease::SponsorProxy;
use super::lock::{Lock, SharedGuard, Watch};
use super::{Entered, Guard, Kind, Profile, RawCall, ServerObject, Tenant, keeper};
use crate::descriptor::InterfaceDescriptor;
use crate::error::{ErrorKind, Fault, GoneReason};
use crate::id::InterfaceId;
use crate::lifetime::{LeasePolicy, LeaseState};

/// An object of the user's, as calls reach it.
pub(crate) struct Instance<T> {
    cell: Cell<T>,
    kind: Arc<Kind<T>>,
}

enum Cell<T> {
    /// No method takes `&mut self`: nobody ever waits.
    Open(T),
    /// The same, and the user keeps the object too.
    Kept(Arc<T>),
    /// Apart: a lock is larger than most objects.
    Locked(Box<Lock<T>>),
}

impl<T> Instance<T> {
    /// A new object of this kind. It gets a lock if the kind has `&mut self` methods.
    pub(crate) fn new(object: T, kind: &Arc<Kind<T>>) -> Self {
        let cell = match kind.is_exclusive() {
            true => Cell::Locked(Box::new(Lock::new(object))),
            false => Cell::Open(object),
        };
        let kind = Arc::clone(kind);
        Self { cell, kind }
    }

    pub(super) fn kind(&self) -> &Arc<Kind<T>> {
        &self.kind
    }

    /// The same object with a lock, unless the user keeps it too.
    pub(super) fn into_locked(self) -> Option<Self> {
        let cell = match self.cell {
            Cell::Open(object) => Cell::Locked(Box::new(Lock::new(object))),
            locked @ Cell::Locked(_) => locked,
            Cell::Kept(_) => return None,
        };
        let kind = self.kind;
        Some(Self { cell, kind })
    }

    /// Looks at the object, unless a call has it for itself.
    fn look(&self, look: impl FnOnce(&T)) {
        match &self.cell {
            Cell::Open(object) => look(object),
            Cell::Kept(object) => look(object),
            Cell::Locked(lock) => lock.look(look),
        }
    }

    /// Shares an object with the user. Its interface must have no `&mut self` method.
    pub(crate) fn kept(object: Arc<T>, kind: &Arc<Kind<T>>) -> Self {
        let (cell, kind) = (Cell::Kept(object), Arc::clone(kind));
        Self { cell, kind }
    }

    pub(super) async fn exclusive(&self) -> Result<(Watch, ExclusiveObject<T>), Fault> {
        match &self.cell {
            Cell::Locked(lock) => lock.exclusive().await,
            Cell::Open(_) | Cell::Kept(_) => Err(Fault::refused(
                ErrorKind::Internal,
                "the object has no lock for this method",
            )),
        }
    }
}

/// An object for the time of one call that has it for itself.
pub(super) type ExclusiveObject<T> = OwnedRwLockWriteGuard<T>;

/// An object for the time of one call, beside others.
pub struct SharedObject<T>(Access<T>);

enum Access<T> {
    /// One without a lock.
    Open(Arc<Instance<T>>),
    Locked(SharedGuard<T>),
}

impl<T> SharedObject<T> {
    pub(super) async fn of(instance: Arc<Instance<T>>) -> Result<Self, Fault> {
        Ok(Self(match &instance.cell {
            Cell::Open(_) | Cell::Kept(_) => Access::Open(instance),
            Cell::Locked(lock) => Access::Locked(lock.shared().await?),
        }))
    }
}

impl<T> Deref for SharedObject<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Access::Locked(guard) => guard,
            Access::Open(instance) => match &instance.cell {
                Cell::Open(object) => object,
                Cell::Kept(object) => object,
                Cell::Locked(_) => unreachable!("an object with a lock is seen through its guard"),
            },
        }
    }
}

impl<T: Send + Sync + 'static> ServerObject for Instance<T> {
    fn interface(&self) -> &'static InterfaceDescriptor {
        self.kind.interface()
    }

    fn dispatch(self: Arc<Self>, call: RawCall<'_>) -> Dispatched {
        let kind = Arc::clone(&self.kind);
        kind.dispatch(self, call)
    }

    fn guard(&self) -> Option<&Arc<Guard>> {
        Some(self.kind.guard())
    }

    fn interfaces(&self) -> Vec<&'static InterfaceDescriptor> {
        self.kind.interfaces()
    }

    fn profile(&self, interface: InterfaceId) -> &'static Profile {
        self.kind.profile(interface)
    }

    fn target(self: Arc<Self>) -> Result<Arc<dyn ServerObject>, Fault> {
        Ok(self)
    }

    fn enter(self: Arc<Self>) -> Result<Entered, Fault> {
        Ok(Entered::plain(self))
    }

    fn identity(&self) -> usize {
        std::ptr::from_ref(self).cast::<()>() as usize
    }

    fn facet(&self, interface: InterfaceId) -> Option<&'static InterfaceDescriptor> {
        self.kind.facet(interface).map(|facet| facet.interface)
    }

    fn is_poisoned(&self) -> bool {
        matches!(&self.cell, Cell::Locked(lock) if lock.is_poisoned())
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
            self.look(|object| released(object, reason));
        }
    }
}
