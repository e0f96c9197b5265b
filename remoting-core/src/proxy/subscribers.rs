//! Telling many listeners: each has a queue of its own, so none holds up the publisher or
//! another listener.
//!
//! ```text
//! publish --> queue of each --> one call at a time, in order --> answered: the next
//!                          |--> full: what the policy says   --> gone: removed, reported
//! ```
//!
//! A listener without anything to tell costs no task.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Call, Stub, runtime};
use crate::error::{Error, ErrorKind, Executed};

/// How many events wait for a listener unless something else is said.
const QUEUE: usize = 64;
/// How long a listener may take for one event unless something else is said.
const PATIENCE: Duration = Duration::from_secs(5);

/// The listeners of an object: proxies of objects that want to be told. (.NET: an event.)
///
/// A handle, cheap to clone. Publishing never waits and never fails: each listener has a bounded
/// queue and is told one event after the other, in their order. Listeners that are gone are
/// removed. Calls are made from tasks, so a listener may call back whoever is publishing.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "macros")] mod example {
/// use remoting_core::{Subscribers, remote};
///
/// #[remote]
/// pub trait Listener {
///     async fn changed(&self, balance: u64) -> remoting_core::Result<()>;
/// }
///
/// struct Account {
///     listeners: Subscribers<ListenerProxy>,
/// }
///
/// impl Account {
///     fn watch(&self, listener: ListenerProxy) {
///         self.listeners.add(listener);
///     }
///
///     fn set(&self, balance: u64) {
///         self.listeners.publish(move |listener, _missed| listener.changed(balance));
///     }
/// }
/// # }
/// ```
pub struct Subscribers<P>(Arc<Shared<P>>);

/// What is done with a listener whose queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum WhenFull {
    /// It misses the oldest event that waits, and is told how many it has missed.
    #[default]
    DropOldest,
    /// It misses all that wait, and is told the newest.
    Latest,
    /// It is removed.
    Disconnect,
}

/// Why a listener was removed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Removed {
    /// It cannot be called any more; the error says why.
    Gone(Error),
    /// Its queue was full.
    TooSlow,
}

/// Names a listener among its like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriberId(u64);

/// Makes the call that tells an event, to a listener that has missed so many before it.
type Event<P> = Arc<dyn Fn(&P, u64) -> Call<(), Error> + Send + Sync>;

struct Shared<P> {
    listeners: Mutex<Listeners<P>>,
}

struct Settings<P> {
    queue: usize,
    patience: Duration,
    when_full: WhenFull,
    on_removed: Option<Arc<dyn Fn(P, Removed) + Send + Sync>>,
}

struct Listeners<P> {
    settings: Settings<P>,
    next: u64,
    known: BTreeMap<SubscriberId, Listener<P>>,
}

struct Listener<P> {
    proxy: P,
    queue: VecDeque<Event<P>>,
    missed: u64,
    /// A task is telling it what waits.
    busy: bool,
}

impl<P: Stub> Subscribers<P> {
    /// No listeners yet: queues of 64 events, of which the oldest are dropped, and 5 seconds for
    /// each call.
    pub fn new() -> Self {
        let settings = Settings {
            queue: QUEUE,
            patience: PATIENCE,
            when_full: WhenFull::default(),
            on_removed: None,
        };
        Self(Arc::new(Shared {
            listeners: Mutex::new(Listeners {
                settings,
                next: 0,
                known: BTreeMap::new(),
            }),
        }))
    }

    /// Sets how many events wait for one listener, at least 1, and what is done when there are
    /// more. Holds from now on, for all handles.
    #[must_use]
    pub fn queue(self, events: usize, when_full: WhenFull) -> Self {
        {
            let settings = &mut self.0.lock().settings;
            settings.queue = events.max(1);
            settings.when_full = when_full;
        }
        self
    }

    /// Sets how long a listener may take for one event; one that takes longer misses that event.
    /// Holds from now on, for all handles.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        self.0.lock().settings.patience = patience;
        self
    }

    /// Has `removed` called with each listener that is removed because it is gone or too slow.
    /// Who is gone is found out when something is published. Holds from now on, for all handles.
    #[must_use]
    pub fn on_removed(self, removed: impl Fn(P, Removed) + Send + Sync + 'static) -> Self {
        let before = self.0.lock().settings.on_removed.replace(Arc::new(removed));
        drop(before);
        self
    }

    /// Adds a listener, which is told what is published from now on.
    pub fn add(&self, listener: P) -> SubscriberId {
        let mut listeners = self.0.lock();
        let id = SubscriberId(listeners.next);
        listeners.next += 1;
        let listener = Listener {
            proxy: listener,
            queue: VecDeque::new(),
            missed: 0,
            busy: false,
        };
        listeners.known.insert(id, listener);
        id
    }

    /// Removes a listener and gives it back. What waits for it is not told any more.
    pub fn remove(&self, id: SubscriberId) -> Option<P> {
        let removed = self.0.lock().known.remove(&id);
        removed.map(|listener| listener.proxy)
    }

    /// How many listeners there are.
    pub fn len(&self) -> usize {
        self.0.lock().known.len()
    }

    /// Whether nobody listens.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tells all listeners, without waiting for any.
    ///
    /// - `event`: makes the one call that tells a listener, and gives it as it is, without
    ///   `.await`: `|listener, _missed| listener.changed(7)`. Gets how many events the listener has
    ///   missed since it was told the one before. It runs later, on a task, once for each listener;
    ///   if it panics for one, that listener misses the event.
    pub fn publish<T, E, F>(&self, event: F)
    where
        F: Fn(&P, u64) -> Call<T, E> + Send + Sync + 'static,
    {
        let event: Event<P> = Arc::new(move |listener, missed| event(listener, missed).outcome());
        let mut idle = Vec::new();
        let mut slow = Vec::new();
        let mut dropped = Vec::new();
        {
            let listeners = &mut *self.0.lock();
            for (id, listener) in &mut listeners.known {
                match listener.enqueue(&event, &listeners.settings, &mut dropped) {
                    Enqueued::Waits => {}
                    Enqueued::Idle => idle.push(*id),
                    Enqueued::TooSlow => slow.push(*id),
                }
            }
        }
        drop(dropped);
        for id in slow {
            self.0.take_out(id, Removed::TooSlow);
        }
        for id in idle {
            let telling = Telling(Some((Arc::clone(&self.0), id)));
            runtime().spawn(Arc::clone(&self.0).tell(id, telling));
        }
    }
}

enum Enqueued {
    /// It is being told others.
    Waits,
    /// Nobody is telling it anything: somebody has to begin.
    Idle,
    TooSlow,
}

impl<P> Listener<P> {
    fn enqueue(
        &mut self,
        event: &Event<P>,
        settings: &Settings<P>,
        dropped: &mut Vec<Event<P>>,
    ) -> Enqueued {
        if self.queue.len() >= settings.queue {
            let too_many = match settings.when_full {
                WhenFull::Disconnect => return Enqueued::TooSlow,
                WhenFull::DropOldest => 1,
                WhenFull::Latest => self.queue.len(),
            };
            dropped.extend(self.queue.drain(..too_many));
            self.missed += too_many as u64;
        }
        self.queue.push_back(Arc::clone(event));
        if std::mem::replace(&mut self.busy, true) {
            Enqueued::Waits
        } else {
            Enqueued::Idle
        }
    }
}

impl<P> Shared<P> {
    fn lock(&self) -> MutexGuard<'_, Listeners<P>> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Stub> Shared<P> {
    /// Tells a listener what waits for it, one event after the other.
    async fn tell(self: Arc<Self>, id: SubscriberId, mut telling: Telling<P>) {
        while let Some((proxy, event, missed)) = self.next(id) {
            let call = catch_unwind(AssertUnwindSafe(|| event(&proxy, missed)));
            drop(event);
            let Ok(call) = call else {
                tracing::error!(target: "remoting::call", "making the call to a listener panicked");
                self.count_missed(id, missed.saturating_add(1));
                continue;
            };
            let patience = self.lock().settings.patience;
            if let Err(error) = call.deadline(patience).await {
                if is_gone(&error) {
                    telling.0 = None;
                    return self.take_out(id, Removed::Gone(error));
                }
                if error.executed() != Executed::Yes {
                    self.count_missed(id, missed.saturating_add(1));
                }
                tracing::debug!(target: "remoting::call", "a listener was not told: {error}");
            }
        }
        // Nobody is telling it anything, or another task is by now.
        telling.0 = None;
    }

    /// The next event for a listener; without one the listener is idle.
    fn next(&self, id: SubscriberId) -> Option<(P, Event<P>, u64)> {
        let mut listeners = self.lock();
        let listener = listeners.known.get_mut(&id)?;
        match listener.queue.pop_front() {
            Some(event) => {
                let missed = std::mem::take(&mut listener.missed);
                Some((listener.proxy.clone(), event, missed))
            }
            None => {
                listener.busy = false;
                None
            }
        }
    }

    /// Notes events that a listener was not told, as far as is known, to be told how many.
    fn count_missed(&self, id: SubscriberId, count: u64) {
        if let Some(listener) = self.lock().known.get_mut(&id) {
            listener.missed = listener.missed.saturating_add(count);
        }
    }

    fn take_out(&self, id: SubscriberId, why: Removed) {
        let (removed, on_removed) = {
            let mut listeners = self.lock();
            let on_removed = listeners.settings.on_removed.clone();
            (listeners.known.remove(&id), on_removed)
        };
        let Some(listener) = removed else { return };
        tracing::debug!(target: "remoting::call", "a listener was removed: {why:?}");
        if let Some(on_removed) = on_removed {
            on_removed(listener.proxy, why);
        }
    }
}

/// A task that tells a listener. Dropped with its runtime, begun or not, it leaves that to the next.
struct Telling<P>(Option<(Arc<Shared<P>>, SubscriberId)>);

impl<P> Drop for Telling<P> {
    fn drop(&mut self) {
        let Some((shared, id)) = self.0.take() else {
            return;
        };
        if let Some(listener) = shared.lock().known.get_mut(&id) {
            listener.busy = false;
        }
    }
}

/// Whether a listener that has failed so will never be there again.
fn is_gone(error: &Error) -> bool {
    error.is_no_such_object()
        || matches!(
            error.kind(),
            ErrorKind::Disconnected
                | ErrorKind::SessionLost
                | ErrorKind::ConnectFailed
                | ErrorKind::NoSuchMethod
                | ErrorKind::WrongInterface
        )
}

impl<P: Stub> Default for Subscribers<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P> Clone for Subscribers<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P> fmt::Debug for Subscribers<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listeners = self.0.lock();
        f.debug_struct("Subscribers")
            .field("len", &listeners.known.len())
            .field("queue", &listeners.settings.queue)
            .field("when_full", &listeners.settings.when_full)
            .finish_non_exhaustive()
    }
}
