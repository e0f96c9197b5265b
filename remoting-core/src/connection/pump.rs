//! The producer's end of a stream: asks it for items while the peer takes them, and sends those.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

use super::{Connection, Export, State, Then, apply};
use crate::clock;
use crate::error::{ErrorKind, Fault};
use crate::id::StreamId;
use crate::object::{Busy, drop_caught, fault_of, poll_producer};
use crate::payload::{Content, Payload};
use crate::session::{Effects, Lent, StreamRoom, StreamSource};
use crate::stream::{Freight, Items};

/// How many items are sent at a time.
const BATCH: u32 = 256;

/// A stream that goes along with a message, until that is on its way.
pub(super) struct Outlet {
    connection: Arc<Connection>,
    freight: Freight,
    /// Keeps the object whose method has returned the stream.
    object: Option<Busy>,
}

impl Outlet {
    pub(super) fn new(connection: Arc<Connection>, freight: Freight, object: Option<Busy>) -> Self {
        Self {
            connection,
            freight,
            object,
        }
    }
}

impl StreamSource for Outlet {
    fn begin(self: Arc<Self>, stream: StreamId) {
        let pump = Pump {
            connection: Arc::clone(&self.connection),
            stream,
            items: self.freight.take(),
            batch: VecDeque::new(),
            held: None,
            ended: None,
            is_over: false,
        };
        crate::proxy::runtime().spawn(async move {
            pump.run().await;
            drop(self);
        });
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet")
            .field("keeps", &self.object.is_some())
            .finish_non_exhaustive()
    }
}

/// A stream that is under way. Dropped, with its runtime perhaps, it ends the stream.
struct Pump {
    connection: Arc<Connection>,
    stream: StreamId,
    /// Gone when it has ended.
    items: Option<Box<dyn Items>>,
    batch: VecDeque<Item>,
    /// An item that is longer than what may be sent now.
    held: Option<Item>,
    /// How the stream has ended.
    ended: Option<Option<Fault>>,
    /// The peer has been told of the end: the number may stand for another stream by now.
    is_over: bool,
}

/// An item, and what it refers to.
struct Item {
    payload: Payload,
    lent: Vec<Lent<Export>>,
}

impl Pump {
    async fn run(mut self) {
        if self.items.is_none() {
            let text = "the stream was sent before";
            self.ended = Some(Some(Fault::executed(ErrorKind::BadArguments, text)));
        }
        poll_fn(|cx| self.poll(cx)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let room = self
            .connection
            .lock()
            .session
            .poll_room(self.stream, cx.waker());
        match room {
            Poll::Pending => return Poll::Pending,
            // Whoever reads it knows why.
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Ready(Ok(room)) => self.gather(room, cx),
        }
        if self.batch.is_empty() && self.ended.is_none() {
            return Poll::Pending;
        }
        self.send();
        if self.ended.is_some() {
            return Poll::Ready(());
        }
        // To the back of the queue: others have something to do too.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Asks for items, as many as there is room for.
    fn gather(&mut self, room: StreamRoom, cx: &mut Context<'_>) {
        let mut bytes = room.bytes;
        // Whatever the peer takes: what is gathered here waits in this side's memory.
        let mut own = self.connection.limits.stream_bytes;
        for _ in 0..room.items.min(BATCH) {
            let Some(item) = self.held.take().or_else(|| self.next(cx)) else {
                return;
            };
            let length = u64::try_from(item.payload.len()).unwrap_or(u64::MAX);
            let left = bytes.checked_sub(length.min(room.most));
            let is_enough = own < item.payload.len() && !self.batch.is_empty();
            let Some(left) = left.filter(|_| !is_enough) else {
                self.held = Some(item);
                return;
            };
            bytes = left;
            own = own.saturating_sub(item.payload.len());
            self.batch.push_back(item);
        }
    }

    /// Asks for an item: nothing if there is none now, or none any more.
    fn next(&mut self, cx: &mut Context<'_>) -> Option<Item> {
        let items = self.items.as_mut().filter(|_| self.ended.is_none())?;
        let polled = poll_producer(|| catch_unwind(AssertUnwindSafe(|| items.poll_next(cx))));
        let result = match polled {
            Ok(Poll::Pending) => return None,
            Ok(Poll::Ready(Some(Ok(mut payload)))) => {
                payload.share();
                let lent = self.connection.lent(&payload);
                lent.map(|lent| Some(Item { payload, lent }))
            }
            Ok(Poll::Ready(Some(Err(fault)))) => Err(fault),
            Ok(Poll::Ready(None)) => Ok(None),
            Err(panic) => Err(fault_of("a stream", true, panic)),
        };
        match result {
            Ok(Some(item)) => return Some(item),
            Ok(None) => self.ended = Some(None),
            Err(fault) => self.ended = Some(Some(fault)),
        }
        None
    }

    /// Sends what was gathered, and the end of the stream behind it.
    fn send(&mut self) {
        let end = self.ended.as_ref().and_then(Option::as_ref);
        let (lent, fault) = self.connection.last_words(end);
        self.connection.on_stream(|state, effects| {
            if let Err(fault) = state.send_items(self.stream, &self.batch, effects) {
                self.ended = Some(None);
                self.is_over = true;
                state.end_stream(self.stream, Some(&fault), &[], effects);
            } else if self.ended.is_some() {
                self.is_over = true;
                state.end_stream(self.stream, fault.as_ref(), &lent, effects);
            }
        });
        self.batch.clear();
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        if let Some(items) = self.items.take() {
            drop_caught("a stream", items);
        }
        if self.is_over {
            return;
        }
        let fault = Fault::executed(ErrorKind::Cancelled, "the producer was dropped");
        self.connection
            .on_stream(|state, effects| state.end_stream(self.stream, Some(&fault), &[], effects));
    }
}

impl Connection {
    /// Changes something about a stream, and has what that appended written.
    pub(super) fn on_stream(
        self: &Arc<Self>,
        change: impl FnOnce(&mut State, &mut Effects<Export>),
    ) {
        let mut effects = Effects::new();
        let then = {
            let mut state = self.lock();
            change(&mut state, &mut effects);
            state.flush_stream()
        };
        apply(effects);
        self.act(then);
    }

    /// What the peer is told of a failure, with what that refers to.
    fn last_words(self: &Arc<Self>, fault: Option<&Fault>) -> (Vec<Lent<Export>>, Option<Fault>) {
        let Some(fault) = fault else {
            return (Vec::new(), None);
        };
        self.counters.count(fault);
        let lent = match fault {
            Fault::App(payload) => self.lent(payload),
            Fault::Error(_) => Ok(Vec::new()),
        };
        match lent {
            Ok(lent) => {
                let with_details = self.service.shows_details(self.peer());
                (lent, Some(fault.clone().shown(with_details)))
            }
            Err(fault) => (Vec::new(), Some(fault.after_execution())),
        }
    }
}

impl State {
    fn send_items(
        &mut self,
        stream: StreamId,
        items: &VecDeque<Item>,
        effects: &mut Effects<Export>,
    ) -> Result<(), Fault> {
        let now = clock::now();
        for Item { payload, lent } in items {
            self.session
                .send_item(stream, Content::from(payload), lent, now, effects)?;
        }
        Ok(())
    }

    fn end_stream(
        &mut self,
        stream: StreamId,
        fault: Option<&Fault>,
        lent: &[Lent<Export>],
        effects: &mut Effects<Export>,
    ) {
        self.session
            .end_stream(stream, fault, lent, clock::now(), effects);
    }

    /// Decides who writes what a stream has appended.
    pub(super) fn flush_stream(&mut self) -> Then {
        if self.session.output_len() == 0 {
            return Then::Nothing;
        }
        let stats = self.session.stats();
        self.flush(stats.incoming + stats.outgoing + stats.streams <= 1)
    }
}
