//! Calls that came before what they need: their object, or one of those in their arguments, is still
//! to come with the answer to another call.
//!
//! ```text
//! chained --what it waits for comes, all of it--> ready --taken--> it runs
//! chained --what it waits for fails, cancelled, deadline--> out
//! ```
//!
//! Ready calls are taken by one at a time, in the order in which they became ready, and a call on the same
//! answer that comes meanwhile goes behind them. So the calls on one answer begin in the order of their coming.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use super::assembly::{Aim, Goal};
use super::references::REFERENCE;
use super::requests::{IncomingKey, QueuedCall};
use super::running::Times;
use super::time::Next;
use crate::id::{CallId, MethodId};
use crate::payload::Payload;
use crate::wire::{Header, LockTokens};

/// All calls that wait for answers, and those that have them and were not taken.
#[derive(Debug)]
pub(super) struct Chained<T> {
    calls: HashMap<u64, ChainedCall<T>>,
    /// Who waits for which answer, in the order of coming.
    waits: BTreeSet<(CallId, u64)>,
    ready: VecDeque<ChainedCall<T>>,
    /// The answer that the call was on which was taken last, as long as somebody takes them.
    taking: Option<Option<CallId>>,
    /// Bytes of all of them.
    bytes: usize,
    next: Next,
}

/// A call that waits, with everything of its frame that matters.
#[derive(Debug)]
pub(super) struct ChainedCall<T> {
    pub(super) key: IncomingKey,
    pub(super) times: Times,
    pub(super) aim: Aim<T>,
    method: MethodId,
    codec: u8,
    locks: LockTokens,
    depth: u32,
    user: Vec<(String, String)>,
    payload: Payload,
}

impl<T: Clone> ChainedCall<T> {
    /// Copies what matters out of a frame.
    pub(super) fn new(
        (key, times): (IncomingKey, Times),
        aim: Aim<T>,
        method: MethodId,
        header: &Header<'_>,
        payload: Payload,
    ) -> Self {
        Self {
            key,
            times,
            aim,
            method,
            codec: header.codec_or_default(),
            locks: header.locks.clone(),
            depth: header.depth,
            user: header.pairs(),
            payload,
        }
    }

    /// How many bytes it keeps for the peer.
    fn size(&self) -> usize {
        let pairs = self
            .user
            .iter()
            .map(|(name, value)| name.len().saturating_add(value.len()));
        let references = self.aim.references.len().saturating_mul(REFERENCE);
        let own = self.payload.len().saturating_add(references);
        pairs.fold(own, usize::saturating_add)
    }
}

impl<T: Clone + Send + Sync + 'static> ChainedCall<T> {
    /// The call, now that its object is there.
    fn into_queued(self) -> Option<QueuedCall<T>> {
        let Goal::Object(target) = self.aim.goal else {
            return None;
        };
        let mut payload = self.payload;
        if !self.aim.references.is_empty() {
            payload.attach(self.aim.references);
        }
        Some(QueuedCall {
            key: self.key,
            target,
            method: self.method,
            codec: self.codec,
            locks: self.locks,
            depth: self.depth,
            user: self.user,
            payload,
            deadline: self.times.deadline,
        })
    }
}

impl<T> Default for Chained<T> {
    fn default() -> Self {
        Self {
            calls: HashMap::new(),
            waits: BTreeSet::new(),
            ready: VecDeque::new(),
            taking: None,
            bytes: 0,
            next: Next::default(),
        }
    }
}

impl<T: Clone + Send + Sync + 'static> Chained<T> {
    /// Bytes of calls that wait, or have not been taken.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Before when no deadline passes.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next.get()
    }

    /// Keeps a call until what it waits for has come.
    pub(super) fn push(&mut self, call: ChainedCall<T>) {
        self.bytes = self.bytes.saturating_add(call.size());
        self.next.include(call.times.deadline);
        let sequence = call.key.sequence;
        self.waits
            .extend(call.aim.awaited().map(|answer| (answer, sequence)));
        self.calls.insert(sequence, call);
    }

    /// Keeps a call that waits for nothing but those before it on the same answer.
    pub(super) fn push_ready(&mut self, call: ChainedCall<T>) {
        self.bytes = self.bytes.saturating_add(call.size());
        self.ready.push_back(call);
    }

    /// Whether calls on an answer are ready that have not begun.
    pub(super) fn has_ready_on(&self, answer: CallId) -> bool {
        let on = Some(answer);
        self.taking == Some(on) || self.ready.iter().any(|call| call.aim.on == on)
    }

    /// Gives an object to the calls that wait for it. Those that have all they need become ready; gives
    /// their keys.
    pub(super) fn found(&mut self, answer: CallId, object: &T) -> Vec<(IncomingKey, Times)> {
        let mut complete = Vec::new();
        for sequence in self.waiting_for(answer) {
            self.waits.remove(&(answer, sequence));
            let Some(call) = self.calls.get_mut(&sequence) else {
                continue;
            };
            call.aim.fill(answer, object);
            if !call.aim.is_complete() {
                continue;
            }
            if let Some(call) = self.calls.remove(&sequence) {
                complete.push((call.key, call.times));
                self.ready.push_back(call);
            }
        }
        complete
    }

    /// Takes out the calls that wait for an answer which holds nothing for them.
    pub(super) fn take_waiting_for(&mut self, answer: CallId) -> Vec<ChainedCall<T>> {
        let waiting = self.waiting_for(answer);
        self.take_each(waiting)
    }

    /// Takes out all calls that wait.
    pub(super) fn take_waiting(&mut self) -> Vec<ChainedCall<T>> {
        let mut waiting: Vec<u64> = self.calls.keys().copied().collect();
        waiting.sort_unstable();
        self.take_each(waiting)
    }

    /// Takes out a call that waits.
    pub(super) fn take(&mut self, sequence: u64) -> Option<ChainedCall<T>> {
        let call = self.calls.remove(&sequence)?;
        for answer in call.aim.awaited() {
            self.waits.remove(&(answer, sequence));
        }
        self.bytes = self.bytes.saturating_sub(call.size());
        Some(call)
    }

    /// Takes out the calls whose deadline has passed.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<ChainedCall<T>> {
        if !self.next.has_come(now) {
            return Vec::new();
        }
        self.next.clear();
        let mut late = Vec::new();
        for (sequence, call) in &self.calls {
            if call.times.deadline <= now {
                late.push(*sequence);
            } else {
                self.next.include(call.times.deadline);
            }
        }
        late.sort_unstable();
        self.take_each(late)
    }

    /// Whether the caller is to take the ready calls: there are some, and nobody else does.
    pub(super) fn begin_taking(&mut self) -> bool {
        if self.taking.is_some() || self.ready.is_empty() {
            return false;
        }
        self.taking = Some(None);
        true
    }

    /// The next ready call. After `None` somebody else may take them.
    pub(super) fn take_ready(&mut self) -> Option<QueuedCall<T>> {
        while let Some(call) = self.ready.pop_front() {
            self.bytes = self.bytes.saturating_sub(call.size());
            self.taking = Some(call.aim.on);
            let queued = call.into_queued();
            if queued.is_some() {
                return queued;
            }
        }
        self.taking = None;
        None
    }

    /// Takes all calls out.
    pub(super) fn clear(&mut self) -> Vec<ChainedCall<T>> {
        self.bytes = 0;
        self.waits.clear();
        self.next.clear();
        let waiting = self.calls.drain().map(|(_, call)| call);
        waiting.chain(self.ready.drain(..)).collect()
    }

    fn take_each(&mut self, calls: Vec<u64>) -> Vec<ChainedCall<T>> {
        let calls = calls.into_iter();
        calls.filter_map(|sequence| self.take(sequence)).collect()
    }

    fn waiting_for(&self, answer: CallId) -> Vec<u64> {
        let waits = self.waits.range((answer, 0)..=(answer, u64::MAX));
        waits.map(|(_, sequence)| *sequence).collect()
    }
}
