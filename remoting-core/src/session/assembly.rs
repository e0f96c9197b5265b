//! Messages of the peer of which more is to come.
//!
//! A request takes its number, its object and what it refers to when its first frame
//! arrives, whatever happens to them until it is whole. How much is kept is bounded by
//! who uses this table.

use std::collections::HashMap;
use std::time::Instant;

use super::references::Received;
use super::requests::{Assembled, IncomingKey};
use super::running::Times;
use crate::error::Fault;
use crate::id::CallId;
use crate::payload::Payload;
use crate::wire::{Flags, RawFrame};

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
    pub(super) goal: Goal<T>,
    pub(super) references: Vec<Received<T>>,
    pub(super) times: Times,
    kind: u8,
    flags: Flags,
    body: Vec<u8>,
}

/// Where a request goes.
#[derive(Debug)]
pub(super) enum Goal<T> {
    /// A call of this object.
    Object(T),
    /// A call of what this RESOLVE is going to be answered with.
    Answer(CallId),
    /// A RESOLVE.
    Resolve,
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
        self.bytes = self.bytes.saturating_add(frame.body.len());
        let partial = PartialRequest {
            key: request.key,
            goal: request.goal,
            references: request.references,
            times: request.times,
            kind: frame.kind,
            flags: frame.flags,
            body: frame.body.to_vec(),
        };
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
        self.bytes = self.bytes.saturating_sub(partial.body.len());
        Some(partial)
    }

    /// Gives the calls of an answer their object.
    pub(super) fn found(&mut self, answer: CallId, object: &T) {
        for partial in self.requests.values_mut() {
            if matches!(partial.goal, Goal::Answer(on) if on == answer) {
                partial.goal = Goal::Object(object.clone());
            }
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
    pub(super) goal: Goal<T>,
    pub(super) references: Vec<Received<T>>,
    pub(super) times: Times,
}

impl<T> PartialRequest<T> {
    /// Whether its caller waits no more.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.times.deadline <= now
    }

    /// The request, now that it is whole.
    pub(super) fn into_assembled(self) -> Assembled<T> {
        let target = match self.goal {
            Goal::Object(target) => Some(target),
            Goal::Answer(_) | Goal::Resolve => None,
        };
        Assembled {
            key: self.key,
            kind: self.kind,
            flags: self.flags,
            body: self.body.into(),
            target,
            references: self.references,
            deadline: self.times.deadline,
        }
    }
}
