//! The requests that the peer has made. Its number for a call is the place in the
//! table; it must be below what was announced, so the table cannot outgrow that.
//!
//! ```text
//! CALL:    Free --> Call --answered--> Free
//! RESOLVE, CALL with keep: Free --> Kept --answered--> Found, Returned or Failed --forgotten--> Free
//! either, if it waits for other answers: Free --> Chained --they are there--> Call or Kept
//! POST:    a place in a table of its own until it has run
//! ```

use std::sync::Arc;
use std::time::Instant;

use slab::Slab;

use super::cancellation::{CancelReason, Cancellation};
use super::requests::{IncomingKey, IncomingPlace};
use super::running::{Cancelled, Finished, Running, Times};
use super::time::Next;
use crate::error::Fault;
use crate::id::{CallId, Slot};
use crate::wire::Violation;

/// Everything of the peer that runs here, and the answers that are kept for it.
#[derive(Debug)]
pub(super) struct IncomingTable {
    calls: Vec<Place>,
    posts: Slab<Running>,
    /// Requests that are not answered, posts included.
    running: usize,
    answers: usize,
    /// How many CALL, RESOLVE and POST frames were taken.
    sequence: u64,
    next: Next,
    most: usize,
}

#[derive(Debug, Default)]
enum Place {
    #[default]
    Free,
    Call(Running),
    /// A call whose answer is kept.
    Kept(Running),
    /// A request for an object, whose answer is kept too.
    Resolve(Running),
    /// A call that waits for the answers to others.
    Chained {
        sequence: u64,
        kept: bool,
    },
    /// The answer to a RESOLVE.
    Found(Slot),
    /// The answer to a call, whose object is in a table of its own.
    Returned,
    /// There is no object; what calls on it are told.
    Failed(Box<Fault>),
}

/// What a call on an answer finds.
#[derive(Debug)]
pub(super) enum AnswerState<'a> {
    /// Not answered yet.
    Pending,
    Found(Slot),
    Returned,
    Failed(&'a Fault),
    /// Forgotten, never asked for, or not kept.
    None,
}

/// What an answer that is kept holds.
#[derive(Debug)]
pub(super) enum Kept {
    Found(Slot),
    Returned,
    /// No object, and what calls on it are told.
    Nothing(Fault),
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
    ///
    /// - `kept`: whether its answer is to be kept.
    pub(super) fn begin(&mut self, call: Option<CallId>, kept: bool, times: Times) -> IncomingKey {
        let running = self.run(times);
        let key = self.key(call, kept);
        match key.place {
            IncomingPlace::Call(call) => self.set(call, Place::Call(running)),
            IncomingPlace::Kept(call) => self.set(call, Place::Kept(running)),
            IncomingPlace::Post(_) => {
                self.posts.insert(running);
            }
        }
        key
    }

    /// Enters a RESOLVE.
    pub(super) fn begin_resolve(&mut self, call: CallId, times: Times) -> IncomingKey {
        let running = self.run(times);
        self.set(call, Place::Resolve(running));
        self.key(Some(call), true)
    }

    /// Enters a RESOLVE that has failed at once.
    pub(super) fn begin_failed(&mut self, call: CallId, fault: Fault) {
        self.answers = self.answers.saturating_add(1);
        self.set(call, Place::Failed(Box::new(fault)));
    }

    /// Has a call that was entered already wait for other answers.
    pub(super) fn chain(&mut self, key: IncomingKey) {
        let (sequence, kept) = (key.sequence, key.is_kept());
        if let IncomingPlace::Call(call) | IncomingPlace::Kept(call) = key.place {
            self.set(call, Place::Chained { sequence, kept });
        }
    }

    /// Lets a call that has waited for other answers run like any other.
    pub(super) fn unchain(&mut self, key: IncomingKey, times: Times) {
        self.next.include(times.deadline);
        let running = Running::new(key.sequence, times);
        match key.place {
            IncomingPlace::Call(call) => self.set(call, Place::Call(running)),
            IncomingPlace::Kept(call) => self.set(call, Place::Kept(running)),
            IncomingPlace::Post(_) => {}
        }
    }

    /// The same for all of these.
    pub(super) fn unchain_all(&mut self, calls: Vec<(IncomingKey, Times)>) {
        for (key, times) in calls {
            self.unchain(key, times);
        }
    }

    /// What is known of the answer to `call`.
    pub(super) fn answer(&self, call: CallId) -> AnswerState<'_> {
        match self.calls.get(index(call)) {
            Some(Place::Kept(_) | Place::Resolve(_) | Place::Chained { kept: true, .. }) => {
                AnswerState::Pending
            }
            Some(Place::Found(slot)) => AnswerState::Found(*slot),
            Some(Place::Returned) => AnswerState::Returned,
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

    /// Takes a call or post out, for its answer is there; nothing if that is kept.
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
            IncomingPlace::Kept(_) => None,
            IncomingPlace::Post(post) => {
                self.posts.get(post).filter(|running| running.is(key))?;
                self.posts.try_remove(post)?;
                self.running = self.running.saturating_sub(1);
                Some(Finished::Post)
            }
        }
    }

    /// The number of a request that runs, and whose answer is to be kept.
    pub(super) fn kept(&self, key: IncomingKey) -> Option<CallId> {
        let IncomingPlace::Kept(call) = key.place else {
            return None;
        };
        match self.calls.get(index(call))? {
            Place::Kept(running) | Place::Resolve(running) if running.is(key) => Some(call),
            _ => None,
        }
    }

    /// Notes what the answer to a request holds that [is kept](Self::kept).
    pub(super) fn keep(&mut self, call: CallId, kept: Kept) {
        let answered = match kept {
            Kept::Found(slot) => Place::Found(slot),
            Kept::Returned => Place::Returned,
            Kept::Nothing(fault) => Place::Failed(Box::new(fault)),
        };
        self.running = self.running.saturating_sub(1);
        self.answers = self.answers.saturating_add(1);
        self.set(call, answered);
    }

    /// Notes that the answer to a request that [is kept](Self::kept) holds no object. Gives what calls on it are to
    /// be told.
    ///
    /// - `fault`: how the request has ended.
    pub(super) fn fail(&mut self, call: CallId, fault: &Fault) -> Fault {
        let resolve = matches!(self.calls.get(index(call)), Some(Place::Resolve(_)));
        let told = match fault {
            // What a user's error means, only the caller of the constructor knows.
            Fault::Error(_) if resolve => fault.clone(),
            fault => fault.upstream(),
        };
        self.keep(call, Kept::Nothing(told.clone()));
        told
    }

    /// Tells a request to stop, because its caller says so. Gives the sequence number of one that waits for
    /// other answers: it is to be answered.
    pub(super) fn cancel(&mut self, call: CallId, stopped: &mut Cancelled) -> Option<u64> {
        match self.calls.get_mut(index(call))? {
            Place::Call(running) | Place::Kept(running) | Place::Resolve(running) => {
                running.cancel(CancelReason::Caller, stopped);
                None
            }
            Place::Chained { sequence, .. } => Some(*sequence),
            Place::Free | Place::Found(_) | Place::Returned | Place::Failed(_) => None,
        }
    }

    /// Forgets a kept answer.
    pub(super) fn forget(&mut self, call: CallId) -> Result<(), Violation> {
        match self.calls.get_mut(index(call)) {
            Some(place @ (Place::Found(_) | Place::Returned | Place::Failed(_))) => {
                *place = Place::Free;
                self.answers = self.answers.saturating_sub(1);
                Ok(())
            }
            _ => Err(Violation::UnknownAnswerForgotten),
        }
    }

    /// Stops the requests whose time is over.
    pub(super) fn expire(&mut self, now: Instant, stopped: &mut Cancelled) {
        if !self.next.has_come(now) {
            return;
        }
        self.next.clear();
        let next = &mut self.next;
        for place in &mut self.calls {
            if let Place::Call(running) | Place::Kept(running) | Place::Resolve(running) = place {
                running.expire(now, next, stopped);
            }
        }
        for (_, running) in &mut self.posts {
            running.expire(now, next, stopped);
        }
    }

    /// Stops everything.
    pub(super) fn stop(&mut self, reason: CancelReason, stopped: &mut Cancelled) {
        for place in &mut self.calls {
            if let Place::Call(running) | Place::Kept(running) | Place::Resolve(running) = place {
                running.cancel(reason, stopped);
            }
        }
        for (_, running) in &mut self.posts {
            running.cancel(reason, stopped);
        }
    }

    /// Stops everything and forgets it.
    pub(super) fn clear(&mut self, stopped: &mut Cancelled) {
        self.stop(CancelReason::SessionEnded, stopped);
        self.calls.clear();
        self.posts.clear();
        (self.running, self.answers) = (0, 0);
        self.next.clear();
    }

    /// Counts a new request that runs.
    fn run(&mut self, times: Times) -> Running {
        self.running = self.running.saturating_add(1);
        self.next.include(times.deadline);
        Running::new(self.sequence, times)
    }

    /// The key of the frame that was counted last.
    fn key(&self, call: Option<CallId>, kept: bool) -> IncomingKey {
        let place = match call {
            Some(call) if kept => IncomingPlace::Kept(call),
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
            IncomingPlace::Call(call) | IncomingPlace::Kept(call) => {
                match self.calls.get_mut(index(call))? {
                    Place::Call(running) | Place::Kept(running) | Place::Resolve(running) => {
                        running
                    }
                    _ => return None,
                }
            }
        };
        Some(running).filter(|running| running.is(key))
    }
}

fn index(call: CallId) -> usize {
    usize::try_from(call.0).unwrap_or(usize::MAX)
}
