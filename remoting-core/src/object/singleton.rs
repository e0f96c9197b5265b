//! One object for all calls, made at the first.
//!
//! Calls that come while it is made queue, and so do those behind them: each has its
//! turn until it stands at the object's own gate, so that calls come to the gate in
//! the order in which they came here.

use std::future::poll_fn;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::Poll;

use super::call::Dispatched;
use super::class::{Class, Factory};
use super::lock::Lock;
use super::{
    Dispatch, Entered, Guard, Instance, Keeper, Kind, Profile, Publication, RawCall, ServerObject,
    Tenant, context,
};
use crate::descriptor::InterfaceDescriptor;
use crate::error::{ErrorKind, Fault, GoneReason};
use crate::id::InterfaceId;
use crate::sink::ReplyMessage;

/// One object for all calls, made at the first.
pub(super) struct Singleton<P, T> {
    factory: Factory<T>,
    kind: Arc<Kind<T>>,
    current: Mutex<Option<Current>>,
    /// Who takes care of objects that have a lease.
    keeper: OnceLock<Weak<Keeper>>,
    /// Held by the one call that makes the object; the others queue.
    making: Lock<()>,
    /// How many calls hold it or queue for it.
    queued: Arc<AtomicUsize>,
    recreate: AtomicBool,
    interface: PhantomData<fn() -> P>,
}

/// The object that serves calls now.
#[derive(Clone)]
enum Current {
    /// It lives as long as it is published.
    Kept(Arc<dyn ServerObject>),
    /// It lives as long as its lease, and only the host's care keeps it.
    Leased(Arc<Tenant>),
}

impl Current {
    /// The object, unless its lease is over.
    fn ready(&self) -> Option<Entered> {
        match self {
            Self::Kept(object) => Some(Entered::plain(Arc::clone(object))),
            Self::Leased(tenant) => tenant.begin_call().ok(),
        }
    }
}

impl<P: Dispatch<T>, T: Send + Sync + 'static> Singleton<P, T> {
    pub(super) fn publication(factory: Factory<T>) -> Publication<T> {
        let kind = Kind::new::<P>();
        let class = Self {
            factory,
            kind: Arc::clone(&kind),
            current: Mutex::new(None),
            keeper: OnceLock::new(),
            making: Lock::new(()),
            queued: Arc::default(),
            recreate: AtomicBool::new(false),
            interface: PhantomData,
        };
        Publication::new(class, kind)
    }

    fn current(&self) -> Option<Current> {
        let current = self.current.lock();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The object, if there is one that can be called.
    fn ready(&self) -> Option<Entered> {
        let ready = self.current()?.ready()?;
        let spent = self.recreate.load(Ordering::Relaxed) && ready.object.is_poisoned();
        (!spent).then_some(ready)
    }

    /// Whether a call has to queue behind others, though there may be an object by now.
    ///
    /// Those below a call that came by way of the queue do not: they could wait for their own caller.
    fn has_queue(&self) -> bool {
        self.queued.load(Ordering::Acquire) > 0
            && P::interface().exclusive
            && !self.making.is_above()
    }

    /// The object, for a call that need not queue.
    fn at_once(&self) -> Option<Entered> {
        if self.has_queue() { None } else { self.ready() }
    }

    /// Runs a call that queues, and makes the object if it is the first.
    async fn run_in_turn(&self, call: RawCall<'static>, place: Place) -> ReplyMessage {
        let (watch, turn) = self.making.exclusive().await?;
        let ready = match self.ready() {
            Some(ready) => ready,
            None => self.make().await?,
        };
        let mut running = ready.dispatch(call);
        let at_gate = poll_fn(|cx| {
            let polled = context::approach(|| running.as_mut().poll(cx));
            Poll::Ready(polled)
        })
        .await;
        drop(turn);
        drop((watch, place));
        match at_gate {
            Poll::Ready(result) => result,
            Poll::Pending => running.await,
        }
    }

    async fn make(&self) -> Result<Entered, Fault> {
        context::door().await;
        context::begin();
        let object = (self.factory)().finish().await?;
        context::made();
        let current = self.care_for(Arc::new(Instance::new(object, &self.kind)))?;
        let before = self
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(current.clone());
        drop(before);
        current
            .ready()
            .ok_or_else(|| Fault::of(ErrorKind::ObjectGone(GoneReason::LeaseExpired)))
    }

    /// Gives a new object into the care of the host, if it is to have a lease.
    fn care_for(&self, object: Arc<dyn ServerObject>) -> Result<Current, Fault> {
        let keeper = self.keeper.get().and_then(Weak::upgrade);
        let Some(keeper) = keeper.filter(|_| self.kind.policy().is_some()) else {
            return Ok(Current::Kept(object));
        };
        let vacancy = keeper.vacancy()?;
        let tenant = keeper.take_in(object, vacancy, None);
        tenant.stay_called();
        Ok(Current::Leased(tenant))
    }
}

/// One of those who queue, until it is dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(queued: &Arc<AtomicUsize>) -> Self {
        queued.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(queued))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Whoever sees the queue empty comes to the object's gate after those who left it.
        self.0.fetch_sub(1, Ordering::Release);
    }
}

impl<P: Dispatch<T>, T: Send + Sync + 'static> Class for Singleton<P, T> {
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

    fn recreate_on_panic(&self) {
        self.recreate.store(true, Ordering::Relaxed);
    }

    fn settle_in(&self, keeper: &Arc<Keeper>) {
        let _known = self.keeper.set(Arc::downgrade(keeper));
    }
}

impl<P: Dispatch<T>, T: Send + Sync + 'static> ServerObject for Singleton<P, T> {
    fn interface(&self) -> &'static InterfaceDescriptor {
        P::interface()
    }

    fn dispatch(self: Arc<Self>, call: RawCall<'_>) -> Dispatched {
        if let Some(ready) = self.at_once() {
            return ready.dispatch(call);
        }
        let place = Place::take(&self.queued);
        let call = call.into_owned();
        Box::pin(async move { self.run_in_turn(call, place).await })
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

    fn leased(self: Arc<Self>) -> Option<Arc<Tenant>> {
        match self.current()? {
            Current::Leased(tenant) => Some(tenant),
            Current::Kept(_) => None,
        }
    }

    fn target(self: Arc<Self>) -> Result<Arc<dyn ServerObject>, Fault> {
        Ok(self)
    }

    fn enter(self: Arc<Self>) -> Result<Entered, Fault> {
        Ok(self.at_once().unwrap_or_else(|| Entered::plain(self)))
    }

    fn identity(&self) -> usize {
        std::ptr::from_ref(self).cast::<()>() as usize
    }
}
