//! How a request gets into a session: at once, or after waiting for a place.

use std::any::Any;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use super::{Connection, Export, State, Then, apply};
use crate::error::{ErrorKind, Fault};
use crate::id::CallId;
use crate::proxy::{CallState, ConnectPolicy, Flight, Waiting};
use crate::session::{Effects, Lent, Outgoing, Posting, Start, WaiterId};

/// What a call is told that does not wait for a session to have its connection back.
const AWAY: &str =
    "the connection was lost, the session waits for another, and the call was told to fail fast";

/// What is to be sent.
pub(super) enum Submission<'a> {
    /// A request that has an answer.
    Ask(Outgoing<'a>),
    /// A call that has none.
    Post(Posting<'a>),
}

/// What became of a request that was to be sent.
pub(super) enum Started {
    /// Its answer will come.
    Sent(CallId),
    /// It is sent, and has no answer.
    Posted,
    /// It waits for a place.
    Queued,
}

/// What is left to do once a caller has let go of its own locks.
pub(crate) struct Deferred {
    pub(super) effects: Effects<Export>,
    then: Then,
    /// A RESOLVE was appended, and the call behind it, which decides who writes, was not.
    is_unflushed: bool,
}

impl Deferred {
    pub(crate) const fn new() -> Self {
        Self {
            effects: Effects::new(),
            then: Then::Nothing,
            is_unflushed: false,
        }
    }

    /// Adds what one more request asks for. A wake-up that was asked for already is kept: its waker is the only one.
    fn add(&mut self, then: Then) {
        match (std::mem::replace(&mut self.then, Then::Nothing), then) {
            (Then::Nothing, then) | (then, Then::Nothing) => self.then = then,
            (Then::Wake(waker), then) | (then, Then::Wake(waker)) => {
                self.effects.wakers.push(waker);
                self.then = then;
            }
            (Then::Write, Then::Write) => self.then = Then::Write,
        }
    }

    /// Does it. `connection` is the one that the calls were made on.
    pub(crate) fn settle(mut self, connection: &Connection) {
        if self.is_unflushed {
            let mut state = connection.lock();
            let alone = state.session.stats().outgoing <= 1;
            let then = state.flush(alone);
            drop(state);
            self.add(then);
        }
        apply(self.effects);
        connection.act(self.then);
    }
}

/// A place in a connection's queue.
struct Place {
    connection: Arc<Connection>,
    waiter: WaiterId,
    /// The objects that the call refers to: they are kept meanwhile.
    _lent: Vec<Lent<Export>>,
}

impl Waiting for Place {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut effects = Effects::new();
        self.connection
            .lock()
            .session
            .leave(self.waiter, &mut effects);
        apply(effects);
    }
}

impl Connection {
    /// Sends a request of `call`, or has the call queue for a place.
    ///
    /// - `lent`: the objects that its payload refers to.
    /// - `answer`: woken when the answer has come.
    /// - `place`: woken when there is a place.
    /// - `alone_with`: with how many requests under way the call is still a lone one. `None` where one
    ///   more request follows at once, with which this one is to be written.
    pub(super) fn submit(
        self: &Arc<Self>,
        call: &mut CallState,
        (submission, lent): (&Submission<'_>, &[Lent<Export>]),
        wakers: Wakers<'_>,
        now: Instant,
        alone_with: Option<usize>,
        deferred: &mut Deferred,
    ) -> Result<Started, Fault> {
        let deadline = call.deadline.unwrap_or(now);
        let waiter = self.place_of(call);
        let mut state = self.lock();
        if state.is_away && call.connect_policy() == Some(ConnectPolicy::FailFast) {
            return Err(Fault::refused(ErrorKind::Disconnected, AWAY));
        }
        if let Some(waiter) = waiter {
            match state.session.poll_wait(waiter, wakers.place, now) {
                Poll::Pending => return Ok(Started::Queued),
                Poll::Ready(granted) => granted.map_err(Fault::Error)?,
            }
            if deadline <= now {
                state.session.leave(waiter, &mut deferred.effects);
                let text = "the deadline passed while the call waited for a free place";
                return Err(Fault::refused(ErrorKind::DeadlineExceeded, text));
            }
        }
        let started = state.send(
            submission,
            lent,
            wakers.answer,
            deadline,
            now,
            &mut deferred.effects,
        )?;
        if let Started::Queued = started {
            let waiter = state.session.wait(wakers.place, deadline);
            if state.is_early() {
                // Nothing was written, but the driver has to look at the time when the wait is over.
                deferred.add(state.wake_driver());
            }
            drop(state);
            let connection = Arc::clone(self);
            let lent = lent.to_vec();
            call.flight = Flight::Queued(Box::new(Place {
                connection,
                waiter,
                _lent: lent,
            }));
        } else {
            deferred.is_unflushed = alone_with.is_none();
            if let Some(alone_with) = alone_with {
                let alone = state.session.stats().outgoing <= alone_with;
                deferred.add(state.flush(alone));
            }
        }
        Ok(started)
    }

    /// Gives up the place at which a call waits in another connection's queue, which wakes others:
    /// to be done before anything is locked.
    pub(crate) fn leave_other_queues(self: &Arc<Self>, call: &mut CallState) {
        if self.place_of(call).is_none() && matches!(call.flight, Flight::Queued(_)) {
            call.flight = Flight::Grounded;
        }
    }

    /// The place at which a call waits in this connection's queue.
    fn place_of(self: &Arc<Self>, call: &mut CallState) -> Option<WaiterId> {
        let Flight::Queued(waiting) = &mut call.flight else {
            return None;
        };
        let place = waiting.as_any().downcast_ref::<Place>()?;
        Arc::ptr_eq(&place.connection, self).then_some(place.waiter)
    }
}

impl State {
    fn send(
        &mut self,
        submission: &Submission<'_>,
        lent: &[Lent<Export>],
        waker: &Waker,
        deadline: Instant,
        now: Instant,
        effects: &mut Effects<Export>,
    ) -> Result<Started, Fault> {
        match *submission {
            Submission::Ask(request) => {
                match self
                    .session
                    .start(request, lent, waker, deadline, now, effects)
                {
                    Start::Sent(id) => Ok(Started::Sent(id)),
                    Start::Full => Ok(Started::Queued),
                    Start::Refused(error) => Err(Fault::Error(error)),
                }
            }
            Submission::Post(post) => match self.session.post(post, lent, now, effects) {
                Ok(true) => Ok(Started::Posted),
                Ok(false) => Ok(Started::Queued),
                Err(error) => Err(Fault::Error(error)),
            },
        }
    }
}

/// Whom a request wakes.
#[derive(Clone, Copy)]
pub(super) struct Wakers<'a> {
    pub(super) answer: &'a Waker,
    pub(super) place: &'a Waker,
}
