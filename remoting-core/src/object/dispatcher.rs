//! The user's handle on the server's end of an interface.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use super::class::{Activated, ActivatedWith, SingleCall, fallible, plain};
use super::singleton::Singleton;
use super::{
    AlsoOffers, Construct, ConstructWith, Dispatch, Instance, Kind, Publication, ServerObject,
    Shared,
};
use crate::error::GoneReason;
use crate::lifetime::LeasePolicy;
use crate::proxy::Reference;
use crate::sink::SinkRef;

/// Brings calls of an interface to objects of type `T`.
///
/// Each `#[remote]` trait `Account` has an alias `AccountDispatcher<T>` for it. The
/// functions make publications for `Host::publish`; a value stands for one object
/// that already lives, and a clone of it for the same object.
pub struct Dispatcher<P, T> {
    instance: Arc<Instance<T>>,
    interface: PhantomData<fn() -> P>,
}

impl<P: Dispatch<T>, T: Send + Sync + 'static> Dispatcher<P, T> {
    /// Takes in an object, to be marshalled or called through [`Dispatcher::proxy`].
    ///
    /// If the interface has `&mut self` methods the object gets a lock.
    pub fn new(object: T) -> Self {
        Self::of(Instance::new(object, &Kind::new::<P>()))
    }

    /// Shares an object that the program keeps using.
    ///
    /// Only for interfaces without `&mut self` methods.
    pub fn from_arc(object: Arc<T>) -> Self
    where
        P: Shared,
    {
        Self::of(Instance::kept(object, &Kind::new::<P>()))
    }

    /// A proxy of the object, in this process.
    pub fn proxy(&self) -> P {
        P::from_reference(Reference::local(Arc::clone(&self.instance) as _))
    }

    /// One object for all calls, made at the first one.
    ///
    /// However many first calls arrive together, `make` runs once. Its object lives as
    /// long as it is published.
    pub fn singleton(make: impl Fn() -> T + Send + Sync + 'static) -> Publication<T> {
        Singleton::<P, T>::publication(plain(make))
    }

    /// Like [`Dispatcher::singleton`], with a factory that may wait and may fail.
    ///
    /// A failure ends the call that began it, with the error's text. The next one tries again, also of those
    /// that have waited.
    pub fn try_singleton<E, F, R>(make: F) -> Publication<T>
    where
        E: fmt::Display + Send + 'static,
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<T, E>> + Send + 'static,
    {
        Singleton::<P, T>::publication(fallible(make))
    }

    /// A new object for each call.
    pub fn single_call(make: impl Fn() -> T + Send + Sync + 'static) -> Publication<T> {
        SingleCall::<P, T>::publication(plain(make))
    }

    /// Like [`Dispatcher::single_call`], with a factory that may wait and may fail.
    pub fn try_single_call<E, F, R>(make: F) -> Publication<T>
    where
        E: fmt::Display + Send + 'static,
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<T, E>> + Send + 'static,
    {
        SingleCall::<P, T>::publication(fallible(make))
    }

    /// An object for each client that activates one, made by the constructors that `T` implements.
    pub fn activated() -> Publication<T>
    where
        P: Construct<T>,
    {
        Activated::<P, T>::publication()
    }

    /// An object for each client that activates one, made by `factory`.
    pub fn activated_with<F>(factory: F) -> Publication<T>
    where
        F: Send + Sync + 'static,
        P: ConstructWith<F, Object = T>,
    {
        ActivatedWith::<P, F>::publication(factory)
    }

    fn of(instance: Instance<T>) -> Self {
        let (instance, interface) = (Arc::new(instance), PhantomData);
        Self {
            instance,
            interface,
        }
    }

    /// Sets how long the object lives when it is marshalled, or sent by reference; without it,
    /// the policy of the host holds. A lease that runs already is not changed.
    #[must_use]
    pub fn lease(self, policy: LeasePolicy) -> Self {
        self.instance.kind().set_policy(policy);
        self
    }

    /// Has `released` called when a host that offered the object lets it go, with the reason.
    #[must_use]
    pub fn on_released(self, released: impl Fn(&T, GoneReason) + Send + Sync + 'static) -> Self {
        self.instance.kind().set_on_released(released);
        self
    }

    /// Lets only callers with one of these roles do anything with the object. Roles that the trait asks for
    /// are asked for besides; code of this process is not asked.
    #[must_use]
    pub fn roles<R: Into<String>>(self, roles: impl IntoIterator<Item = R>) -> Self {
        self.instance.kind().guard().set_roles(roles);
        self
    }

    /// Lets only callers with one of these roles call a method.
    ///
    /// - `method`: its name, or that of `#[rename]`. `Host::marshal` refuses one that there is not.
    #[must_use]
    pub fn method_roles<R: Into<String>>(
        self,
        method: &str,
        roles: impl IntoIterator<Item = R>,
    ) -> Self {
        self.instance.kind().guard().add_method(method, roles);
        self
    }

    /// Has each call of the object pass through a sink, inside of those that were added before: calls of this process too.
    #[must_use]
    pub fn sink(self, sink: impl Into<SinkRef>) -> Self {
        self.instance.kind().guard().add_sink(sink.into());
        self
    }

    /// Offers the object through one more interface: `also::<AuditDispatcher<_>>()`.
    ///
    /// Whichever interface a call comes through, it is one object with one lock and one lease.
    ///
    /// # Panics
    ///
    /// If the other interface has `&mut self` methods and this one has none, so that the object
    /// needs a lock, and there are clones or proxies of the dispatcher already, or the program
    /// keeps the object ([`Dispatcher::from_arc`]).
    #[must_use]
    pub fn also<D>(self) -> Self
    where
        D: AlsoOffers<Object = T>,
    {
        let other = <D::Proxy as crate::proxy::Stub>::interface();
        let instance = if other.exclusive && !P::interface().exclusive {
            let locked = Arc::into_inner(self.instance).and_then(Instance::into_locked);
            Arc::new(locked.expect("`also` comes before clones and proxies of the dispatcher"))
        } else {
            self.instance
        };
        instance.kind().add_facet::<D::Proxy>();
        let interface = PhantomData;
        Self {
            instance,
            interface,
        }
    }

    /// The object, as calls reach it.
    pub(crate) fn into_object(self) -> Arc<dyn ServerObject> {
        self.instance
    }
}

impl<P, T> Clone for Dispatcher<P, T> {
    fn clone(&self) -> Self {
        let (instance, interface) = (Arc::clone(&self.instance), PhantomData);
        Self {
            instance,
            interface,
        }
    }
}

impl<P, T> fmt::Debug for Dispatcher<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dispatcher<{}>", std::any::type_name::<T>())
    }
}
