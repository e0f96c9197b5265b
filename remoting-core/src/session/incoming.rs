//! The requests that the peer has made. Its number for a call is the place in the
//! table; it must be below what was announced, so the table cannot outgrow that.
//!
//! ```text
//! CALL:    Free --> Call --answered--> Free
//! CALL on an unanswered RESOLVE: Free --> Chained --found--> Call --answered--> Free
//! RESOLVE: Free --> Resolve --answered--> Answered or Failed --forgotten--> Free
//! POST:    a place in a table of its own until it has run
//! ```

use std::sync::Arc;
use std::time::Instant;

use slab::Slab;

use super::cancellation::{CancelReason, Cancellation};
use super::chained::{Chain, ChainedCall};
use super::requests::{IncomingKey, IncomingPlace};
use super::running::{Cancelled, Finished, Running, Times};
use super::time::Next;
use crate::error::Fault;
use crate::id::{CallId, Slot};
use crate::payload::Payload;
use crate::wire::Violation;

/// Everything of the peer that runs here, and its answers to RESOLVE.
#[derive(Debug)]
pub(super) struct IncomingTable {
    calls: Vec<Place>,
    posts: Slab<Running>,
    /// Requests that are not answered, posts included.
    running: usize,
    answers: usize,
    /// How many CALL, RESOLVE and POST frames were taken.
    sequence: u64,
    /// Bytes of calls that wait for their object.
    chained_bytes: usize,
    next: Next,
    most: usize,
}

#[derive(Debug, Default)]
enum Place {
    #[default]
    Free,
    Call(Running),
    /// A call that waits for the answer to another.
    Chained {
        sequence: u64,
        on: CallId,
    },
    Resolve(Box<Resolving>),
    Answered(Slot),
    Failed(Box<Fault>),
}

#[derive(Debug)]
struct Resolving {
    running: Running,
    chain: Chain,
}

/// What a call on an answer finds.
#[derive(Debug)]
pub(super) enum AnswerState<'a> {
    /// Not answered yet.
    Pending,
    Object(Slot),
    Failed(&'a Fault),
    /// Forgotten, never asked for, or no RESOLVE.
    None,
}

impl IncomingTable {
    /// - `most`: how many numbers were announced.
    pub(super) fn new(most: usize) -> Self {
        Self {
            calls: Vec::new(),
            posts: Slab::new(),
            running: 0,
            answers: 0,
            sequence: 0,
            chained_bytes: 0,
            next: Next::default(),
            most,
        }
    }

    pub(super) fn running(&self) -> usize {
        self.running
    }

    pub(super) fn answers(&self) -> usize {
        self.answers
    }

    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(super) fn posts(&self) -> usize {
        self.posts.len()
    }

    /// Bytes of calls that wait for their object.
    pub(super) fn chained_bytes(&self) -> usize {
        self.chained_bytes
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.next.get()
    }

    /// Counts a frame that was taken.
    pub(super) fn count(&mut self) {
        self.sequence = self.sequence.saturating_add(1);
    }

    /// Checks that `call` may be used for a new request.
    pub(super) fn check(&self, call: CallId) -> Result<(), Violation> {
        let index = index(call);
        if index >= self.most {
            return Err(Violation::CallIdOutOfRange);
        }
        match self.calls.get(index) {
            None | Some(Place::Free) => Ok(()),
            Some(_) => Err(Violation::CallIdInUse),
        }
    }

    /// Enters a call, or a post where `call` is `None`.
    pub(super) fn begin(&mut self, call: Option<CallId>, times: Times) -> IncomingKey {
        let running = self.run(times);
        let key = self.key(call);
        match key.place {
            IncomingPlace::Call(call) => self.set(call, Place::Call(running)),
            IncomingPlace::Post(_) => {
                self.posts.insert(running);
            }
        }
        key
    }

    /// Enters a RESOLVE.
    pub(super) fn begin_resolve(&mut self, call: CallId, times: Times) -> IncomingKey {
        let running = self.run(times);
        let resolving = Resolving {
            running,
            chain: Chain::default(),
        };
        self.set(call, Place::Resolve(Box::new(resolving)));
        self.key(Some(call))
    }

    /// Enters a RESOLVE that has failed at once.
    pub(super) fn begin_failed(&mut self, call: CallId, fault: Fault) {
        self.answers = self.answers.saturating_add(1);
        self.set(call, Place::Failed(Box::new(fault)));
    }

    /// Has a call that was entered already wait for the answer to the RESOLVE `on`.
    pub(super) fn chain(&mut self, chained: ChainedCall, on: CallId) {
        let key = chained.key;
        let Some(Place::Resolve(resolving)) = self.calls.get_mut(index(on)) else {
            return;
        };
        self.chained_bytes = self.chained_bytes.saturating_add(chained.size());
        resolving.chain.push(chained);
        if let IncomingPlace::Call(call) = key.place {
            let sequence = key.sequence;
            self.set(call, Place::Chained { sequence, on });
        }
    }

    /// What is known of the answer to `call`.
    pub(super) fn answer(&self, call: CallId) -> AnswerState<'_> {
        match self.calls.get(index(call)) {
            Some(Place::Resolve(_)) => AnswerState::Pending,
            Some(Place::Answered(slot)) => AnswerState::Object(*slot),
            Some(Place::Failed(fault)) => AnswerState::Failed(fault),
            None | Some(Place::Free | Place::Call(_) | Place::Chained { .. }) => AnswerState::None,
        }
    }

    /// Notes that a request goes on as a task; gives the reason if it is to stop.
    pub(super) fn attach(
        &mut self,
        key: IncomingKey,
        cancellation: Arc<Cancellation>,
    ) -> Option<CancelReason> {
        match self.running_mut(key) {
            Some(running) => running.attach(cancellation),
            None => Some(CancelReason::SessionEnded),
        }
    }

    /// Takes a call or post out, for its answer is there.
    pub(super) fn finish(&mut self, key: IncomingKey) -> Option<Finished> {
        match key.place {
            IncomingPlace::Call(call) => {
                let place = self.calls.get_mut(index(call))?;
                match place {
                    Place::Call(running) if running.is(key) => *place = Place::Free,
                    _ => return None,
                }
                self.running = self.running.saturating_sub(1);
                Some(Finished::Call(call))
            }
            IncomingPlace::Post(post) => {
                self.posts.get(post).filter(|running| running.is(key))?;
                self.posts.try_remove(post)?;
                self.running = self.running.saturating_sub(1);
                Some(Finished::Post)
            }
        }
    }

    /// Notes how a RESOLVE has ended; gives its number and the calls that waited for it.
    ///
    /// The calls run from now on, and are to be answered like any other.
    pub(super) fn finish_resolve(
        &mut self,
        key: IncomingKey,
        result: Result<Slot, &Fault>,
    ) -> Option<(CallId, Vec<ChainedCall>)> {
        let IncomingPlace::Call(call) = key.place else {
            return None;
        };
        let place = self.calls.get_mut(index(call))?;
        match place {
            Place::Resolve(resolving) if resolving.running.is(key) => {}
            _ => return None,
        }
        let ended = match result {
            Ok(slot) => Place::Answered(slot),
            Err(fault) => Place::Failed(Box::new(fault.clone())),
        };
        let Place::Resolve(resolving) = std::mem::replace(place, ended) else {
            return None;
        };
        self.running = self.running.saturating_sub(1);
        self.answers = self.answers.saturating_add(1);
        let chained = resolving.chain.into_calls();
        for waiting in &chained {
            self.unchain(waiting);
        }
        Some((call, chained))
    }

    /// Tells a request to stop, because its caller says so. Gives a call that still
    /// waited for its object: it is to be answered.
    pub(super) fn cancel(&mut self, call: CallId, stopped: &mut Cancelled) -> Option<ChainedCall> {
        match self.calls.get_mut(index(call))? {
            Place::Call(running) => running.cancel(CancelReason::Caller, stopped),
            Place::Resolve(resolving) => resolving.running.cancel(CancelReason::Caller, stopped),
            Place::Chained { on, sequence } => {
                let (on, sequence, place) = (*on, *sequence, IncomingPlace::Call(call));
                let Some(Place::Resolve(resolving)) = self.calls.get_mut(index(on)) else {
                    return None;
                };
                let chained = resolving.chain.remove(IncomingKey { place, sequence })?;
                self.unchain(&chained);
                return Some(chained);
            }
            Place::Free | Place::Answered(_) | Place::Failed(_) => {}
        }
        None
    }

    /// Forgets the answer to a RESOLVE.
    pub(super) fn forget(&mut self, call: CallId) -> Result<(), Violation> {
        match self.calls.get_mut(index(call)) {
            Some(place @ (Place::Answered(_) | Place::Failed(_))) => {
                *place = Place::Free;
                self.answers = self.answers.saturating_sub(1);
                Ok(())
            }
            _ => Err(Violation::UnknownAnswerForgotten),
        }
    }

    /// Stops the requests whose time is over. Gives the calls that still waited for
    /// their object: they are to be answered.
    pub(super) fn expire(&mut self, now: Instant, stopped: &mut Cancelled) -> Vec<ChainedCall> {
        let mut late = Vec::new();
        if !self.next.has_come(now) {
            return Vec::new();
        }
        self.next.clear();
        let next = &mut self.next;
        for place in &mut self.calls {
            match place {
                Place::Call(running) => running.expire(now, next, stopped),
                Place::Resolve(resolving) => {
                    resolving.running.expire(now, next, stopped);
                    resolving.chain.expire(now, next, &mut late);
                }
                Place::Free | Place::Chained { .. } | Place::Answered(_) | Place::Failed(_) => {}
            }
        }
        for (_, running) in &mut self.posts {
            running.expire(now, next, stopped);
        }
        for chained in &late {
            self.unchain(chained);
        }
        late
    }

    /// Stops everything and forgets it. Gives the arguments of the calls that still waited
    /// for their object.
    pub(super) fn clear(&mut self, stopped: &mut Cancelled) -> Vec<Payload> {
        let mut waiting = Vec::new();
        let reason = CancelReason::SessionEnded;
        for place in self.calls.drain(..) {
            match place {
                Place::Call(mut running) => running.cancel(reason, stopped),
                Place::Resolve(mut resolving) => {
                    resolving.running.cancel(reason, stopped);
                    let calls = resolving.chain.into_calls().into_iter();
                    waiting.extend(calls.map(ChainedCall::into_payload));
                }
                Place::Free | Place::Chained { .. } | Place::Answered(_) | Place::Failed(_) => {}
            }
        }
        for mut running in self.posts.drain() {
            running.cancel(reason, stopped);
        }
        (self.running, self.answers, self.chained_bytes) = (0, 0, 0);
        self.next.clear();
        waiting
    }

    /// Lets a call that waited for its object run like any other.
    fn unchain(&mut self, chained: &ChainedCall) {
        self.chained_bytes = self.chained_bytes.saturating_sub(chained.size());
        self.next.include(chained.times.deadline);
        if let IncomingPlace::Call(call) = chained.key.place {
            let running = Running::new(chained.key.sequence, chained.times);
            self.set(call, Place::Call(running));
        }
    }

    /// Counts a new request that runs.
    fn run(&mut self, times: Times) -> Running {
        self.running = self.running.saturating_add(1);
        self.next.include(times.deadline);
        Running::new(self.sequence, times)
    }

    /// The key of the frame that was counted last.
    fn key(&self, call: Option<CallId>) -> IncomingKey {
        let place = match call {
            Some(call) => IncomingPlace::Call(call),
            None => IncomingPlace::Post(self.posts.vacant_key()),
        };
        IncomingKey {
            place,
            sequence: self.sequence,
        }
    }

    fn set(&mut self, call: CallId, new: Place) {
        let index = index(call);
        if index >= self.calls.len() && index < self.most {
            self.calls
                .resize_with(index.saturating_add(1), Place::default);
        }
        if let Some(place) = self.calls.get_mut(index) {
            *place = new;
        }
    }

    fn running_mut(&mut self, key: IncomingKey) -> Option<&mut Running> {
        let running = match key.place {
            IncomingPlace::Post(post) => self.posts.get_mut(post)?,
            IncomingPlace::Call(call) => match self.calls.get_mut(index(call))? {
                Place::Call(running) => running,
                Place::Resolve(resolving) => &mut resolving.running,
                _ => return None,
            },
        };
        Some(running).filter(|running| running.is(key))
    }
}

fn index(call: CallId) -> usize {
    usize::try_from(call.0).unwrap_or(usize::MAX)
}
