//! The caller's end: calls that leave through a connection.

use std::any::Any;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use super::{Connection, Export, SlotEndpoint, State, Then, apply};
use crate::clock;
use crate::descriptor::MethodDescriptor;
use crate::error::{ErrorKind, Fault};
use crate::formatter::FormatterRef;
use crate::id::{CallId, Slot};
use crate::proxy::{CallState, Fetched, Flight, Reference, RequestKind, Ticket, Wire};
use crate::session::{Effects, Outgoing, Start, WaiterId};
use crate::wire::header_block::HeaderBlock;
use crate::wire::message::Target;
use crate::wire::resolve::ResolveWhat;

/// Where a call goes on a connection.
#[derive(Clone, Copy)]
pub(crate) enum Destination<'a> {
    /// An object.
    Target(Target),
    /// A publication whose objects clients make.
    Publication(&'a str),
}

/// What became of a call that was to be sent.
enum Started {
    /// Its answer will come.
    Sent(CallId),
    /// It is sent, and has no answer.
    Posted,
    /// It waits for a place.
    Queued,
}

/// What is left to do once a caller has let go of its own locks.
pub(crate) struct Deferred {
    effects: Effects<Export>,
    then: Then,
}

impl Deferred {
    pub(crate) const fn new() -> Self {
        Self {
            effects: Effects::new(),
            then: Then::Nothing,
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
    pub(crate) fn settle(self, connection: &Connection) {
        apply(self.effects);
        connection.act(self.then);
    }
}

/// A place in a connection's queue.
struct Place {
    connection: Arc<Connection>,
    waiter: WaiterId,
}

impl Ticket for Place {
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
    /// Polls a call that goes over this connection.
    pub(crate) fn poll_call(
        self: &Arc<Self>,
        call: &mut CallState,
        formatter: &FormatterRef,
        destination: Destination<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Fetched, Fault>> {
        if let Flight::Sent { wire, call } = &call.flight {
            return Arc::clone(wire).poll_reply(*call, cx);
        }
        let mut deferred = Deferred::new();
        let polled = self.poll_start(call, formatter, destination, cx.waker(), &mut deferred);
        deferred.settle(self);
        polled
    }

    /// Sends a call, or queues it for a place. Ready if it needs no answer, or cannot be sent.
    pub(crate) fn poll_start(
        self: &Arc<Self>,
        call: &mut CallState,
        formatter: &FormatterRef,
        destination: Destination<'_>,
        waker: &Waker,
        deferred: &mut Deferred,
    ) -> Poll<Result<Fetched, Fault>> {
        match self.try_start(call, formatter, destination, waker, deferred) {
            Ok(Started::Sent(_) | Started::Queued) => Poll::Pending,
            Ok(Started::Posted) => Poll::Ready(Ok(Fetched::nothing(formatter))),
            Err(fault) => Poll::Ready(Err(fault)),
        }
    }

    fn try_start(
        self: &Arc<Self>,
        call: &mut CallState,
        formatter: &FormatterRef,
        destination: Destination<'_>,
        waker: &Waker,
        deferred: &mut Deferred,
    ) -> Result<Started, Fault> {
        let method = call
            .method()
            .ok_or_else(|| Fault::of(ErrorKind::NoSuchMethod))?;
        let now = clock::now();
        let deadline = call.deadline.unwrap_or(now);
        let header = header_of(call, formatter, deadline.saturating_duration_since(now))?;
        let waiter = self.place_of(call);
        // The RESOLVE of a call's own proxy may be under way beside it.
        let alone_with = if matches!(destination, Destination::Target(Target::Answer(_))) {
            2
        } else {
            1
        };
        let mut state = self.lock();
        if let Some(waiter) = waiter {
            match state.session.poll_wait(waiter, waker, now) {
                Poll::Pending => return Ok(Started::Queued),
                Poll::Ready(Err(error)) => return Err(Fault::Error(error)),
                Poll::Ready(Ok(())) => {}
            }
        }
        let started = state.send(
            call,
            method,
            destination,
            &header,
            waker,
            now,
            &mut deferred.effects,
        )?;
        match started {
            Started::Queued => {}
            Started::Sent(_) | Started::Posted => {
                let alone = state.session.stats().outgoing <= alone_with;
                deferred.add(state.flush(alone));
            }
        }
        let waiter =
            matches!(started, Started::Queued).then(|| state.session.wait(waker, deadline));
        drop(state);
        match (&started, waiter) {
            (Started::Sent(id), _) => {
                call.flight = Flight::Sent {
                    wire: Arc::clone(self) as _,
                    call: *id,
                };
            }
            (_, Some(waiter)) => {
                call.flight = Flight::Queued(Box::new(Place {
                    connection: Arc::clone(self),
                    waiter,
                }));
            }
            (_, None) => call.flight = Flight::Landed,
        }
        Ok(started)
    }

    /// The place at which a call waits in this connection's queue. One in another's is given up.
    fn place_of(self: &Arc<Self>, call: &mut CallState) -> Option<WaiterId> {
        let Flight::Queued(ticket) = &mut call.flight else {
            return None;
        };
        let place = ticket.as_any().downcast_ref::<Place>();
        let own = place
            .filter(|place| Arc::ptr_eq(&place.connection, self))
            .map(|place| place.waiter);
        if own.is_none() {
            call.flight = Flight::Grounded;
        }
        own
    }

    /// Asks for the slot of a publication. Calls may name the answer before it has come.
    ///
    /// Gives `None` where there is no place for one more call now; `call` then queues for one.
    ///
    /// - `waker`: woken when the answer has come.
    /// - `cx`: of the task of `call`.
    pub(crate) fn resolve(
        self: &Arc<Self>,
        name: &str,
        call: &mut CallState,
        waker: &Waker,
        cx: &Context<'_>,
        deferred: &mut Deferred,
    ) -> Result<Option<CallId>, Fault> {
        let now = clock::now();
        let deadline = call.deadline.unwrap_or(now);
        let waiter = self.place_of(call);
        let mut state = self.lock();
        if let Some(waiter) = waiter {
            match state.session.poll_wait(waiter, cx.waker(), now) {
                Poll::Pending => return Ok(None),
                Poll::Ready(granted) => granted.map_err(Fault::Error)?,
            }
        }
        let request = Outgoing::Resolve {
            what: ResolveWhat::Name,
            interface: call.interface.id,
            signature: call.interface.signature,
            key: name.as_bytes(),
            header: &HeaderBlock::new(),
            payload: &[],
        };
        let started = state
            .session
            .start(request, waker, deadline, now, &mut deferred.effects);
        let waiter = match started {
            Start::Full => Some(state.session.wait(cx.waker(), deadline)),
            Start::Sent(_) => {
                deferred.add(state.flush(false));
                None
            }
            Start::Refused(_) => None,
        };
        drop(state);
        call.flight = match waiter {
            Some(waiter) => Flight::Queued(Box::new(Place {
                connection: Arc::clone(self),
                waiter,
            })),
            None => Flight::Grounded,
        };
        match started {
            Start::Sent(id) => Ok(Some(id)),
            Start::Full => Ok(None),
            Start::Refused(error) => Err(Fault::Error(error)),
        }
    }

    /// Asks whether the slot of a publication has come.
    pub(crate) fn poll_resolved(
        &self,
        call: CallId,
        waker: &Waker,
        deferred: &mut Deferred,
    ) -> Poll<Result<Slot, Fault>> {
        let reply = ready!(
            self.lock()
                .session
                .poll_reply(call, waker, &mut deferred.effects)
        );
        Poll::Ready(reply.and_then(|reply| match reply.slot {
            Some((slot, _)) => Ok(slot),
            None => Err(Fault::executed(
                ErrorKind::BadResult,
                "the answer holds no object",
            )),
        }))
    }

    /// Gives back references to a slot of the peer.
    pub(crate) fn release(&self, slot: Slot) {
        let then = {
            let mut state = self.lock();
            state.session.release(slot, 1);
            state.ask_driver()
        };
        self.act(then);
    }
}

impl State {
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one request, borrowed from different places"
    )]
    fn send(
        &mut self,
        call: &CallState,
        method: &MethodDescriptor,
        destination: Destination<'_>,
        header: &HeaderBlock,
        waker: &Waker,
        now: std::time::Instant,
        effects: &mut Effects<Export>,
    ) -> Result<Started, Fault> {
        let payload = call.payload.as_slice();
        let request = match destination {
            Destination::Target(target) if method.oneway && call.kind == RequestKind::Method => {
                return match self
                    .session
                    .post(target, method.id, header, payload, now, effects)
                {
                    Ok(true) => Ok(Started::Posted),
                    Ok(false) => Ok(Started::Queued),
                    Err(error) => Err(Fault::Error(error)),
                };
            }
            Destination::Target(target) => Outgoing::Call {
                target,
                method: method.id,
                header,
                payload,
            },
            Destination::Publication(name) => Outgoing::Resolve {
                what: ResolveWhat::Activate(method.id),
                interface: call.interface.id,
                signature: call.interface.signature,
                key: name.as_bytes(),
                header,
                payload,
            },
        };
        let deadline = call.deadline.unwrap_or(now);
        match self.session.start(request, waker, deadline, now, effects) {
            Start::Sent(id) => Ok(Started::Sent(id)),
            Start::Full => Ok(Started::Queued),
            Start::Refused(error) => Err(Fault::Error(error)),
        }
    }
}

/// Writes down what goes along with a call.
fn header_of(
    call: &CallState,
    formatter: &FormatterRef,
    left: std::time::Duration,
) -> Result<HeaderBlock, Fault> {
    let mut header = HeaderBlock::new();
    header.set_codec(formatter.codec().0);
    let millis = left.as_nanos().div_ceil(1_000_000);
    header.set_deadline_ms(u64::try_from(millis).unwrap_or(u64::MAX));
    if !call.locks.is_empty() {
        header.set_locks(&call.locks);
    }
    for (name, value) in call.options.iter().flat_map(|options| &options.headers) {
        header
            .add_pair(name, value)
            .map_err(|error| Fault::refused(ErrorKind::TooLarge, error.to_string()))?;
    }
    Ok(header)
}

impl Wire for Connection {
    fn poll_reply(
        self: Arc<Self>,
        call: CallId,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Fetched, Fault>> {
        let mut effects = Effects::new();
        let polled = self
            .lock()
            .session
            .poll_reply(call, cx.waker(), &mut effects);
        apply(effects);
        let Poll::Ready(reply) = polled else {
            return Poll::Pending;
        };
        Poll::Ready(reply.map(|reply| {
            Fetched {
                payload: reply.payload,
                object: reply
                    .slot
                    .map(|(slot, _)| Reference::new(Arc::new(SlotEndpoint::new(self, slot)))),
            }
        }))
    }

    fn abandon(&self, call: CallId) {
        let mut effects = Effects::new();
        let then = {
            let mut state = self.lock();
            state.session.abandon(call, clock::now(), &mut effects);
            match state.session.output_len() {
                0 => Then::Nothing,
                _ => state.flush(false),
            }
        };
        apply(effects);
        self.act(then);
    }
}
