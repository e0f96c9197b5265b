//! The consumer's end of a stream: takes what the session has of it, and lets the peer send more.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::{Connection, Then};
use crate::clock;
use crate::error::Fault;
use crate::payload::Payload;
use crate::session::{Arrived, StreamKey, cost};
use crate::stream::Items;

/// A stream of the peer. Dropped, it is ended.
pub(super) struct Inbox {
    connection: Arc<Connection>,
    key: StreamKey,
    /// What was taken out of the session.
    batch: VecDeque<Payload>,
    /// Items and bytes that were read since the peer was given leave for more.
    used: (u32, u64),
    /// How much the peer may send ahead.
    window: (u32, u64),
    has_ended: bool,
}

impl Inbox {
    pub(super) fn new(connection: Arc<Connection>, key: StreamKey) -> Self {
        let window = connection.lock().session.window();
        Self {
            connection,
            key,
            batch: VecDeque::new(),
            used: (0, 0),
            window,
            has_ended: false,
        }
    }

    /// Counts an item as read. When half of what the peer may send ahead was read, it may send as much more.
    fn count(&mut self, bytes: usize) {
        self.used = (
            self.used.0.saturating_add(1),
            self.used.1.saturating_add(cost(bytes, self.window.1)),
        );
        if self.used.0 < self.window.0 / 2 && self.used.1 < self.window.1 / 2 {
            return;
        }
        let (items, bytes) = std::mem::take(&mut self.used);
        let key = self.key;
        self.connection
            .on_stream(|state, _| state.session.grant(key, items, bytes, clock::now()));
    }

    /// Takes what has come out of the session. At the end the peer is told that it was seen.
    fn poll_session(&mut self, cx: &mut Context<'_>) -> Poll<Arrived> {
        let (polled, then) = {
            let mut state = self.connection.lock();
            let session = &mut state.session;
            let polled = session.poll_items(self.key, &mut self.batch, cx.waker());
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
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Payload, Fault>>> {
        loop {
            if let Some(mut item) = self.batch.pop_front() {
                self.count(item.len());
                self.connection.take_proxies(&mut item);
                return Poll::Ready(Some(Ok(item)));
            }
            if self.has_ended {
                return Poll::Ready(None);
            }
            match self.poll_session(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Arrived::Items) => {}
                Poll::Ready(Arrived::End(fault)) => {
                    self.has_ended = true;
                    return Poll::Ready(fault.map(|mut fault| {
                        if let Fault::App(payload) = &mut fault {
                            self.connection.take_proxies(payload);
                        }
                        Err(fault)
                    }));
                }
            }
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        // What was taken out and not read may refer to objects: they are given back as the proxies that they would be.
        for mut item in std::mem::take(&mut self.batch) {
            self.connection.take_proxies(&mut item);
        }
        if self.has_ended {
            return;
        }
        let key = self.key;
        self.connection
            .on_stream(|state, effects| state.session.leave_stream(key, effects));
    }
}
