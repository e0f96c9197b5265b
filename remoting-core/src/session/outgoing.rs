//! The calls that this side has made. A call's place in the table is its number on
//! the wire.
//!
//! ```text
//! Waiting --answer--------> Done, answered --taken--> free
//! Waiting --deadline------> Done, open -----taken--> GivenUp
//! Waiting --abandoned-----> GivenUp --------answer--> free
//! Done, open --answer-----> Done, answered (the answer itself is thrown away)
//! whose answer is held: Done --taken--> Held --abandoned--> GivenUp, or free if it was answered
//! ```
//!
//! A number is used again only after its answer has come, whoever still wants it, and after the peer was told to
//! forget that, if it keeps it.

use std::task::{Poll, Waker};
use std::time::Instant;

use slab::Slab;

use super::requests::Reply;
use super::time::Next;
use crate::error::{Error, ErrorKind, Executed, Fault};
use crate::id::CallId;
use crate::wire::Violation;

/// Where a call ends of which not all frames are in the output.
pub(super) const UNFINISHED: u64 = u64::MAX;

pub(super) type Answer = Result<Reply, Fault>;

/// All calls of this side that are open, or whose answer was not taken.
#[derive(Debug, Default)]
pub(super) struct OutgoingTable {
    calls: Slab<OpenCall>,
    /// How many CALL, RESOLVE and POST frames were sent.
    sequence: u64,
    next: Next,
}

#[derive(Debug)]
struct OpenCall {
    state: State,
    /// No (further) answer will come.
    answered: bool,
    kind: Kind,
    sequence: u64,
    /// The position in the output behind its last frame; [`UNFINISHED`] before that is there.
    end: u64,
    deadline: Instant,
}

/// What the peer does with its answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It forgets it at once.
    Call,
    /// It keeps it until it is told to forget it.
    Kept,
    /// It is an object, which it keeps; this side does not need the answer any more when it knows that.
    Resolve,
    /// It is an object, and kept until the peer is told to forget it.
    KeptResolve,
}

impl Kind {
    pub(super) const fn is_resolve(self) -> bool {
        matches!(self, Self::Resolve | Self::KeptResolve)
    }

    /// Whether the peer keeps it until it is told to forget it, by whoever has made the call.
    const fn is_held(self) -> bool {
        matches!(self, Self::Kept | Self::KeptResolve)
    }
}

#[derive(Debug)]
enum State {
    Waiting(Waker),
    Done(Answer),
    /// The answer was taken, and is still of use at the peer.
    Held,
    GivenUp,
}

/// What to do with an answer that has come.
#[derive(Debug)]
pub(super) enum Arrival {
    /// Its caller is to be woken.
    Awaited(Waker),
    /// Nobody wants it. `free` tells that its number can be used again.
    Unwanted { answer: Answer, free: bool },
}

/// An answer that its caller has taken. `free` tells that its number can be used again, when the peer was told
/// to forget an answer that it keeps.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) answer: Answer,
    pub(super) free: bool,
    pub(super) is_kept: bool,
}

/// What is left to do for a call that was given up.
#[derive(Debug)]
pub(super) enum Abandoned {
    /// The peer is to be told.
    Cancel,
    /// The answer was there already and nobody wants it; the number is free.
    Unwanted { answer: Answer, is_kept: bool },
    /// The answer was taken; the number is free when the peer was told to forget it.
    Forget,
    /// Nothing.
    Nothing,
}

impl OutgoingTable {
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether a caller waits for an answer that has not come.
    pub(super) fn is_any_awaited(&self) -> bool {
        let mut calls = self.calls.iter();
        calls.any(|(_, open)| matches!(open.state, State::Waiting(_)))
    }

    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Before when no deadline passes.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next.get()
    }

    /// The number of the next call.
    pub(super) fn vacant(&self) -> CallId {
        CallId(u32::try_from(self.calls.vacant_key()).unwrap_or(u32::MAX))
    }

    /// Enters the call that was written under the [`vacant`](Self::vacant) number.
    pub(super) fn insert(&mut self, kind: Kind, waker: &Waker, deadline: Instant, end: u64) {
        self.count_post();
        self.next.include(deadline);
        self.calls.insert(OpenCall {
            state: State::Waiting(waker.clone()),
            answered: false,
            kind,
            sequence: self.sequence,
            end,
            deadline,
        });
    }

    /// Enters a call whose answer nobody wants.
    pub(super) fn insert_unwanted(&mut self, deadline: Instant, end: u64) {
        let call = self.vacant();
        self.insert(Kind::Call, Waker::noop(), deadline, end);
        if let Some(open) = self.calls.get_mut(place(call)) {
            open.state = State::GivenUp;
        }
    }

    /// The last frame of a call was written: it ends there.
    pub(super) fn set_end(&mut self, call: CallId, end: u64) {
        if let Some(open) = self.calls.get_mut(place(call)) {
            open.end = end;
        }
    }

    /// Whether somebody waits for the answer.
    pub(super) fn is_awaited(&self, call: CallId) -> bool {
        let open = self.calls.get(place(call));
        open.is_some_and(|open| matches!(open.state, State::Waiting(_)))
    }

    /// Counts a frame that gets no answer.
    pub(super) fn count_post(&mut self) {
        self.sequence = self.sequence.saturating_add(1);
    }

    /// Whether calls may go to the answer of `call`, which the peer keeps.
    pub(super) fn is_kept(&self, call: CallId) -> bool {
        let open = self.calls.get(place(call));
        open.is_some_and(|open| open.kind != Kind::Call)
    }

    /// Checks that an answer to `call` is due; tells of what kind it is.
    pub(super) fn expects(&self, call: CallId) -> Result<Kind, Violation> {
        match self.calls.get(place(call)) {
            Some(open) if !open.answered => Ok(open.kind),
            Some(_) | None => Err(Violation::UnknownCallAnswered),
        }
    }

    /// Takes in an answer.
    pub(super) fn answer(&mut self, call: CallId, answer: Answer) -> Result<Arrival, Violation> {
        let open = self
            .calls
            .get_mut(place(call))
            .filter(|open| !open.answered);
        let open = open.ok_or(Violation::UnknownCallAnswered)?;
        open.answered = true;
        match std::mem::replace(&mut open.state, State::GivenUp) {
            State::Waiting(waker) => {
                open.state = State::Done(answer);
                Ok(Arrival::Awaited(waker))
            }
            done @ (State::Done(_) | State::Held) => {
                open.state = done;
                Ok(Arrival::Unwanted {
                    answer,
                    free: false,
                })
            }
            State::GivenUp => {
                self.calls.try_remove(place(call));
                Ok(Arrival::Unwanted { answer, free: true })
            }
        }
    }

    /// Gives the answer out, once.
    pub(super) fn poll(&mut self, call: CallId, waker: &Waker) -> Poll<Taken> {
        let Some(open) = self.calls.get_mut(place(call)) else {
            return Poll::Ready(Taken::none());
        };
        match &mut open.state {
            State::Waiting(known) => {
                known.clone_from(waker);
                return Poll::Pending;
            }
            State::Held | State::GivenUp => return Poll::Ready(Taken::none()),
            State::Done(_) => {}
        }
        let (answered, is_kept) = (open.answered, open.kind != Kind::Call);
        let state = std::mem::replace(&mut open.state, State::GivenUp);
        if open.kind.is_held() {
            open.state = State::Held;
        }
        let free = answered && !open.kind.is_held();
        if free {
            self.calls.try_remove(place(call));
        }
        match state {
            State::Done(answer) => Poll::Ready(Taken {
                answer,
                free,
                is_kept,
            }),
            State::Waiting(_) | State::Held | State::GivenUp => Poll::Ready(Taken::none()),
        }
    }

    /// Gives a call up.
    pub(super) fn abandon(&mut self, call: CallId) -> Abandoned {
        let Some(open) = self.calls.get_mut(place(call)) else {
            return Abandoned::Nothing;
        };
        let (answered, is_kept) = (open.answered, open.kind != Kind::Call);
        let state = std::mem::replace(&mut open.state, State::GivenUp);
        match state {
            State::Done(answer) if answered => {
                self.calls.try_remove(place(call));
                Abandoned::Unwanted { answer, is_kept }
            }
            State::Held if answered => {
                self.calls.try_remove(place(call));
                Abandoned::Forget
            }
            State::Waiting(_) => Abandoned::Cancel,
            State::Done(_) | State::Held | State::GivenUp => Abandoned::Nothing,
        }
    }

    /// Ends the calls whose deadline has passed; gives the numbers of those to cancel.
    ///
    /// What is in the output cannot be taken out of it and will be executed, so
    /// nothing is known of those that are in it to their end.
    pub(super) fn expire(&mut self, now: Instant, wakers: &mut Vec<Waker>) -> Vec<CallId> {
        let mut expired = Vec::new();
        if !self.next.has_come(now) {
            return expired;
        }
        self.next.clear();
        for (place, open) in &mut self.calls {
            let State::Waiting(_) = open.state else {
                continue;
            };
            if open.deadline > now {
                self.next.include(open.deadline);
                continue;
            }
            let error = Error::new(ErrorKind::DeadlineExceeded, DEADLINE);
            let executed = match open.end {
                UNFINISHED => Executed::No,
                _ => Executed::Unknown,
            };
            open.end_with(error.with_executed(executed).into(), wakers);
            expired.push(CallId(u32::try_from(place).unwrap_or(u32::MAX)));
        }
        expired
    }

    /// Ends the calls that the peer did not take: those after its first `accepted` frames.
    pub(super) fn refuse_after(&mut self, accepted: u64, error: &Error, wakers: &mut Vec<Waker>) {
        self.calls.retain(|_, open| {
            if open.sequence <= accepted || open.answered {
                return true;
            }
            open.answered = true;
            // There is no answer that could be forgotten.
            open.kind = Kind::Call;
            open.end_with(error.clone().into(), wakers);
            !matches!(open.state, State::GivenUp)
        });
    }

    /// Ends all calls; `error` makes an error from the end of a call's frame.
    pub(super) fn lose(&mut self, error: impl Fn(u64) -> Error, wakers: &mut Vec<Waker>) {
        self.calls.retain(|_, open| {
            open.kind = Kind::Call;
            if !open.answered {
                open.answered = true;
                open.end_with(error(open.end).into(), wakers);
            }
            !matches!(open.state, State::Held | State::GivenUp)
        });
        self.next.clear();
    }
}

impl OpenCall {
    /// Gives a caller that waits its answer.
    fn end_with(&mut self, fault: Fault, wakers: &mut Vec<Waker>) {
        match std::mem::replace(&mut self.state, State::Done(Err(fault))) {
            State::Waiting(waker) => wakers.push(waker),
            other @ (State::Done(_) | State::Held | State::GivenUp) => self.state = other,
        }
    }
}

impl Taken {
    /// What who asks for a call that is not its own gets.
    fn none() -> Self {
        let error = Error::new(
            ErrorKind::Internal,
            "the call was answered or given up before",
        );
        let answer = Err(error.with_executed(Executed::Unknown).into());
        Self {
            answer,
            free: false,
            is_kept: false,
        }
    }
}

const DEADLINE: &str = "the deadline passed before the answer came";

fn place(call: CallId) -> usize {
    usize::try_from(call.0).unwrap_or(usize::MAX)
}
