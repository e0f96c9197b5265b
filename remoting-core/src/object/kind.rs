//! What all objects of one origin share: how long their methods take, through which other
//! interfaces they are seen, and how long they live.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::lease::{SponsorProxy, sponsor_fn};
use super::profile::Conduct;
use super::{Dispatch, Dispatched, Dispatcher, Guard, IncomingCall, Instance, Profile, RawCall};
use crate::descriptor::InterfaceDescriptor;
use crate::error::GoneReason;
use crate::id::InterfaceId;
use crate::lifetime::{LeaseInfo, LeasePolicy};
use crate::proxy::Proxy;

/// What all objects of one origin share.
pub(crate) struct Kind<T> {
    /// The interface that they are offered through first.
    first: Facet<T>,
    guard: Arc<Guard>,
    settings: Mutex<Settings<T>>,
}

struct Settings<T> {
    policy: Option<Arc<LeasePolicy>>,
    on_released: Option<Released<T>>,
    sponsors: Vec<SponsorProxy>,
    facets: Arc<[Facet<T>]>,
}

/// What is called when an object is let go.
type Released<T> = Arc<dyn Fn(&T, GoneReason) + Send + Sync>;

/// An interface of objects.
pub(super) struct Facet<T> {
    pub(super) interface: &'static InterfaceDescriptor,
    pub(super) profile: &'static Profile,
    pub(super) dispatch: fn(IncomingCall<'_, T>) -> Dispatched,
}

impl<T> Clone for Facet<T> {
    fn clone(&self) -> Self {
        Self {
            interface: self.interface,
            profile: self.profile,
            dispatch: self.dispatch,
        }
    }
}

/// A dispatcher, as what names one more interface of an object: `also::<AuditDispatcher<_>>()`.
pub trait AlsoOffers {
    /// The object.
    type Object;
    /// The proxy of the interface.
    type Proxy: Dispatch<Self::Object>;
}

impl<P: Dispatch<T>, T> AlsoOffers for Dispatcher<P, T> {
    type Object = T;
    type Proxy = P;
}

impl<T: 'static> Facet<T> {
    fn of<P: Dispatch<T>>() -> Self {
        Self {
            interface: P::interface(),
            profile: Profile::of::<P, T>(),
            dispatch: P::dispatch,
        }
    }
}

impl<T: 'static> Kind<T> {
    /// Objects that are offered through the interface of `P`.
    pub(crate) fn new<P: Dispatch<T>>() -> Arc<Self> {
        Arc::new(Self {
            first: Facet::of::<P>(),
            guard: Arc::default(),
            settings: Mutex::new(Settings {
                policy: None,
                on_released: None,
                sponsors: Vec::new(),
                facets: Arc::new([]),
            }),
        })
    }
}

impl<T> Kind<T> {
    /// The interface that the objects are offered through first.
    pub(super) fn interface(&self) -> &'static InterfaceDescriptor {
        self.first.interface
    }

    /// How long the methods of an interface take.
    pub(super) fn profile(&self, interface: InterfaceId) -> &'static Profile {
        if interface == self.first.interface.id {
            return self.first.profile;
        }
        let facet = self.facet(interface);
        facet.map_or_else(Profile::unknown, |facet| facet.profile)
    }

    /// How long a constructor takes.
    pub(super) fn constructor(&self, index: usize) -> Option<&'static Conduct> {
        self.first.profile.constructor(index)
    }

    /// All interfaces that they are offered through.
    pub(super) fn interfaces(&self) -> Vec<&'static InterfaceDescriptor> {
        let others = self.facets();
        let others = others.iter().map(|facet| facet.interface);
        [self.first.interface].into_iter().chain(others).collect()
    }

    /// What they ask of their callers.
    pub(super) fn guard(&self) -> &Arc<Guard> {
        &self.guard
    }

    fn lock(&self) -> MutexGuard<'_, Settings<T>> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_policy(&self, policy: LeasePolicy) {
        self.lock().policy = Some(Arc::new(policy));
    }

    pub(super) fn policy(&self) -> Option<Arc<LeasePolicy>> {
        self.lock().policy.clone()
    }

    pub(super) fn set_on_released(
        &self,
        released: impl Fn(&T, GoneReason) + Send + Sync + 'static,
    ) {
        let before = self.lock().on_released.replace(Arc::new(released));
        drop(before);
    }

    pub(super) fn on_released(&self) -> Option<Released<T>> {
        self.lock().on_released.clone()
    }

    pub(super) fn add_sponsor(
        &self,
        renewal: impl Fn(LeaseInfo) -> Duration + Send + Sync + 'static,
    ) {
        let sponsor = SponsorProxy::local(sponsor_fn(renewal));
        self.lock().sponsors.push(sponsor);
    }

    pub(super) fn sponsors(&self) -> Vec<SponsorProxy> {
        self.lock().sponsors.clone()
    }

    pub(super) fn facets(&self) -> Arc<[Facet<T>]> {
        Arc::clone(&self.lock().facets)
    }

    pub(super) fn facet(&self, interface: InterfaceId) -> Option<Facet<T>> {
        let facets = self.facets();
        facets
            .iter()
            .find(|facet| facet.interface.id == interface)
            .cloned()
    }

    /// Whether any of the interfaces has a method that takes `&mut self`.
    pub(super) fn is_exclusive(&self) -> bool {
        let others = self.facets();
        let mut others = others.iter().map(|facet| facet.interface);
        self.first.interface.exclusive || others.any(|interface| interface.exclusive)
    }
}

impl<T: Send + Sync + 'static> Kind<T> {
    pub(super) fn add_facet<Q: Dispatch<T>>(&self) {
        let mut settings = self.lock();
        let known = settings.facets.iter().cloned();
        settings.facets = known.chain([Facet::of::<Q>()]).collect();
    }

    /// Runs a call on an object, through whichever of its interfaces it came.
    pub(super) fn dispatch(&self, object: Arc<Instance<T>>, call: RawCall<'_>) -> Dispatched {
        let interface = call.interface;
        let call = IncomingCall { raw: call, object };
        if interface == self.first.interface.id {
            return (self.first.dispatch)(call);
        }
        match self.facet(interface) {
            Some(facet) => (facet.dispatch)(call),
            None => call.unknown(),
        }
    }
}
