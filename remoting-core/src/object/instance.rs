//! One object of the user's, with the lock its interface asks for.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use tokio::sync::OwnedRwLockWriteGuard;

use super::call::{Dispatched, IncomingCall};
use super::lock::{Lock, SharedGuard, Watch};
use super::{Dispatch, Profile, RawCall, ServerObject};
use crate::descriptor::InterfaceDescriptor;
use crate::error::{ErrorKind, Fault};

/// An object of the user's.
pub(crate) struct Instance<T>(Cell<T>);

enum Cell<T> {
    /// No method takes `&mut self`: nobody ever waits.
    Open(T),
    /// The same, and the user keeps the object too.
    Kept(Arc<T>),
    Locked(Lock<T>),
}

impl<T> Instance<T> {
    /// Takes an object in, with a lock if its interface has `&mut self` methods.
    pub(crate) fn new(object: T, interface: &InterfaceDescriptor) -> Self {
        match interface.exclusive {
            true => Self(Cell::Locked(Lock::new(object))),
            false => Self(Cell::Open(object)),
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
    profile: Arc<Profile>,
    interface: PhantomData<fn() -> P>,
}

impl<P: Dispatch<T>, T: Send + Sync + 'static> Face<P, T> {
    pub(crate) fn new(instance: Arc<Instance<T>>, profile: Arc<Profile>) -> Self {
        Self {
            instance,
            profile,
            interface: PhantomData,
        }
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.instance.is_poisoned()
    }
}

impl<P: Dispatch<T>, T: Send + Sync + 'static> ServerObject for Face<P, T> {
    fn interface(&self) -> &'static InterfaceDescriptor {
        P::interface()
    }

    fn dispatch(self: Arc<Self>, call: RawCall<'_>) -> Dispatched {
        P::dispatch(IncomingCall {
            raw: call,
            object: Arc::clone(&self.instance),
        })
    }

    fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    fn target(self: Arc<Self>) -> Result<Arc<dyn ServerObject>, Fault> {
        Ok(self)
    }

    fn identity(&self) -> usize {
        Arc::as_ptr(&self.instance).cast::<()>() as usize
    }
}
