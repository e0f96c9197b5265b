//! Where objects come from: the kinds of publication.
//!
//! | publication | an object is made | and serves |
//! |---|---|---|
//! | singleton | at the first call | all calls, until it is poisoned and made anew |
//! | single call | for each call | that call |
//! | activated | by a client's constructor call | those who hold a reference |
//! | an object | by its owner, before | all calls |

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::call::Dispatched;
use super::construct::{instance_of, only_activated};
use super::{
    AlsoOffers, Conduct, Construct, ConstructWith, ConstructorCall, Dispatch, Entered, Guard,
    Instance, Keeper, Kind, Made, NewObject, Pinned, Profile, RawCall, ServerObject, context,
    internal,
};
use crate::descriptor::InterfaceDescriptor;
use crate::error::{ErrorKind, Fault, GoneReason};
use crate::id::InterfaceId;
use crate::lifetime::{LeaseInfo, LeasePolicy};
use crate::sink::SinkRef;

/// What a host offers under a name, with objects of type `T` behind it: made by the functions of
/// a dispatcher, used by `Host::publish`.
pub struct Publication<T> {
    pub(crate) class: Arc<dyn Class>,
    kind: Arc<Kind<T>>,
}

impl<T: Send + Sync + 'static> Publication<T> {
    pub(super) fn new(class: impl Class + 'static, kind: Arc<Kind<T>>) -> Self {
        Self {
            class: Arc::new(class),
            kind,
        }
    }

    /// Sets how long the objects live.
    ///
    /// Without it, activated objects live by the policy of their host, and singletons as long as
    /// they are published. A singleton with a lease is made anew by the first call after it has
    /// run out. Objects for single calls have no lease.
    #[must_use]
    pub fn lease(self, policy: LeasePolicy) -> Self {
        self.kind.set_policy(policy);
        self
    }

    /// Has `released` called when the host lets an object go: with the object, and the reason.
    ///
    /// It runs on whichever thread lets the object go, and should not wait. It is not called
    /// while a call has the object for itself, nor for objects that have no lease.
    #[must_use]
    pub fn on_released(self, released: impl Fn(&T, GoneReason) + Send + Sync + 'static) -> Self {
        self.kind.set_on_released(released);
        self
    }

    /// Has `renewal` asked when the lease of one of the objects is over: for how long the object is
    /// to live on, or zero to let it go.
    #[must_use]
    pub fn sponsor(self, renewal: impl Fn(LeaseInfo) -> Duration + Send + Sync + 'static) -> Self {
        self.kind.add_sponsor(renewal);
        self
    }

    /// Has each call of the objects, constructors included, pass through a sink, inside of those that were added before: calls of this process too.
    #[must_use]
    pub fn sink(self, sink: impl Into<SinkRef>) -> Self {
        self.kind.guard().add_sink(sink.into());
        self
    }

    /// Offers the objects through one more interface: `also::<AuditDispatcher<_>>()`.
    ///
    /// Whichever interface a call comes through, it is one object with one lock and one lease.
    /// Clients get to the other interface by `Proxy::cast`, or by a URL.
    #[must_use]
    pub fn also<D>(self) -> Self
    where
        D: AlsoOffers<Object = T>,
    {
        self.kind.add_facet::<D::Proxy>();
        self
    }

    /// Lets only callers with one of these roles do anything with the objects: call, activate, describe,
    /// and everything else. Roles that the trait asks for are asked for besides.
    #[must_use]
    pub fn roles<R: Into<String>>(self, roles: impl IntoIterator<Item = R>) -> Self {
        self.kind.guard().set_roles(roles);
        self
    }

    /// Lets only callers with one of these roles call a method, or a constructor.
    ///
    /// - `method`: its name, or that of `#[rename]`. `Host::publish` refuses one that there is not.
    #[must_use]
    pub fn method_roles<R: Into<String>>(
        self,
        method: &str,
        roles: impl IntoIterator<Item = R>,
    ) -> Self {
        self.kind.guard().add_method(method, roles);
        self
    }

    /// Makes a singleton anew at the next call after one of its `&mut self` methods has panicked.
    ///
    /// Without it, all later calls end with `Poisoned`. Other kinds of publication are not changed.
    #[must_use]
    pub fn recreate_on_panic(self) -> Self {
        self.class.recreate_on_panic();
        self
    }
}

impl<T> std::fmt::Debug for Publication<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publication")
            .field("interface", &self.class.interface().name)
            .finish_non_exhaustive()
    }
}

/// A kind of publication, over any interface and object.
pub(crate) trait Class: Send + Sync {
    fn interface(&self) -> &'static InterfaceDescriptor;

    /// What is asked of those who want anything of it.
    fn guard(&self) -> Option<&Arc<Guard>>;

    /// The interfaces that its objects are offered through.
    fn interfaces(&self) -> Vec<&'static InterfaceDescriptor>;

    /// What calls by name reach.
    fn object(self: Arc<Self>) -> Result<Arc<dyn ServerObject>, Fault>;

    /// Makes an object for one client.
    fn construct(&self, _call: ConstructorCall<'_>) -> Made<NewObject> {
        let text = format!(
            "objects of `{}` are not made by clients here; call it by name",
            self.interface().name
        );
        Box::pin(std::future::ready(Err(Fault::refused(
            ErrorKind::NotActivatable,
            text,
        ))))
    }

    /// What is known of a constructor.
    fn conduct(&self, _index: usize) -> Option<&'static Conduct> {
        None
    }

    fn recreate_on_panic(&self) {}

    /// What is published is reached by this name from now on, or by none any more. Names are
    /// locked: nothing of the user's may run.
    fn named(&self, _name: Option<&str>) {}

    /// It is published no more. Nothing is locked.
    fn taken_back(&self) {}

    /// Tells who takes care of the objects.
    fn settle_in(&self, _keeper: &Arc<Keeper>) {}
}

/// Makes an object; boxed once per publication, called once per object.
pub(super) type Factory<T> = Box<dyn Fn() -> Making<T> + Send + Sync>;

/// An object, now or later.
pub(super) enum Making<T> {
    Made(T),
    Later(Pinned<'static, Result<T, Fault>>),
}

impl<T> Making<T> {
    pub(super) async fn finish(self) -> Result<T, Fault> {
        match self {
            Self::Made(object) => Ok(object),
            Self::Later(future) => future.await,
        }
    }
}

pub(super) fn plain<T: Send + 'static>(make: impl Fn() -> T + Send + Sync + 'static) -> Factory<T> {
    Box::new(move || Making::Made(make()))
}

pub(super) fn fallible<T, E, F, R>(make: F) -> Factory<T>
where
    T: Send + 'static,
    E: std::fmt::Display + Send + 'static,
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<T, E>> + Send + 'static,
{
    Box::new(move || {
        let making = make();
        Making::Later(Box::pin(async move {
            let made = making.await;
            made.map_err(|error| {
                internal(
                    "a factory",
                    "the object could not be made",
                    &error.to_string(),
                )
            })
        }))
    })
}

/// A new object for each call.
pub(super) struct SingleCall<P, T> {
    factory: Factory<T>,
    kind: Arc<Kind<T>>,
    interface: std::marker::PhantomData<fn() -> P>,
}

impl<P: Dispatch<T>, T: Send + Sync + 'static> SingleCall<P, T> {
    pub(super) fn publication(factory: Factory<T>) -> Publication<T> {
        let kind = Kind::new::<P>();
        let class = Self {
            factory,
            kind: Arc::clone(&kind),
            interface: std::marker::PhantomData,
        };
        Publication::new(class, kind)
    }

    fn instance(&self, object: T) -> Arc<Instance<T>> {
        Arc::new(Instance::new(object, &self.kind))
    }
}

impl<P: Dispatch<T>, T: Send + Sync + 'static> Class for SingleCall<P, T> {
    fn interface(&self) -> &'static InterfaceDescriptor {
        P::interface()
    }

    fn guard(&self) -> Option<&Arc<Guard>> {
        Some(self.kind.guard())
    }

    fn interfaces(&self) -> Vec<&'static InterfaceDescriptor> {
        self.kind.interfaces()
    }

    fn object(self: Arc<Self>) -> Result<Arc<dyn ServerObject>, Fault> {
        Ok(self)
    }
}

impl<P: Dispatch<T>, T: Send + Sync + 'static> ServerObject for SingleCall<P, T> {
    fn interface(&self) -> &'static InterfaceDescriptor {
        P::interface()
    }

    fn dispatch(self: Arc<Self>, call: RawCall<'_>) -> Dispatched {
        context::begin();
        match (self.factory)() {
            Making::Made(object) => {
                context::made();
                self.instance(object).dispatch(call)
            }
            Making::Later(making) => {
                let call = call.into_owned();
                Box::pin(async move {
                    context::door().await;
                    context::begin();
                    let object = making.await?;
                    context::made();
                    self.instance(object).dispatch(call).await
                })
            }
        }
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

    fn facet(&self, interface: InterfaceId) -> Option<&'static InterfaceDescriptor> {
        self.kind.facet(interface).map(|facet| facet.interface)
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
}

/// An object for each client that asks, made by a constructor of the object's type.
pub(super) struct Activated<P, T> {
    kind: Arc<Kind<T>>,
    interface: std::marker::PhantomData<fn() -> P>,
}

impl<P: Construct<T>, T: Send + Sync + 'static> Activated<P, T> {
    pub(super) fn publication() -> Publication<T> {
        let kind = Kind::new::<P>();
        let class = Self {
            kind: Arc::clone(&kind),
            interface: std::marker::PhantomData,
        };
        Publication::new(class, kind)
    }
}

impl<P: Construct<T>, T: Send + Sync + 'static> Class for Activated<P, T> {
    fn interface(&self) -> &'static InterfaceDescriptor {
        P::interface()
    }

    fn guard(&self) -> Option<&Arc<Guard>> {
        Some(self.kind.guard())
    }

    fn interfaces(&self) -> Vec<&'static InterfaceDescriptor> {
        self.kind.interfaces()
    }

    fn object(self: Arc<Self>) -> Result<Arc<dyn ServerObject>, Fault> {
        Err(only_activated(P::interface()))
    }

    fn conduct(&self, index: usize) -> Option<&'static Conduct> {
        self.kind.constructor(index)
    }

    fn construct(&self, call: ConstructorCall<'_>) -> Made<NewObject> {
        instance_of(P::construct(call), Arc::clone(&self.kind))
    }
}

/// An object for each client that asks, made by a factory that has state.
pub(super) struct ActivatedWith<P: ConstructWith<F>, F> {
    factory: Arc<F>,
    kind: Arc<Kind<P::Object>>,
    interface: std::marker::PhantomData<fn() -> P>,
}

impl<P: ConstructWith<F>, F: Send + Sync + 'static> ActivatedWith<P, F> {
    pub(super) fn publication(factory: F) -> Publication<P::Object> {
        let kind = Kind::new::<P>();
        let class = Self {
            factory: Arc::new(factory),
            kind: Arc::clone(&kind),
            interface: std::marker::PhantomData,
        };
        Publication::new(class, kind)
    }
}

impl<P: ConstructWith<F>, F: Send + Sync + 'static> Class for ActivatedWith<P, F> {
    fn interface(&self) -> &'static InterfaceDescriptor {
        P::interface()
    }

    fn guard(&self) -> Option<&Arc<Guard>> {
        Some(self.kind.guard())
    }

    fn interfaces(&self) -> Vec<&'static InterfaceDescriptor> {
        self.kind.interfaces()
    }

    fn object(self: Arc<Self>) -> Result<Arc<dyn ServerObject>, Fault> {
        Err(only_activated(P::interface()))
    }

    fn conduct(&self, index: usize) -> Option<&'static Conduct> {
        self.kind.constructor(index)
    }

    fn construct(&self, call: ConstructorCall<'_>) -> Made<NewObject> {
        let constructed = P::construct(call.with(Arc::clone(&self.factory)));
        instance_of(constructed, Arc::clone(&self.kind))
    }
}
