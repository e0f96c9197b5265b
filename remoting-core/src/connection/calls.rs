//! The caller's end: calls that leave through a connection.

use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use super::references::Loan;
use super::submit::{Deferred, Started, Submission, Wakers};
use super::{Connection, Export, SlotEndpoint, apply};
use crate::clock;
use crate::descriptor::InterfaceDescriptor;
use crate::error::{ErrorKind, Fault};
use crate::id::{CallId, Slot};
use crate::payload::Content;
use crate::proxy::{CallState, Fetched, Flight, Keeper, Keeping, Promise, Reference, Wire};
use crate::session::{Effects, Lent, Outgoing, Posting, Reply};
use crate::url::TICKETS;
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
    /// A slot, written as a number, that is wanted through another interface.
    Cast(&'a [u8]),
}

impl Connection {
    /// Polls a call that goes over this connection.
    pub(crate) fn poll_call(
        self: &Arc<Self>,
        call: &mut CallState,
        destination: Destination<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Fetched, Fault>> {
        if let Flight::Sent { wire, call } = &call.flight {
            return wire.poll(*call, cx);
        }
        let takes_answers = matches!(destination, Destination::Target(_));
        ready!(call.poll_arguments(takes_answers.then(|| self.number()), cx))?;
        let mut deferred = Deferred::new();
        let loan = self.loan(&call.payload, takes_answers)?;
        let polled = self.poll_start(call, &loan, destination, cx.waker(), &mut deferred);
        deferred.settle(self);
        polled
    }

    /// Sends a call, or queues it for a place. Ready if it needs no answer, or cannot be sent.
    ///
    /// - `loan`: what [`Connection::loan`] says of its payload.
    pub(crate) fn poll_start(
        self: &Arc<Self>,
        call: &mut CallState,
        loan: &Loan,
        destination: Destination<'_>,
        waker: &Waker,
        deferred: &mut Deferred,
    ) -> Poll<Result<Fetched, Fault>> {
        match self.try_start(call, loan.lent(), destination, waker, deferred) {
            Ok(Started::Sent(_) | Started::Queued) => Poll::Pending,
            Ok(Started::Posted) => Poll::Ready(Ok(Fetched::nothing(&call.formatter))),
            Err(fault) => Poll::Ready(Err(fault)),
        }
    }

    fn try_start(
        self: &Arc<Self>,
        call: &mut CallState,
        lent: &[Lent<Export>],
        destination: Destination<'_>,
        waker: &Waker,
        deferred: &mut Deferred,
    ) -> Result<Started, Fault> {
        let now = call.now();
        let header = header_of(call, now)?;
        // Lent out for the time of the submission; a call that is queued needs it again.
        let mut payload = std::mem::take(&mut call.payload);
        payload.share();
        let promise = match &call.promise {
            None => None,
            Some(promise) => promise.upgrade().filter(|promise| promise.ask()),
        };
        let keep = promise.is_some();
        let submission = submission_of(call, (destination, keep), &header, (&payload).into());
        // The RESOLVE of a call's own proxy may be under way beside it. With one whose answer is kept others are to leave.
        let beside_resolve = matches!(destination, Destination::Target(Target::Answer(_)));
        let alone_with = match keep {
            false => 1 + usize::from(beside_resolve),
            true => 0,
        };
        let wakers = Wakers {
            answer: waker,
            place: waker,
        };
        let started = submission.and_then(|submission| {
            self.submit(
                call,
                (&submission, lent),
                wakers,
                now,
                Some(alone_with),
                deferred,
            )
        });
        call.payload = payload;
        let kept = promise.map(|promise| self.keep(&promise, started.as_ref().ok(), deferred));
        match started {
            Ok(Started::Sent(id)) => {
                call.flight = Flight::Sent {
                    wire: kept.flatten().unwrap_or_else(|| Arc::clone(self) as _),
                    call: id,
                };
            }
            Ok(Started::Posted) => call.flight = Flight::Landed,
            Ok(Started::Queued) | Err(_) => {}
        }
        started
    }

    /// Tells a promise where the answer of its call will be kept, if it will be. Gives the wire of that call.
    fn keep(
        self: &Arc<Self>,
        promise: &Arc<Promise>,
        started: Option<&Started>,
        deferred: &mut Deferred,
    ) -> Option<Arc<dyn Wire>> {
        match started {
            Some(Started::Sent(call)) if self.lock().session.is_kept(*call) => {
                let woken = promise.is_kept_at(Arc::clone(self) as _, *call);
                deferred.effects.wakers.extend(woken);
                Some(Keeping::new(Arc::clone(self) as _, promise))
            }
            _ => {
                promise.is_not_kept();
                None
            }
        }
    }

    /// What tells this connection from all others.
    pub(crate) fn number(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }

    /// Asks for the slot of a publication. Calls may name the answer before it has come.
    ///
    /// Gives `None` where there is no place for one more call now; `call` then queues for one.
    ///
    /// - `waker`: woken when the answer has come.
    /// - `cx`: of the task of `call`.
    pub(crate) fn resolve(
        self: &Arc<Self>,
        (name, interface): (&str, &'static InterfaceDescriptor),
        call: &mut CallState,
        waker: &Waker,
        cx: &Context<'_>,
        deferred: &mut Deferred,
    ) -> Result<Option<CallId>, Fault> {
        let header = HeaderBlock::new();
        let (what, key) = match name.strip_prefix(TICKETS) {
            None => (ResolveWhat::Name, name),
            Some(ticket) => (ResolveWhat::Ticket, ticket),
        };
        let submission = Submission::Ask(Outgoing::Resolve {
            what,
            interface: interface.id,
            signature: interface.signature,
            key: key.as_bytes(),
            keep: false,
            header: &header,
            payload: Content::from(&[] as &[u8]),
        });
        let wakers = Wakers {
            answer: waker,
            place: cx.waker(),
        };
        match self.submit(
            call,
            (&submission, &[]),
            wakers,
            clock::now(),
            None,
            deferred,
        )? {
            Started::Sent(id) => {
                call.flight = Flight::Grounded;
                Ok(Some(id))
            }
            Started::Posted | Started::Queued => Ok(None),
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

/// The request that a call makes.
fn submission_of<'a>(
    call: &CallState,
    (destination, keep): (Destination<'a>, bool),
    header: &'a HeaderBlock,
    payload: Content<'a>,
) -> Result<Submission<'a>, Fault> {
    let interface = call.interface;
    let resolve = |what, key| {
        Submission::Ask(Outgoing::Resolve {
            what,
            interface: interface.id,
            signature: interface.signature,
            key,
            keep,
            header,
            payload,
        })
    };
    let method = || {
        call.method_id()
            .ok_or_else(|| Fault::of(ErrorKind::NoSuchMethod))
    };
    Ok(match destination {
        Destination::Cast(slot) => resolve(ResolveWhat::Cast, slot),
        Destination::Publication(name) => {
            resolve(ResolveWhat::Activate(method()?), name.as_bytes())
        }
        Destination::Target(target) if call.is_oneway() => Submission::Post(Posting {
            target,
            method: method()?,
            header,
            payload,
        }),
        Destination::Target(target) => Submission::Ask(Outgoing::Call {
            target,
            method: method()?,
            keep,
            header,
            payload,
        }),
    })
}

/// Writes down what goes along with a call.
fn header_of(call: &CallState, now: Instant) -> Result<HeaderBlock, Fault> {
    let left = call.deadline.unwrap_or(now).saturating_duration_since(now);
    let mut header = HeaderBlock::new();
    header.set_codec(call.formatter.codec().0);
    let millis = left.as_nanos().div_ceil(1_000_000);
    header.set_deadline_ms(u64::try_from(millis).unwrap_or(u64::MAX));
    // Nobody waits for a oneway call, so it may wait for the locks of its own callers.
    if !call.is_oneway() && !call.locks.is_empty() {
        header.set_locks(&call.locks);
    }
    header.set_depth(call.depth);
    for (name, value) in call.options.iter().flat_map(|options| &options.headers) {
        header
            .add_header(name, value)
            .map_err(|error| Fault::refused(ErrorKind::TooLarge, error.to_string()))?;
    }
    Ok(header)
}

impl Keeper for Connection {
    fn poll_on_answer(
        self: Arc<Self>,
        answer: CallId,
        call: &mut CallState,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Fetched, Fault>> {
        self.poll_call(call, Destination::Target(Target::Answer(answer)), cx)
    }

    fn takes_calls(&self) -> bool {
        self.can_call()
    }

    fn is_lender(&self, session: usize) -> bool {
        self.number() == session && self.lock().session.peer_keeps()
    }

    fn forget(&self, answer: CallId) {
        self.abandon(answer);
    }
}

impl Wire for Connection {
    fn poll_reply(&self, call: CallId, cx: &mut Context<'_>) -> Poll<Result<Reply, Fault>> {
        let mut effects = Effects::new();
        let polled = self
            .lock()
            .session
            .poll_reply(call, cx.waker(), &mut effects);
        apply(effects);
        polled
    }

    fn unpack(self: Arc<Self>, reply: Result<Reply, Fault>) -> Result<Fetched, Fault> {
        match reply {
            Ok(mut reply) => {
                self.take_proxies(&mut reply.payload);
                let object = reply.slot.map(|(slot, _)| {
                    let endpoint = SlotEndpoint::new(Arc::clone(&self), slot);
                    Reference::new(Arc::new(endpoint))
                });
                let payload = reply.payload;
                Ok(Fetched {
                    object,
                    ..Fetched::value(payload)
                })
            }
            Err(Fault::App(mut payload)) => {
                self.take_proxies(&mut payload);
                Err(Fault::App(payload))
            }
            Err(fault) => Err(fault),
        }
    }

    fn abandon(&self, call: CallId) {
        let mut effects = Effects::new();
        let then = {
            let mut state = self.lock();
            state.session.abandon(call, clock::now(), &mut effects);
            match state.session.output_len() {
                // Without a word: the driver may have waited for the last call, or for less to write.
                0 => state.wake_driver(),
                _ => state.flush(false),
            }
        };
        apply(effects);
        self.act(then);
    }
}
