//! Calls that came before their object was found, in the order of coming.

use std::collections::VecDeque;
use std::time::Instant;

use super::requests::{IncomingKey, QueuedCall};
use super::running::Times;
use super::time::Next;
use crate::id::MethodId;
use crate::payload::Payload;
use crate::wire::{Header, LockTokens};

/// The calls that wait for the answer to one RESOLVE.
#[derive(Debug, Default)]
pub(super) struct Chain(VecDeque<ChainedCall>);

/// A call without its object, with everything of its frame that matters.
#[derive(Debug)]
pub(super) struct ChainedCall {
    pub(super) key: IncomingKey,
    pub(super) times: Times,
    method: MethodId,
    codec: u8,
    locks: LockTokens,
    depth: u32,
    user: Vec<(String, String)>,
    payload: Payload,
}

impl ChainedCall {
    /// Copies what matters out of a frame.
    pub(super) fn new(
        key: IncomingKey,
        times: Times,
        method: MethodId,
        header: &Header<'_>,
        payload: Payload,
    ) -> Self {
        Self {
            key,
            times,
            method,
            codec: header.codec_or_default(),
            locks: header.locks.clone(),
            depth: header.depth,
            user: header.pairs(),
            payload,
        }
    }

    /// The arguments, of a call that will not be run.
    pub(super) fn into_payload(self) -> Payload {
        self.payload
    }

    /// How many bytes of the peer's it keeps.
    pub(super) fn size(&self) -> usize {
        let pairs = self
            .user
            .iter()
            .map(|(name, value)| name.len().saturating_add(value.len()));
        pairs.fold(self.payload.len(), usize::saturating_add)
    }

    /// The call, now that its object is there.
    pub(super) fn on<T>(self, target: T) -> QueuedCall<T> {
        QueuedCall {
            key: self.key,
            target,
            method: self.method,
            codec: self.codec,
            locks: self.locks,
            depth: self.depth,
            user: self.user,
            payload: self.payload,
            deadline: self.times.deadline,
        }
    }
}

impl Chain {
    pub(super) fn push(&mut self, call: ChainedCall) {
        self.0.push_back(call);
    }

    pub(super) fn remove(&mut self, key: IncomingKey) -> Option<ChainedCall> {
        let place = self.0.iter().position(|call| call.key == key)?;
        self.0.remove(place)
    }

    /// Moves the calls whose deadline has passed to `late`.
    pub(super) fn expire(&mut self, now: Instant, next: &mut Next, late: &mut Vec<ChainedCall>) {
        for _ in 0..self.0.len() {
            // Each goes once round the queue, so the order stays.
            let Some(call) = self.0.pop_front() else {
                return;
            };
            if call.times.deadline <= now {
                late.push(call);
            } else {
                next.include(call.times.deadline);
                self.0.push_back(call);
            }
        }
    }

    pub(super) fn into_calls(self) -> Vec<ChainedCall> {
        self.0.into()
    }
}
