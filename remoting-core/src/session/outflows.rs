//! The streams whose items this side sends: how much of each the peer takes now.
//!
//! ```text
//! Open --END sent--> Ended --END of the peer--> free
//! Open --END of the peer--> Stopped --END sent--> free
//! ```

use std::task::{Poll, Waker};

use slab::Slab;

use super::Lent;
use crate::id::StreamId;
use crate::payload::{Content, REFERRING};
use crate::wire::{LEAST_STREAMS, Violation, Window};

/// Everything that this side streams.
#[derive(Debug)]
pub(super) struct Outflows {
    flows: Slab<Outflow>,
    /// How many there may be, whatever the peer takes.
    most: u32,
    /// What the peer has said that it takes. Nothing until it has, or if it takes no streams.
    window: Option<Window>,
}

#[derive(Debug)]
struct Outflow {
    state: State,
    items: u32,
    bytes: u64,
    /// The producer, where it waits for credit or to be stopped.
    waker: Option<Waker>,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Open,
    /// This side has ended it.
    Ended,
    /// The peer has, and this side not yet.
    Stopped,
}

/// How much of a stream may be sent now: at least one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamRoom {
    /// How many items.
    pub items: u32,
    /// How many bytes.
    pub bytes: u64,
}

/// Nobody takes what a stream would still bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

impl Outflows {
    pub(super) fn new(most: u32) -> Self {
        Self {
            flows: Slab::new(),
            most,
            window: None,
        }
    }

    /// How many there are whose end is not known to both sides.
    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    /// Begins a stream; nothing if the peer takes no more of them, or this side has as many as it may.
    pub(super) fn begin(&mut self) -> Option<StreamId> {
        let window = self.window;
        let most = window.map_or(LEAST_STREAMS, |window| window.streams);
        let stream = u32::try_from(self.flows.vacant_key()).ok()?;
        if stream >= most.min(self.most) {
            return None;
        }
        self.flows.insert(Outflow {
            state: State::Open,
            items: window.map_or(0, |window| window.items),
            bytes: window.map_or(0, |window| window.bytes),
            waker: None,
        });
        Some(StreamId(stream))
    }

    /// Forgets a stream of which the peer has not heard.
    pub(super) fn take_back(&mut self, stream: StreamId) {
        self.flows.try_remove(place(stream));
    }

    /// Notes what the peer takes. The streams that were begun before may go on, or have to stop.
    pub(super) fn on_hello(&mut self, window: Option<Window>, wakers: &mut Vec<Waker>) {
        self.window = window;
        for (_, flow) in &mut self.flows {
            match window {
                Some(window) => (flow.items, flow.bytes) = (window.items, window.bytes),
                None => flow.state = State::Stopped,
            }
            wakers.extend(flow.waker.take());
        }
    }

    /// Tells how much may be sent, once that is something.
    pub(super) fn poll_room(
        &mut self,
        stream: StreamId,
        waker: &Waker,
    ) -> Poll<Result<StreamRoom, Stopped>> {
        let Some(flow) = self.flows.get_mut(place(stream)) else {
            return Poll::Ready(Err(Stopped));
        };
        if flow.state != State::Open {
            return Poll::Ready(Err(Stopped));
        }
        // Also while there is room: who waits for the next item wants to know when nobody does.
        if !matches!(&flow.waker, Some(known) if known.will_wake(waker)) {
            flow.waker = Some(waker.clone());
        }
        if flow.items == 0 || flow.bytes == 0 {
            return Poll::Pending;
        }
        Poll::Ready(Ok(StreamRoom {
            items: flow.items,
            bytes: flow.bytes,
        }))
    }

    /// Whether an item may be sent. Where nobody wants it, that is found out by sending it.
    pub(super) fn has_room(&self, stream: StreamId, item: Cost) -> bool {
        let flow = self.flows.get(place(stream));
        let flow = flow.filter(|flow| flow.state == State::Open);
        let (items, bytes) = item.within(self.window.as_ref());
        flow.is_none_or(|flow| flow.items >= items && flow.bytes >= bytes)
    }

    /// Counts an item as sent.
    ///
    /// # Errors
    ///
    /// There is not enough room for it, or nobody wants it.
    #[inline]
    pub(super) fn spend(&mut self, stream: StreamId, item: Cost) -> Result<(), Refused> {
        let (items, bytes) = item.within(self.window.as_ref());
        let flow = self.flows.get_mut(place(stream));
        let Some(flow) = flow.filter(|flow| flow.state == State::Open) else {
            return Err(Refused::Stopped);
        };
        let left = (flow.items.checked_sub(items), flow.bytes.checked_sub(bytes));
        let (Some(items), Some(bytes)) = left else {
            return Err(Refused::NoRoom);
        };
        (flow.items, flow.bytes) = (items, bytes);
        Ok(())
    }

    /// Adds to what may be sent. Nothing happens if the stream has been ended.
    pub(super) fn on_credit(
        &mut self,
        stream: StreamId,
        items: u32,
        bytes: u64,
        wakers: &mut Vec<Waker>,
    ) -> Result<(), Violation> {
        let Some(flow) = self.flows.get_mut(place(stream)) else {
            return Ok(());
        };
        let more = (flow.items.checked_add(items), flow.bytes.checked_add(bytes));
        let (Some(items), Some(bytes)) = more else {
            return Err(Violation::TooMuchCredit);
        };
        (flow.items, flow.bytes) = (items, bytes);
        wakers.extend(flow.waker.take());
        Ok(())
    }

    /// The peer has ended a stream, or has seen its end.
    pub(super) fn on_end(
        &mut self,
        stream: StreamId,
        wakers: &mut Vec<Waker>,
    ) -> Result<(), Violation> {
        let flow = self.flows.get_mut(place(stream));
        let flow = flow.ok_or(Violation::UnknownStream)?;
        match flow.state {
            State::Open => {
                flow.state = State::Stopped;
                wakers.extend(flow.waker.take());
            }
            State::Ended => drop(self.flows.try_remove(place(stream))),
            State::Stopped => return Err(Violation::UnknownStream),
        }
        Ok(())
    }

    /// This side ends a stream, once. Tells whether there was one to end.
    pub(super) fn end(&mut self, stream: StreamId) -> bool {
        let Some(flow) = self.flows.get_mut(place(stream)) else {
            return false;
        };
        match flow.state {
            State::Open => flow.state = State::Ended,
            State::Stopped => drop(self.flows.try_remove(place(stream))),
            State::Ended => return false,
        }
        true
    }

    /// Stops everything.
    pub(super) fn clear(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.flows.drain().filter_map(|flow| flow.waker));
    }
}

/// Why an item was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    NoRoom,
    Stopped,
}

/// What an item uses up of the credit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// How many bytes it has.
    pub(crate) bytes: usize,
    /// Whether it refers to objects or streams: then it takes more of this side's memory than it has bytes.
    pub(crate) refers: bool,
}

impl Cost {
    /// That of an item that refers to nothing.
    #[inline]
    pub(super) fn plain(item: &[u8]) -> Self {
        Self {
            bytes: item.len(),
            refers: false,
        }
    }

    pub(super) fn of<T>(item: Content<'_>, lent: &[Lent<T>]) -> Self {
        Self {
            bytes: item.len(),
            refers: !lent.is_empty(),
        }
    }

    /// Items and bytes: no more than half of the window. A consumer gives credit when it
    /// has used half, so there is always enough for the next item by then, however long that is.
    #[inline]
    pub(crate) fn within(self, window: Option<&Window>) -> (u32, u64) {
        let Some(window) = window else { return (1, 0) };
        let bytes = u64::try_from(self.bytes).unwrap_or(u64::MAX);
        let items = match self.refers {
            true => (REFERRING as u32).min(window.items / 2).max(1),
            false => 1,
        };
        (items, bytes.min(window.bytes / 2))
    }
}

pub(super) fn place(stream: StreamId) -> usize {
    usize::try_from(stream.0).unwrap_or(usize::MAX)
}
