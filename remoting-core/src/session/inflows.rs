//! The streams whose items this side takes: what has come and waits for its consumer.
//!
//! The peer numbers its streams, and uses a number again when both sides have ended it. This side does so
//! when its consumer has come to the end, or has left: so the numbers bound what is kept here.
//!
//! ```text
//! Open --END of the peer--> Complete --consumer reads that, or leaves; END sent--> free
//! Open --consumer leaves, END sent--> Left --END of the peer--> free
//! ```

use std::task::{Poll, Waker};

use slab::Slab;

use super::outflows::{Cost, place};
use crate::error::Fault;
use crate::id::StreamId;
use crate::limits::Counters;
use crate::payload::{Batch, Payload};
use crate::wire::{Violation, Window};

/// Everything that the peer streams to this side.
#[derive(Debug)]
pub(super) struct Inflows {
    flows: Slab<Inflow>,
    /// The same by the peer's numbers; empty after the session's end.
    open: Vec<Option<StreamKey>>,
    window: Window,
}

/// A stream of the peer's.
#[derive(Debug)]
pub(super) struct Inflow {
    stream: StreamId,
    state: State,
    /// What the peer may still send.
    items: u32,
    bytes: u64,
    queue: Batch,
    waker: Option<Waker>,
}

#[derive(Debug)]
enum State {
    Open,
    /// Nobody reads it any more, and the peer has been told.
    Left,
    /// All has come; with what went wrong at the producer.
    Complete(Option<Fault>),
}

/// Names a stream of the peer for its consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamKey(usize);

/// What a consumer finds.
#[derive(Debug)]
pub enum Arrived {
    /// Items.
    Items,
    /// The end, with what went wrong at the producer. The key means nothing from now on.
    End(Option<Fault>),
}

/// What is left of a stream that nobody reads any more.
#[derive(Debug, Default)]
pub(super) struct Leavings {
    /// What had come of it.
    pub(super) items: Batch,
    pub(super) fault: Option<Fault>,
    /// The peer's number, where it has to be told.
    pub(super) stream: Option<StreamId>,
}

impl Inflow {
    /// Counts an item that has come. Tells whether somebody wants it.
    ///
    /// - `counters`: where the bound is counted that it goes beyond.
    #[inline]
    pub(super) fn count(
        &mut self,
        item: Cost,
        window: &Window,
        counters: &Counters,
    ) -> Result<bool, Violation> {
        let (items, bytes) = item.within(Some(window));
        let Some(items) = self.items.checked_sub(items) else {
            counters.stream_items.add();
            return Err(Violation::MoreThanCredit);
        };
        let Some(bytes) = self.bytes.checked_sub(bytes) else {
            counters.stream_bytes.add();
            return Err(Violation::MoreThanCredit);
        };
        (self.items, self.bytes) = (items, bytes);
        Ok(matches!(self.state, State::Open))
    }

    /// Keeps an item that was counted, and refers to nothing.
    #[inline]
    pub(super) fn push_plain(&mut self, item: &[u8], wakers: &mut Vec<Waker>) {
        self.queue.push_plain(item);
        if self.waker.is_some() {
            wakers.extend(self.waker.take());
        }
    }

    /// The same for any other.
    pub(super) fn push(&mut self, item: Payload, wakers: &mut Vec<Waker>) {
        self.queue.push(item);
        wakers.extend(self.waker.take());
    }
}

impl Inflows {
    /// - `window`: what the peer is told that there is room for.
    pub(super) fn new(window: Window) -> Self {
        Self {
            flows: Slab::new(),
            open: Vec::new(),
            window,
        }
    }

    /// How many there are that not both sides have ended.
    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    /// Whether nobody here reads a stream any more.
    pub(super) fn is_left(&self, stream: StreamId) -> bool {
        let key = self.open.get(place(stream)).copied().flatten();
        let flow = key.and_then(|key| self.flows.get(key.0));
        flow.is_some_and(|flow| matches!(flow.state, State::Left))
    }

    pub(super) fn window(&self) -> Window {
        self.window
    }

    /// The peer begins a stream.
    pub(super) fn begin(&mut self, stream: StreamId) -> Result<StreamKey, Violation> {
        if stream.0 >= self.window.streams {
            return Err(Violation::StreamIdOutOfRange);
        }
        let place = place(stream);
        if place >= self.open.len() {
            self.open.resize(place.saturating_add(1), None);
        }
        let Some(entry @ None) = self.open.get_mut(place) else {
            return Err(Violation::StreamIdInUse);
        };
        let key = StreamKey(self.flows.insert(Inflow {
            stream,
            state: State::Open,
            items: self.window.items,
            bytes: self.window.bytes,
            queue: Batch::one(),
            waker: None,
        }));
        *entry = Some(key);
        Ok(key)
    }

    /// The peer has ended a stream.
    pub(super) fn on_end(
        &mut self,
        stream: StreamId,
        fault: Option<Fault>,
        wakers: &mut Vec<Waker>,
    ) -> Result<(), Violation> {
        if self.is_left(stream) {
            self.free(stream);
            return Ok(());
        }
        let flow = self.open_mut(stream)?;
        flow.state = State::Complete(fault);
        wakers.extend(flow.waker.take());
        Ok(())
    }

    /// Gives what has come; at the end also the peer's number, where it has to be told.
    ///
    /// - `into`: gets the items, one at least, and no more than cost as many items and bytes as `most` says.
    pub(super) fn poll(
        &mut self,
        key: StreamKey,
        (into, (items, bytes)): (&mut Batch, (u32, u64)),
        waker: &Waker,
    ) -> Poll<(Arrived, Option<StreamId>)> {
        let Some(flow) = self.flows.get_mut(key.0) else {
            return Poll::Ready((Arrived::End(None), None));
        };
        if !flow.queue.is_empty() {
            let items = usize::try_from(items).unwrap_or(usize::MAX);
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            flow.queue.move_to(into, items, bytes);
            return Poll::Ready((Arrived::Items, None));
        }
        if let State::Complete(_) = flow.state {
            let leavings = self.leave(key);
            return Poll::Ready((Arrived::End(leavings.fault), leavings.stream));
        }
        flow.waker = Some(waker.clone());
        Poll::Pending
    }

    /// Gives the peer leave to send more. Gives its number of the stream, unless it has ended that.
    pub(super) fn grant(&mut self, key: StreamKey, items: u32, bytes: u64) -> Option<StreamId> {
        let flow = self.flows.get_mut(key.0)?;
        if !matches!(flow.state, State::Open) {
            return None;
        }
        flow.items = flow.items.saturating_add(items);
        flow.bytes = flow.bytes.saturating_add(bytes);
        Some(flow.stream)
    }

    /// Nobody reads a stream any more.
    pub(super) fn leave(&mut self, key: StreamKey) -> Leavings {
        let Some(flow) = self.flows.get_mut(key.0) else {
            return Leavings::default();
        };
        let (items, stream) = (std::mem::take(&mut flow.queue), flow.stream);
        flow.waker = None;
        let fault = match std::mem::replace(&mut flow.state, State::Left) {
            State::Complete(fault) => {
                self.flows.try_remove(key.0);
                if let Some(entry) = self.open.get_mut(place(stream)) {
                    *entry = None;
                }
                fault
            }
            State::Open => None,
            State::Left => return Leavings::default(),
        };
        Leavings {
            items,
            fault,
            stream: Some(stream),
        }
    }

    /// Ends everything that the peer has not ended: consumers get `fault` behind what has come.
    pub(super) fn close(&mut self, fault: impl Fn() -> Fault, wakers: &mut Vec<Waker>) {
        self.open.clear();
        self.flows.retain(|_, flow| {
            wakers.extend(flow.waker.take());
            match flow.state {
                State::Open => flow.state = State::Complete(Some(fault())),
                State::Left => return false,
                State::Complete(_) => {}
            }
            true
        });
    }

    fn free(&mut self, stream: StreamId) {
        let entry = self.open.get_mut(place(stream));
        if let Some(key) = entry.and_then(Option::take) {
            self.flows.try_remove(key.0);
        }
    }

    /// A stream that the peer has not ended.
    pub(super) fn open_mut(&mut self, stream: StreamId) -> Result<&mut Inflow, Violation> {
        let key = self.open.get(place(stream)).copied().flatten();
        let flow = key.and_then(|key| self.flows.get_mut(key.0));
        let flow = flow.filter(|flow| !matches!(flow.state, State::Complete(_)));
        flow.ok_or(Violation::UnknownStream)
    }
}
