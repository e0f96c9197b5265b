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

use super::call::Dispatched;
use super::{
    Construct, ConstructWith, ConstructorCall, Dispatch, Face, Instance, Made, Pinned, Profile,
    RawCall, ServerObject, context,
};
use crate::descriptor::InterfaceDescriptor;
use crate::error::{Error, ErrorKind, Executed, Fault};

/// What a host offers under a name: made by the functions of a dispatcher, used by `Host::publish`.
pub struct Publication {
    pub(crate) class: Arc<dyn Class>,
}

impl Publication {
    pub(super) fn new(class: impl Class + 'static) -> Self {
        Self {
            class: Arc::new(class),
        }
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

impl std::fmt::Debug for Publication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publication")
            .field("interface", &self.class.interface().name)
            .finish_non_exhaustive()
    }
}

/// A kind of publication, over any interface and object.
pub(crate) trait Class: Send + Sync {
    fn interface(&self) -> &'static InterfaceDescriptor;

    /// What calls by name reach.
    fn object(self: Arc<Self>) -> Result<Arc<dyn ServerObject>, Fault>;

    /// Makes an object for one client.
    fn construct(&self, _call: ConstructorCall<'_>) -> Made<Arc<dyn ServerObject>> {
        let text = format!(
            "objects of `{}` are not made by clients here; call it by name",
            self.interface().name
        );
        Box::pin(std::future::ready(Err(Fault::refused(
            ErrorKind::NotActivatable,
            text,
        ))))
    }

    fn recreate_on_panic(&self) {}
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
            making.await.map_err(|error| {
                let text = format!("the object could not be made: {error}");
                Fault::Error(Error::new(ErrorKind::Internal, text).with_executed(Executed::Yes))
            })
        }))
    })
}

/// A new object for each call.
pub(super) struct SingleCall<P, T> {
    factory: Factory<T>,
    profile: Arc<Profile>,
    interface: std::marker::PhantomData<fn() -> P>,
}

impl<P: Dispatch<T>, T: Send + Sync + 'static> SingleCall<P, T> {
    pub(super) fn plain(make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self::new(plain(make))
    }

    pub(super) fn fallible<E, F, R>(make: F) -> Self
    where
        E: std::fmt::Display + Send + 'static,
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<T, E>> + Send + 'static,
    {
        Self::new(fallible(make))
    }

    fn new(factory: Factory<T>) -> Self {
        let profile = Arc::new(Profile::new(P::interface()));
        Self {
            factory,
            profile,
            interface: std::marker::PhantomData,
        }
    }

    fn face(&self, object: T) -> Arc<Face<P, T>> {
        let instance = Arc::new(Instance::new(object, P::interface()));
        Arc::new(Face::new(instance, Arc::clone(&self.profile)))
    }
}

impl<P: Dispatch<T>, T: Send + Sync + 'static> Class for SingleCall<P, T> {
    fn interface(&self) -> &'static InterfaceDescriptor {
        P::interface()
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
            Making::Made(object) => self.face(object).dispatch(call),
            Making::Later(making) => {
                let call = call.into_owned();
                Box::pin(async move {
                    context::door().await;
                    self.face(making.await?).dispatch(call).await
                })
            }
        }
    }

    fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    fn target(self: Arc<Self>) -> Result<Arc<dyn ServerObject>, Fault> {
        Ok(self)
    }

    fn identity(&self) -> usize {
        std::ptr::from_ref(self).cast::<()>() as usize
    }
}

/// An object for each client that asks, made by a constructor of the object's type.
pub(super) struct Activated<P, T> {
    profile: Arc<Profile>,
    types: std::marker::PhantomData<fn() -> (P, T)>,
}

impl<P: Construct<T>, T: Send + Sync + 'static> Activated<P, T> {
    pub(super) fn new() -> Self {
        Self {
            profile: Arc::new(Profile::new(P::interface())),
            types: std::marker::PhantomData,
        }
    }
}

impl<P: Construct<T>, T: Send + Sync + 'static> Class for Activated<P, T> {
    fn interface(&self) -> &'static InterfaceDescriptor {
        P::interface()
    }

    fn object(self: Arc<Self>) -> Result<Arc<dyn ServerObject>, Fault> {
        Err(only_activated(P::interface()))
    }

    fn construct(&self, call: ConstructorCall<'_>) -> Made<Arc<dyn ServerObject>> {
        face_of::<P, T>(P::construct(call), Arc::clone(&self.profile))
    }
}

/// An object for each client that asks, made by a factory that has state.
pub(super) struct ActivatedWith<P, F> {
    factory: Arc<F>,
    profile: Arc<Profile>,
    interface: std::marker::PhantomData<fn() -> P>,
}

impl<P: ConstructWith<F>, F: Send + Sync + 'static> ActivatedWith<P, F> {
    pub(super) fn new(factory: F) -> Self {
        let profile = Arc::new(Profile::new(P::interface()));
        Self {
            factory: Arc::new(factory),
            profile,
            interface: std::marker::PhantomData,
        }
    }
}

impl<P: ConstructWith<F>, F: Send + Sync + 'static> Class for ActivatedWith<P, F> {
    fn interface(&self) -> &'static InterfaceDescriptor {
        P::interface()
    }

    fn object(self: Arc<Self>) -> Result<Arc<dyn ServerObject>, Fault> {
        Err(only_activated(P::interface()))
    }

    fn construct(&self, call: ConstructorCall<'_>) -> Made<Arc<dyn ServerObject>> {
        let constructed = P::construct(call.with(Arc::clone(&self.factory)));
        face_of::<P, P::Object>(constructed, Arc::clone(&self.profile))
    }
}

fn only_activated(interface: &InterfaceDescriptor) -> Fault {
    let text = format!(
        "`{}` makes an object for each client here; activate one instead of calling it by name",
        interface.name
    );
    Fault::refused(ErrorKind::Unsupported, text)
}

fn face_of<P: Dispatch<T>, T: Send + Sync + 'static>(
    constructed: Made<T>,
    profile: Arc<Profile>,
) -> Made<Arc<dyn ServerObject>> {
    Box::pin(async move {
        let instance = Arc::new(Instance::new(constructed.await?, P::interface()));
        Ok(Arc::new(Face::<P, T>::new(instance, profile)) as Arc<dyn ServerObject>)
    })
}

/// An object that its owner made.
pub(super) struct Existing<P, T>(pub(super) Arc<Face<P, T>>);

impl<P: Dispatch<T>, T: Send + Sync + 'static> Class for Existing<P, T> {
    fn interface(&self) -> &'static InterfaceDescriptor {
        P::interface()
    }

    fn object(self: Arc<Self>) -> Result<Arc<dyn ServerObject>, Fault> {
        Ok(Arc::clone(&self.0) as _)
    }
}
