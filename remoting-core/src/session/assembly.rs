//! Messages of the peer of which more is to come.
//!
//! A request takes its number, its object and what it refers to when its first frame
//! arrives, whatever happens to them until it is whole. How much is kept is bounded by
//! who uses this table.

use std::collections::HashMap;
use std::time::Instant;

use bytes::Bytes;

use super::references::{REFERENCE, Received, awaited, fill};
use super::requests::{IncomingKey, IncomingRequest, IncomingResolve, Request};
use super::running::Times;
use crate::error::Fault;
use crate::id::CallId;
use crate::payload::Payload;
use crate::wire::{Flags, Message, RawFrame, Violation};

/// All messages that are not whole.
#[derive(Debug)]
pub(super) struct Assembly<T> {
    requests: HashMap<CallId, PartialRequest<T>>,
    answers: HashMap<CallId, PartialAnswer>,
    bytes: usize,
}

/// A CALL or RESOLVE that goes on.
#[derive(Debug)]
pub(super) struct PartialRequest<T> {
    pub(super) key: IncomingKey,
    pub(super) aim: Aim<T>,
    pub(super) times: Times,
    kind: u8,
    flags: Flags,
    body: Vec<u8>,
}

/// Where a request goes, and with what.
#[derive(Debug)]
pub(super) struct Aim<T> {
    pub(super) goal: Goal<T>,
    /// The answer that it is a call on, if it is one.
    pub(super) on: Option<CallId>,
    pub(super) references: Vec<Received<T>>,
}

/// Where a request goes.
#[derive(Debug)]
pub(super) enum Goal<T> {
    /// A call of this object.
    Object(T),
    /// A call of what this request is going to be answered with.
    Answer(CallId),
    /// A RESOLVE.
    Resolve,
}

impl<T: Clone> Aim<T> {
    /// The answers that the request waits for.
    pub(super) fn awaited(&self) -> impl Iterator<Item = CallId> {
        let goal = match self.goal {
            Goal::Answer(on) => Some(on),
            Goal::Object(_) | Goal::Resolve => None,
        };
        goal.into_iter().chain(awaited(&self.references))
    }

    /// Whether it waits for none.
    pub(super) fn is_complete(&self) -> bool {
        self.awaited().next().is_none()
    }

    /// Puts an object in all places where it is still to come.
    pub(super) fn fill(&mut self, answer: CallId, object: &T) {
        if matches!(self.goal, Goal::Answer(on) if on == answer) {
            self.goal = Goal::Object(object.clone());
        }
        fill(&mut self.references, answer, object);
    }
}

/// A RETURN that goes on.
#[derive(Debug)]
pub(super) struct PartialAnswer {
    payload: Payload,
    /// Why it is not kept, where it is not.
    refused: Option<Fault>,
}

impl<T> Default for Assembly<T> {
    fn default() -> Self {
        Self {
            requests: HashMap::new(),
            answers: HashMap::new(),
            bytes: 0,
        }
    }
}

impl<T: Clone> Assembly<T> {
    /// How many bytes are kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps the first frame of a request.
    pub(super) fn begin(&mut self, call: CallId, frame: RawFrame<'_>, request: Begun<T>) {
        let partial = PartialRequest {
            key: request.key,
            aim: request.aim,
            times: request.times,
            kind: frame.kind,
            flags: frame.flags,
            body: frame.body.to_vec(),
        };
        self.bytes = self.bytes.saturating_add(partial.size());
        self.requests.insert(call, partial);
    }

    /// Adds to a request; gives its length now. `None` if there is none of that number.
    pub(super) fn grow(&mut self, call: CallId, more: &[u8]) -> Option<usize> {
        let partial = self.requests.get_mut(&call)?;
        partial.body.extend_from_slice(more);
        self.bytes = self.bytes.saturating_add(more.len());
        Some(partial.body.len())
    }

    /// Takes a request out, whole or not.
    pub(super) fn take(&mut self, call: CallId) -> Option<PartialRequest<T>> {
        let partial = self.requests.remove(&call)?;
        self.bytes = self.bytes.saturating_sub(partial.size());
        Some(partial)
    }

    /// Gives the calls that wait for an answer the object that it holds.
    pub(super) fn found(&mut self, answer: CallId, object: &T) {
        for partial in self.requests.values_mut() {
            partial.aim.fill(answer, object);
        }
    }

    /// The requests that fulfil a condition.
    pub(super) fn numbers(&self, of: impl Fn(&PartialRequest<T>) -> bool) -> Vec<CallId> {
        let known = self.requests.iter();
        known
            .filter(|(_, partial)| of(partial))
            .map(|(call, _)| *call)
            .collect()
    }

    /// Takes all requests and answers out.
    pub(super) fn clear(&mut self) -> (Vec<PartialRequest<T>>, Vec<Payload>) {
        self.bytes = 0;
        let requests = self.requests.drain().map(|(_, partial)| partial).collect();
        let answers = self.answers.drain();
        (
            requests,
            answers.map(|(_, answer)| answer.payload).collect(),
        )
    }

    /// Keeps the beginning of an answer.
    pub(super) fn begin_answer(&mut self, call: CallId, payload: Payload) {
        self.bytes = self.bytes.saturating_add(payload.len());
        let refused = None;
        self.answers
            .insert(call, PartialAnswer { payload, refused });
    }

    /// Whether an answer to `call` has begun.
    pub(super) fn has_answer(&self, call: CallId) -> bool {
        self.answers.contains_key(&call)
    }

    /// Adds to an answer; gives its length now. `None` if it is not kept.
    pub(super) fn grow_answer(&mut self, call: CallId, more: &[u8]) -> Option<usize> {
        let partial = self.answers.get_mut(&call)?;
        if partial.refused.is_some() {
            return None;
        }
        partial.payload.extend_from_slice(more);
        self.bytes = self.bytes.saturating_add(more.len());
        Some(partial.payload.len())
    }

    /// Keeps no more of an answer; gives what was kept of it.
    pub(super) fn refuse_answer(&mut self, call: CallId, fault: Fault) -> Option<Payload> {
        let partial = self.answers.get_mut(&call)?;
        partial.refused.get_or_insert(fault);
        let payload = std::mem::take(&mut partial.payload);
        self.bytes = self.bytes.saturating_sub(payload.len());
        Some(payload)
    }

    /// Takes an answer out, whole or not.
    pub(super) fn take_answer(&mut self, call: CallId) -> Option<Result<Payload, Fault>> {
        let PartialAnswer { payload, refused } = self.answers.remove(&call)?;
        self.bytes = self.bytes.saturating_sub(payload.len());
        Some(refused.map_or(Ok(payload), Err))
    }
}

/// What is known of a request when its first frame has come.
#[derive(Debug)]
pub(super) struct Begun<T> {
    pub(super) key: IncomingKey,
    pub(super) aim: Aim<T>,
    pub(super) times: Times,
}

impl<T> PartialRequest<T> {
    /// How many bytes it keeps for the peer.
    fn size(&self) -> usize {
        let references = self.aim.references.len().saturating_mul(REFERENCE);
        self.body.len().saturating_add(references)
    }

    /// Whether its caller waits no more.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.times.deadline <= now
    }

    /// The request, now that it is whole.
    pub(super) fn into_assembled(self) -> Assembled<T> {
        let target = match self.aim.goal {
            Goal::Object(target) => Some(target),
            Goal::Answer(_) | Goal::Resolve => None,
        };
        Assembled {
            key: self.key,
            kind: self.kind,
            flags: self.flags,
            body: self.body.into(),
            target,
            references: self.aim.references,
            deadline: self.times.deadline,
        }
    }
}

/// A request that came in several frames, and is whole.
#[derive(Debug)]
pub struct Assembled<T> {
    key: IncomingKey,
    kind: u8,
    flags: Flags,
    body: Bytes,
    /// The object of a call.
    target: Option<T>,
    references: Vec<Received<T>>,
    deadline: Instant,
}

impl<T> Assembled<T> {
    /// The one frame that it would have been, were frames longer.
    pub(super) fn frame(&self) -> RawFrame<'_> {
        RawFrame {
            kind: self.kind,
            flags: self.flags.without(Flags::MORE),
            body: &self.body,
        }
    }

    /// The body of its frame.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The request, once. `None` if it was taken before.
    ///
    /// # Errors
    ///
    /// The rule that it breaks.
    pub fn request(&mut self) -> Result<Option<Request<'_, T>>, Violation> {
        let (key, deadline) = (self.key, self.deadline);
        let target = self.target.take();
        let references = std::mem::take(&mut self.references);
        Ok(match (Message::parse(self.frame())?, target) {
            (Message::Call(call), Some(target)) => Some(Request::Call(IncomingRequest {
                key,
                target,
                method: call.method,
                header: call.header,
                payload: call.payload,
                references,
                deadline,
            })),
            (Message::Resolve(resolve), _) => Some(Request::Resolve(IncomingResolve {
                key,
                resolve,
                references,
                deadline,
            })),
            _ => None,
        })
    }
}
