//! Streams, in both directions: what producers, consumers and the peer do with them.

use std::fmt;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use super::inflows::{Arrived, Leavings, StreamKey};
use super::outflows::{Cost, Refused, Stopped, StreamRoom};
use super::{Effects, Exported, Lent, Session};
use crate::error::{Error, ErrorKind, Executed, Fault};
use crate::id::StreamId;
use crate::limits::Limits;
use crate::payload::{Batch, Content};
use crate::wire::{
    Credit, End, HeaderBlock, Item, LEAST_LIMIT, LEAST_STREAMS, TooLong, Violation, Window,
    WireFault, write_credit, write_end, write_item,
};

/// What sends the items of a stream, as soon as a message that names it is on its way.
pub trait StreamSource: fmt::Debug + Send + Sync {
    /// The stream has begun, under this number; called once, when nothing is locked.
    fn begin(self: Arc<Self>, stream: StreamId);
}

impl<T: Exported> Session<T> {
    /// Tells a producer how much it may send, once that is something. It is woken also when nobody wants its items
    /// any more.
    pub fn poll_room(
        &mut self,
        stream: StreamId,
        waker: &Waker,
    ) -> Poll<Result<StreamRoom, Stopped>> {
        let room = self.outflows.poll_room(stream, waker);
        if matches!(room, Poll::Ready(Ok(_))) && self.is_choked() {
            // Not so much of the peer's time and this side's memory that calls would have to wait.
            if !self.choked.iter().any(|known| known.will_wake(waker)) {
                self.choked.push(waker.clone());
            }
            return Poll::Pending;
        }
        room
    }

    /// Sends an item for which there is room.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::TooLarge`]: it does not fit into a frame.
    /// - [`ErrorKind::ResourceExhausted`]: the peer would hold too many objects.
    /// - [`ErrorKind::Cancelled`]: nobody wants it any more.
    pub fn send_item(
        &mut self,
        stream: StreamId,
        item: Content<'_>,
        lent: &[Lent<T>],
        now: Instant,
        effects: &mut Effects<T>,
    ) -> Result<(), Error> {
        match self.outflows.spend(stream, Cost::of(item, lent)) {
            Ok(()) => {}
            Err(Refused::Stopped) => return Err(stopped()),
            Err(Refused::NoRoom) => {
                let text = "an item was sent without room for it";
                return Err(Error::new(ErrorKind::Internal, text));
            }
        }
        let plain = HeaderBlock::new();
        let written = self.write_lending(&plain, lent, effects, |session, header| {
            session.try_write_item(stream, header, item)
        })?;
        self.liveness.on_append(now);
        written.map_err(|TooLong| {
            self.config.counters.max_frame.add();
            let text = format!(
                "an item of {} bytes does not fit into a frame of {}; send it in smaller pieces",
                item.len(),
                self.longest_frame()
            );
            Error::new(ErrorKind::TooLarge, text)
        })
    }

    /// Ends a stream of this side, once.
    ///
    /// - `lent`: the objects that the data of a user's error refers to.
    pub fn end_stream(
        &mut self,
        stream: StreamId,
        fault: Option<&Fault>,
        lent: &[Lent<T>],
        now: Instant,
        effects: &mut Effects<T>,
    ) {
        if self.closed || !self.outflows.end(stream) {
            return;
        }
        let plain = HeaderBlock::new();
        let written = self.write_lending(&plain, lent, effects, |session, header| {
            session.try_write_end((stream, false), header, fault)
        });
        let refusal = match written {
            Ok(Ok(())) => None,
            Ok(Err(TooLong)) => {
                self.config.counters.max_frame.add();
                let text = "the error is larger than the consumer takes";
                Some(Fault::executed(ErrorKind::TooLarge, text))
            }
            Err(error) => Some(Fault::Error(error)),
        };
        if refusal.is_some() {
            // A sentence fits into every frame that may be agreed on.
            let _ = self.try_write_end((stream, false), &plain, refusal.as_ref());
        }
        self.liveness.on_append(now);
    }

    /// Gives a consumer what has come.
    ///
    /// - `into`: gets the items, one at least, and no more than cost as many items and bytes as `most` says. The objects
    ///   that they refer to are attached.
    pub fn poll_items(
        &mut self,
        key: StreamKey,
        (into, most): (&mut Batch, (u32, u64)),
        waker: &Waker,
    ) -> Poll<Arrived> {
        let polled = self.inflows.poll(key, (into, most), waker);
        polled.map(|(arrived, stream)| {
            self.end_inflow(stream, None);
            arrived
        })
    }

    /// A consumer has used so many items and bytes, and the peer may send as many more.
    pub fn grant(&mut self, key: StreamKey, items: u32, bytes: u64, now: Instant) {
        let Some(stream) = self.inflows.grant(key, items, bytes) else {
            return;
        };
        if self.closed {
            return;
        }
        let credit = Credit {
            stream,
            yours: true,
            items,
            bytes,
        };
        write_credit(self.output.buffer(), credit);
        self.liveness.on_append(now);
    }

    /// The room that a stream of the peer has at its beginning.
    pub fn window(&self) -> Window {
        self.inflows.window()
    }

    /// A consumer reads no more of a stream.
    pub fn leave_stream(&mut self, key: StreamKey, effects: &mut Effects<T>) {
        self.leave_streams(vec![key], effects);
    }

    /// The same for several, and for those that came in what nobody has read of them: how deep they nest is the peer's choice.
    pub(super) fn leave_streams(&mut self, mut keys: Vec<StreamKey>, effects: &mut Effects<T>) {
        while let Some(key) = keys.pop() {
            let Leavings {
                items,
                fault,
                stream,
            } = self.inflows.leave(key);
            let fault = match fault {
                Some(Fault::App(payload)) => Some(payload),
                Some(Fault::Error(_)) | None => None,
            };
            for mut payload in items.into_others().chain(fault) {
                let references = Self::unpack(&mut payload);
                self.give_back_objects(references, &mut keys, effects);
            }
            self.end_inflow(stream, Some(&Fault::Error(stopped())));
        }
    }

    /// Tells the peer that a stream of its is over here too.
    fn end_inflow(&mut self, stream: Option<StreamId>, fault: Option<&Fault>) {
        if let Some(stream) = stream.filter(|_| !self.closed) {
            // A sentence fits into every frame that may be agreed on.
            let _ = self.try_write_end((stream, true), &HeaderBlock::new(), fault);
        }
    }

    pub(super) fn begin_inflow(&mut self, stream: StreamId) -> Result<StreamKey, Violation> {
        let begun = self.inflows.begin(stream);
        if begun == Err(Violation::StreamIdOutOfRange) {
            self.config.counters.streams_per_session.add();
        }
        begun
    }

    /// Leaves a stream at once that came with a message which nobody looks into.
    pub(super) fn decline_stream(&mut self, stream: StreamId) -> Result<(), Violation> {
        let key = self.begin_inflow(stream)?;
        // Nothing has come of it, so nothing has to be given back.
        self.leave_stream(key, &mut Effects::new());
        Ok(())
    }

    pub(super) fn begin_outflow(&mut self) -> Result<StreamId, Error> {
        if self.peer.as_ref().is_some_and(|peer| peer.window.is_none()) {
            let text = "the peer takes no streams";
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        self.outflows.begin().ok_or_else(|| {
            self.config.counters.streams_per_session.add();
            let text = "as many streams are open on this connection as may be; end some";
            Error::new(ErrorKind::ResourceExhausted, text)
        })
    }

    pub(super) fn on_item(
        &mut self,
        item: &Item<'_>,
        effects: &mut Effects<T>,
    ) -> Result<(), Violation> {
        if item.more {
            return Err(Violation::ItemInParts);
        }
        let cost = Cost {
            bytes: item.payload.len(),
            refers: !item.header.references.is_empty(),
        };
        let window = self.inflows.window();
        let inflow = self.inflows.open_mut(item.stream)?;
        if !inflow.count(cost, &window, &self.config.counters)? {
            return self.decline(item.header.references);
        }
        let payload = self.keep(item.payload, item.header.references)?;
        let inflow = self.inflows.open_mut(item.stream)?;
        inflow.push(payload, &mut effects.wakers);
        Ok(())
    }

    pub(super) fn on_credit(
        &mut self,
        credit: Credit,
        effects: &mut Effects<T>,
    ) -> Result<(), Violation> {
        // A producer has no credit to give.
        if !credit.yours {
            return Err(Violation::UnknownStream);
        }
        let Credit {
            stream,
            items,
            bytes,
            ..
        } = credit;
        self.outflows
            .on_credit(stream, items, bytes, &mut effects.wakers)
    }

    pub(super) fn on_end(
        &mut self,
        end: &End<'_>,
        effects: &mut Effects<T>,
    ) -> Result<(), Violation> {
        if end.yours {
            self.decline(end.header.references)?;
            return self.outflows.on_end(end.stream, &mut effects.wakers);
        }
        let fault = match &end.fault {
            Some(fault) if !self.inflows.is_left(end.stream) => {
                Some(self.fault_of(fault, end.header.references)?)
            }
            Some(_) | None => {
                self.decline(end.header.references)?;
                None
            }
        };
        self.inflows.on_end(end.stream, fault, &mut effects.wakers)
    }

    /// Wakes the producers that waited for bytes to leave.
    pub(super) fn unchoke(&mut self, effects: &mut Effects<T>) {
        if !self.choked.is_empty() && !self.is_choked() {
            effects.wakers.append(&mut self.choked);
        }
    }

    /// Whether so much waits to be written that streams have to.
    fn is_choked(&self) -> bool {
        self.unsent() > self.config.limits.unsent / 2
    }

    fn try_write_item(
        &mut self,
        stream: StreamId,
        header: &HeaderBlock,
        item: Content<'_>,
    ) -> Result<(), TooLong> {
        let begin = self.output.mark();
        if item.len() > self.longest_frame() {
            return Err(TooLong);
        }
        match item.tail {
            None => {
                let written = write_item(self.output.buffer(), stream, header, item.head);
                self.fits_since(begin, written)
            }
            Some(_) => {
                write_item(self.output.buffer(), stream, header, &[])?;
                self.write_large(begin, item, self.longest_frame())
            }
        }
    }

    /// - `stream`: its number, and whether that is one of the peer's.
    fn try_write_end(
        &mut self,
        (stream, yours): (StreamId, bool),
        header: &HeaderBlock,
        fault: Option<&Fault>,
    ) -> Result<(), TooLong> {
        let begin = self.output.mark();
        let wire = fault.map(Fault::to_wire);
        let wire = wire
            .as_ref()
            .map(|(code, _, retry_after_ms, text, payload)| WireFault {
                code: *code,
                executed: EXECUTED,
                retry_after_ms: *retry_after_ms,
                text,
                payload: payload.as_slice(),
            });
        let written = write_end(self.output.buffer(), stream, yours, header, wire.as_ref());
        self.fits_since(begin, written)
    }
}

/// What an END says of that: a stream comes of a call that ran.
const EXECUTED: u8 = 1;

/// The error of a stream that nobody reads.
pub(super) fn stopped() -> Error {
    let text = "nobody reads the stream any more";
    Error::new(ErrorKind::Cancelled, text).with_executed(Executed::Yes)
}

/// What a side has room for by its limits.
pub(super) fn window_of(limits: &Limits) -> Window {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Window {
        streams: count(limits.streams_per_session).max(LEAST_STREAMS),
        items: count(limits.stream_items).max(1),
        bytes: (limits.stream_bytes as u64).max(u64::from(LEAST_LIMIT)),
    }
}
