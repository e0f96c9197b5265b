//! The consumer's end of a stream: takes what the session has of it, and lets the peer send more.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::{Connection, Then};
use crate::clock;
use crate::error::Fault;
use crate::payload::Batch;
use crate::session::{Arrived, Cost, StreamKey};
use crate::stream::Items;
use crate::wire::Window;

/// A stream of the peer. Dropped, it is ended.
pub(super) struct Inbox {
    connection: Arc<Connection>,
    key: StreamKey,
    /// The items and bytes of what was given last.
    given: (u32, u64),
    /// Items and bytes that were read since the peer was given leave for more.
    used: (u32, u64),
    /// How much the peer may send ahead.
    window: Window,
    has_ended: bool,
}

impl Inbox {
    pub(super) fn new(connection: Arc<Connection>, key: StreamKey) -> Self {
        let window = connection.lock().session.window();
        Self {
            connection,
            key,
            given: (0, 0),
            used: (0, 0),
            window,
            has_ended: false,
        }
    }

    /// What items cost that have come together: half of the window at most.
    fn cost(&self, items: usize, referring: usize, bytes: usize) -> (u32, u64) {
        let refers = true;
        let (each, bytes) = Cost { bytes, refers }.within(Some(&self.window));
        let more = u32::try_from(referring).unwrap_or(u32::MAX);
        let more = more.saturating_mul(each.saturating_sub(1));
        let items = u32::try_from(items).unwrap_or(u32::MAX);
        (items.saturating_add(more), bytes)
    }

    /// Takes out of the session what may be read before the peer has to be given credit. At the end the peer is told that
    /// it was seen.
    fn poll_session(&mut self, cx: &mut Context<'_>, into: &mut Batch) -> Poll<Arrived> {
        let most = (
            (self.window.items / 2).saturating_sub(self.used.0),
            (self.window.bytes / 2).saturating_sub(self.used.1),
        );
        let (polled, then) = {
            let mut state = self.connection.lock();
            let session = &mut state.session;
            let polled = session.poll_items(self.key, (into, most), cx.waker());
            let then = match polled {
                Poll::Ready(Arrived::End(_)) => state.flush_stream(),
                Poll::Ready(Arrived::Items) | Poll::Pending => Then::Nothing,
            };
            (polled, then)
        };
        self.connection.act(then);
        polled
    }
}

impl Items for Inbox {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Batch,
    ) -> Poll<Option<Result<(), Fault>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let (items, bytes, others) = (into.len(), into.bytes(), into.others().len());
        let referring = into.referring();
        match ready!(self.poll_session(cx, into)) {
            Arrived::Items => {
                let items = into.len().saturating_sub(items);
                let referring = into.referring().saturating_sub(referring);
                self.given = self.cost(items, referring, into.bytes().saturating_sub(bytes));
                for item in into.others_mut().iter_mut().skip(others) {
                    self.connection.take_proxies(item);
                }
                Poll::Ready(Some(Ok(())))
            }
            Arrived::End(fault) => {
                self.has_ended = true;
                Poll::Ready(fault.map(|mut fault| {
                    if let Fault::App(payload) = &mut fault {
                        self.connection.take_proxies(payload);
                    }
                    Err(fault)
                }))
            }
        }
    }

    /// Counts what was read. Before half of what the peer may send ahead was read, it may send as much more.
    fn used(&mut self) {
        let (items, bytes) = std::mem::take(&mut self.given);
        self.used = (
            self.used.0.saturating_add(items),
            self.used.1.saturating_add(bytes),
        );
        let Window { items, bytes, .. } = self.window;
        if self.used.0 < items / 4 && self.used.1 < bytes / 4 {
            return;
        }
        let (items, bytes) = std::mem::take(&mut self.used);
        let key = self.key;
        self.connection
            .on_stream(|state, _| state.session.grant(key, items, bytes, clock::now()));
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let key = self.key;
        self.connection
            .on_stream(|state, effects| state.session.leave_stream(key, effects));
    }
}
