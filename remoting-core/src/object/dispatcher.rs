//! The user's handle on the server's end of an interface.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::class::{Activated, ActivatedWith, Existing, SingleCall};
use super::singleton::Singleton;
use super::{
    Class, Construct, ConstructWith, Dispatch, Face, Instance, Profile, Publication, Shared,
};
use crate::proxy::Reference;

/// Brings calls of an interface to objects of type `T`.
///
/// Each `#[remote]` trait `Account` has an alias `AccountDispatcher<T>` for it. The
/// functions make publications for `Host::publish`; a value stands for one object
/// that already lives, and a clone of it for the same object.
pub struct Dispatcher<P, T> {
    face: Arc<Face<P, T>>,
}

impl<P: Dispatch<T>, T: Send + Sync + 'static> Dispatcher<P, T> {
    /// Takes in an object, to be marshalled or called through [`Dispatcher::proxy`].
    ///
    /// If the interface has `&mut self` methods the object gets a lock.
    pub fn new(object: T) -> Self {
        Self::of(Instance::new(object, P::interface()))
    }

    /// Shares an object that the program keeps using.
    ///
    /// Only for interfaces without `&mut self` methods.
    pub fn from_arc(object: Arc<T>) -> Self
    where
        P: Shared,
    {
        Self::of(Instance::kept(object))
    }

    /// A proxy of the object, in this process.
    pub fn proxy(&self) -> P {
        P::from_reference(Reference::local(Arc::clone(&self.face) as _))
    }

    /// One object for all calls, made at the first one.
    ///
    /// However many first calls arrive together, `make` runs once. Its object lives as
    /// long as it is published.
    pub fn singleton(make: impl Fn() -> T + Send + Sync + 'static) -> Publication {
        Publication::new(Singleton::<P, T>::plain(make))
    }

    /// Like [`Dispatcher::singleton`], with a factory that may wait and may fail.
    ///
    /// A failure ends the calls that waited for it, with the error's text, and the next
    /// call tries again.
    pub fn try_singleton<E, F, R>(make: F) -> Publication
    where
        E: fmt::Display + Send + 'static,
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<T, E>> + Send + 'static,
    {
        Publication::new(Singleton::<P, T>::fallible(make))
    }

    /// A new object for each call.
    pub fn single_call(make: impl Fn() -> T + Send + Sync + 'static) -> Publication {
        Publication::new(SingleCall::<P, T>::plain(make))
    }

    /// Like [`Dispatcher::single_call`], with a factory that may wait and may fail.
    pub fn try_single_call<E, F, R>(make: F) -> Publication
    where
        E: fmt::Display + Send + 'static,
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<T, E>> + Send + 'static,
    {
        Publication::new(SingleCall::<P, T>::fallible(make))
    }

    /// An object for each client that activates one, made by the constructors that `T` implements.
    pub fn activated() -> Publication
    where
        P: Construct<T>,
    {
        Publication::new(Activated::<P, T>::new())
    }

    /// An object for each client that activates one, made by `factory`.
    pub fn activated_with<F>(factory: F) -> Publication
    where
        F: Send + Sync + 'static,
        P: ConstructWith<F, Object = T>,
    {
        Publication::new(ActivatedWith::<P, F>::new(factory))
    }

    fn of(instance: Instance<T>) -> Self {
        let profile = Arc::new(Profile::new(P::interface()));
        Self {
            face: Arc::new(Face::new(Arc::new(instance), profile)),
        }
    }

    /// A number that all handles of the object share, and no other object has while it lives.
    pub(crate) fn identity(&self) -> usize {
        super::ServerObject::identity(&*self.face)
    }

    pub(crate) fn into_class(self) -> Arc<dyn Class> {
        Arc::new(Existing(self.face))
    }
}

impl<P, T> Clone for Dispatcher<P, T> {
    fn clone(&self) -> Self {
        Self {
            face: Arc::clone(&self.face),
        }
    }
}

impl<P, T> fmt::Debug for Dispatcher<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dispatcher<{}>", std::any::type_name::<T>())
    }
}
