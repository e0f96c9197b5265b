//! One object for all calls, made at the first.
//!
//! Calls that come while it is made queue, and so do those behind them: each has its
//! turn until it stands at the object's own gate, so that calls come to the gate in
//! the order in which they came here.

use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use super::call::Dispatched;
use super::class::{Class, Factory, fallible, plain};
use super::lock::Lock;
use super::{Dispatch, Face, Instance, Profile, RawCall, ServerObject, context};
use crate::descriptor::InterfaceDescriptor;
use crate::error::Fault;
use crate::sink::ReplyMessage;

/// One object for all calls, made at the first.
pub(super) struct Singleton<P, T> {
    factory: Factory<T>,
    profile: Arc<Profile>,
    current: Mutex<Option<Arc<Face<P, T>>>>,
    /// Held by the one call that makes the object; the others queue.
    making: Lock<()>,
    /// How many calls hold it or queue for it.
    queued: Arc<AtomicUsize>,
    recreate: AtomicBool,
}

impl<P: Dispatch<T>, T: Send + Sync + 'static> Singleton<P, T> {
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
        Self {
            factory,
            profile: Arc::new(Profile::new(P::interface())),
            current: Mutex::new(None),
            making: Lock::new(()),
            queued: Arc::default(),
            recreate: AtomicBool::new(false),
        }
    }

    /// The object, if there is one that can be called.
    fn ready(&self) -> Option<Arc<Face<P, T>>> {
        let current = self
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()?;
        let spent = self.recreate.load(Ordering::Relaxed) && current.is_poisoned();
        (!spent).then_some(current)
    }

    /// Whether a call has to queue behind others, though there may be an object by now.
    ///
    /// Those below a call that came by way of the queue do not: they could wait for their own caller.
    fn has_queue(&self) -> bool {
        self.queued.load(Ordering::Acquire) > 0
            && P::interface().exclusive
            && !self.making.is_above()
    }

    /// Runs a call that queues, and makes the object if it is the first.
    async fn run_in_turn(&self, call: RawCall<'static>, place: Place) -> ReplyMessage {
        let (watch, turn) = self.making.exclusive().await?;
        let face = match self.ready() {
            Some(face) => face,
            None => self.make().await?,
        };
        let mut running = face.dispatch(call);
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

    async fn make(&self) -> Result<Arc<Face<P, T>>, Fault> {
        context::door().await;
        let object = (self.factory)().finish().await?;
        let instance = Arc::new(Instance::new(object, P::interface()));
        let face = Arc::new(Face::new(instance, Arc::clone(&self.profile)));
        let before = self
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(Arc::clone(&face));
        drop(before);
        Ok(face)
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

    fn object(self: Arc<Self>) -> Result<Arc<dyn ServerObject>, Fault> {
        Ok(self)
    }

    fn recreate_on_panic(&self) {
        self.recreate.store(true, Ordering::Relaxed);
    }
}

impl<P: Dispatch<T>, T: Send + Sync + 'static> ServerObject for Singleton<P, T> {
    fn interface(&self) -> &'static InterfaceDescriptor {
        P::interface()
    }

    fn dispatch(self: Arc<Self>, call: RawCall<'_>) -> Dispatched {
        if !self.has_queue() {
            if let Some(face) = self.ready() {
                return face.dispatch(call);
            }
        }
        let place = Place::take(&self.queued);
        let call = call.into_owned();
        Box::pin(async move { self.run_in_turn(call, place).await })
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
