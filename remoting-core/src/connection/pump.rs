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
use crate::payload::Batch;
use crate::session::{Effects, Lent, StreamRoom, StreamSource};
use crate::stream::{Freight, Items};

/// How many items are sent at a time,
const BATCH: usize = 4096;
/// or how many bytes: more would have left the processor's caches before it is written.
const BATCH_BYTES: usize = 128 * 1024;

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
            batch: Batch::one(),
            lent: VecDeque::new(),
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
    /// What waits to be sent: the last item may be longer than what may be sent now.
    batch: Batch,
    /// What each of those items refers to that are not plain.
    lent: VecDeque<Vec<Lent<Export>>>,
    /// How the stream has ended.
    ended: Option<Option<Fault>>,
    /// The peer has been told of the end: the number may stand for another stream by now.
    is_over: bool,
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
        let sent = self.send();
        if self.is_over {
            return Poll::Ready(());
        }
        if sent > 0 {
            // To the back of the queue: others have something to do too.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Asks for items, as many as there is room for.
    fn gather(&mut self, room: StreamRoom, cx: &mut Context<'_>) {
        let bytes = usize::try_from(room.bytes).unwrap_or(usize::MAX);
        // Whatever the peer takes: what is gathered here waits in this side's memory.
        let most = self.connection.limits.stream_bytes.min(BATCH_BYTES);
        let bytes = bytes.min(most);
        let items = usize::try_from(room.items).unwrap_or(usize::MAX);
        self.batch.set_room(items.min(BATCH), bytes);
        while !self.batch.is_full() && self.ended.is_none() {
            let Some(items) = &mut self.items else { return };
            let batch = &mut self.batch;
            let poll = AssertUnwindSafe(|| items.poll_batch(cx, batch));
            let polled = poll_producer(|| catch_unwind(poll));
            match polled {
                Ok(Poll::Pending) => return,
                Ok(Poll::Ready(Some(Ok(())))) => self.lend(),
                Ok(Poll::Ready(Some(Err(fault)))) => self.ended = Some(Some(fault)),
                Ok(Poll::Ready(None)) => self.ended = Some(None),
                Err(panic) => {
                    // What came before it is whole.
                    self.lend();
                    let fault = fault_of("a stream", true, panic);
                    self.ended.get_or_insert(Some(fault));
                }
            }
        }
    }

    /// Finds out what the last items refer to. The first one that cannot be sent ends the stream.
    fn lend(&mut self) {
        let known = self.lent.len();
        for item in self.batch.others().iter().skip(known) {
            match self.connection.lent(item) {
                Ok(lent) => self.lent.push_back(lent),
                Err(fault) => {
                    self.ended = Some(Some(fault));
                    return self.batch.cut(self.lent.len());
                }
            }
        }
    }

    /// Sends what was gathered, and the end of the stream behind it. Tells how many items that were.
    fn send(&mut self) -> usize {
        let end = self.ended.as_ref().and_then(Option::as_ref);
        let (lent, fault) = self.connection.last_words(end);
        let mut sent = 0;
        self.connection.on_stream(|state, effects| {
            let now = clock::now();
            let items = (&self.batch, &self.lent);
            match state.session.send_items(self.stream, items, now, effects) {
                Ok(count) => {
                    sent = count;
                    self.is_over = self.ended.is_some() && sent == self.batch.len();
                    if self.is_over {
                        state.end_stream(self.stream, fault.as_ref(), &lent, effects);
                    }
                }
                Err(error) => {
                    self.is_over = true;
                    state.end_stream(self.stream, Some(&Fault::Error(error)), &[], effects);
                }
            }
        });
        self.batch.drop_first(sent);
        let left = self.batch.others().len();
        self.lent.drain(..self.lent.len().saturating_sub(left));
        sent
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
