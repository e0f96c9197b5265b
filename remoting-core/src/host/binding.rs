//! Where a name was last found: the connection, and what stands for the object there.
//!
//! Unbound --RESOLVE sent--> Answer --its RETURN--> Slot
//! Answer --its ERROR--> Unbound; any --another connection--> Unbound
//!
//! The lock here is taken before the connection's own: a call that names the answer does so
//! before anybody can change the binding. A slot is read without it, and what is read may be
//! old: the connection then refuses the call, which looks again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use arc_swap::{ArcSwapOption, Guard};

use crate::connection::{Connection, Deferred};
use crate::descriptor::InterfaceDescriptor;
use crate::error::Fault;
use crate::id::{CallId, Slot};
use crate::proxy::{CallState, Wire};
use crate::wire::message::Target;

/// Where a name was last found. Dropped, it gives back what it holds.
pub(super) struct Binding {
    bound: Mutex<Option<Bound>>,
    /// The same once there is a slot, for calls: to be read by many without a lock.
    found: ArcSwapOption<Found>,
}

/// An object that was found.
pub(super) struct Found {
    pub(super) connection: Arc<Connection>,
    pub(super) slot: Slot,
}

struct Bound {
    connection: Arc<Connection>,
    place: Place,
}

#[derive(Clone, Copy)]
enum Place {
    /// The answer to this RESOLVE.
    Answer(CallId),
    Slot(Slot),
}

/// A binding that nobody changes meanwhile.
pub(super) struct Held<'a> {
    bound: MutexGuard<'a, Option<Bound>>,
    found: &'a ArcSwapOption<Found>,
}

impl Binding {
    pub(super) const fn new() -> Self {
        Self {
            bound: Mutex::new(None),
            found: ArcSwapOption::const_empty(),
        }
    }

    /// The connection on which the name was found, if it takes calls.
    pub(super) fn connection(&self) -> Option<Arc<Connection>> {
        let held = self.hold();
        let bound = held.bound.as_ref()?;
        bound
            .connection
            .can_call()
            .then(|| Arc::clone(&bound.connection))
    }

    /// Where the object is, if its name has been found. The slot stays held as long as the binding
    /// is not moved to another connection, which happens only when this one takes no more calls.
    pub(super) fn found(&self) -> Guard<Option<Arc<Found>>> {
        self.found.load()
    }

    /// Takes the answer of the RESOLVE that is under way, if it has come.
    ///
    /// - `waker`: woken again if it has not.
    pub(super) fn settle(&self, waker: &Waker) {
        let mut deferred = Deferred::new();
        let connection = {
            let mut held = self.hold();
            let Some(Bound {
                connection,
                place: Place::Answer(answer),
            }) = &*held.bound
            else {
                return;
            };
            let (connection, answer) = (Arc::clone(connection), *answer);
            let _pending = held.poll_answer(&connection, answer, waker, &mut deferred);
            connection
        };
        deferred.settle(&connection);
    }

    /// Keeps the binding as it is until the answer is dropped.
    pub(super) fn hold(&self) -> Held<'_> {
        Held {
            bound: self.bound.lock().unwrap_or_else(PoisonError::into_inner),
            found: &self.found,
        }
    }
}

impl Held<'_> {
    /// Whether the name was found, or is being looked for, on `connection`.
    pub(super) fn is_bound_to(&self, connection: &Arc<Connection>) -> bool {
        self.bound
            .as_ref()
            .is_some_and(|bound| Arc::ptr_eq(&bound.connection, connection))
    }

    /// What `call` has to name on `connection`. `None` where there is no place for a RESOLVE now.
    ///
    /// - `name`: with the interface that it is wanted through.
    /// - `waker`: woken when the RESOLVE is answered; a call has no need of that.
    /// - `cx`: of the task of `call`.
    pub(super) fn target_on(
        &mut self,
        connection: &Arc<Connection>,
        name: (&str, &'static InterfaceDescriptor),
        call: &mut CallState,
        waker: &Waker,
        cx: &Context<'_>,
        deferred: &mut Deferred,
    ) -> Result<Option<Target>, Fault> {
        let same = |bound: &&mut Bound| Arc::ptr_eq(&bound.connection, connection);
        match self.bound.as_mut().filter(same).map(|bound| bound.place) {
            Some(Place::Slot(slot)) => return Ok(Some(Target::Slot(slot))),
            // A RESOLVE that failed was told to the calls that named it; this one asks again.
            Some(Place::Answer(answer)) => {
                match self.poll_answer(connection, answer, waker, deferred) {
                    Poll::Pending => return Ok(Some(Target::Answer(answer))),
                    Poll::Ready(Ok(slot)) => return Ok(Some(Target::Slot(slot))),
                    Poll::Ready(Err(_)) => {}
                }
            }
            None => self.set(None),
        }
        let Some(answer) = connection.resolve(name, call, waker, cx, deferred)? else {
            return Ok(None);
        };
        self.bind(connection, Place::Answer(answer));
        Ok(Some(Target::Answer(answer)))
    }

    /// Waits until the name is found on `connection`.
    pub(super) fn poll_found(
        &mut self,
        connection: &Arc<Connection>,
        waker: &Waker,
        deferred: &mut Deferred,
    ) -> Poll<Result<(), Fault>> {
        let Some(Bound {
            place: Place::Answer(answer),
            ..
        }) = *self.bound
        else {
            return Poll::Ready(Ok(()));
        };
        self.poll_answer(connection, answer, waker, deferred)
            .map_ok(|_| ())
    }

    fn poll_answer(
        &mut self,
        connection: &Arc<Connection>,
        answer: CallId,
        waker: &Waker,
        deferred: &mut Deferred,
    ) -> Poll<Result<Slot, Fault>> {
        let found = ready!(connection.poll_resolved(answer, waker, deferred));
        match &found {
            Ok(slot) => self.bind(connection, Place::Slot(*slot)),
            Err(_) => self.set(None),
        }
        Poll::Ready(found)
    }

    fn bind(&mut self, connection: &Arc<Connection>, place: Place) {
        let connection = Arc::clone(connection);
        self.set(Some(Bound { connection, place }));
    }

    fn set(&mut self, bound: Option<Bound>) {
        let found = bound.as_ref().and_then(Bound::found);
        *self.bound = bound;
        self.found.store(found.map(Arc::new));
    }
}

impl Bound {
    fn found(&self) -> Option<Found> {
        match self.place {
            Place::Slot(slot) => Some(Found {
                connection: Arc::clone(&self.connection),
                slot,
            }),
            Place::Answer(_) => None,
        }
    }
}

impl Drop for Binding {
    fn drop(&mut self) {
        let bound = self.hold().bound.take();
        match bound {
            Some(Bound {
                connection,
                place: Place::Slot(slot),
            }) => connection.release(slot),
            Some(Bound {
                connection,
                place: Place::Answer(answer),
            }) => connection.abandon(answer),
            None => {}
        }
    }
}
