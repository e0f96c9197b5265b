//! How a connection comes to its end, in peace or not.

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use super::flush::Flush;
use super::{Connection, Export, apply};
use crate::clock;
use crate::object::Hold;
use crate::session::{Cancellation, Effects, End};

impl Connection {
    /// Tells the peer to make no more calls; closes when those under way have ended.
    pub(crate) fn go_away(&self, drain: Duration, reason: &str) {
        let (then, is_news) = {
            let mut state = self.lock();
            let is_news = !state.session.is_draining() && state.end.is_none();
            state.session.go_away(drain, reason);
            (state.ask_driver(), is_news)
        };
        if is_news {
            self.tell_draining();
        }
        self.act(then);
    }

    /// Gives the calls of the peer that run here, which are to be told that the host stops. Their callers learn how far
    /// they had come, as long as the connection is there.
    pub(crate) fn stop_calls(&self) -> Vec<Arc<Cancellation>> {
        let mut effects = Effects::new();
        let (calls, then) = {
            let mut state = self.lock();
            let calls = state.session.stop_requests(clock::now(), &mut effects);
            (calls, state.ask_driver())
        };
        apply(effects);
        self.act(then);
        calls
    }

    /// Ends the connection, now. What can be written at once still goes out.
    pub(crate) fn shut(&self, end: End) {
        let speechless = end.is_speechless();
        if !self.end(end) {
            return;
        }
        if !speechless {
            let _rest = self.poll_write(&mut Context::from_waker(Waker::noop()));
        }
        let waker = self.lock().driver.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Waits until the connection is closed.
    pub(crate) async fn wait_closed(&self) {
        loop {
            let closed = self.closed.notified();
            if self.is_closed() {
                return;
            }
            closed.await;
        }
    }

    /// Ends the session; the first end is the one that counts. Tells whether this was it.
    pub(super) fn end(&self, end: End) -> bool {
        let mut effects = Effects::new();
        let (lost, told) = (end.is_loss(), end.clone());
        {
            let mut state = self.lock();
            if state.end.is_some() {
                return false;
            }
            if !state.is_away {
                state.assume_written();
            }
            let stats = state.session.stats();
            state.was_busy = stats.streams > 0 || stats.outgoing > 0 || stats.incoming > 0;
            state.session.close(&end, &mut effects);
            state.end = Some(end);
            state.flush = Flush::Due;
        }
        if lost {
            let (_, rare) = effects.parts();
            let dropped = rare.into_iter().flat_map(|rare| rare.dropped.iter());
            dropped.filter_map(Export::hold).for_each(Hold::lose);
        }
        self.forget_session();
        self.tell_end(&told);
        self.closed.notify_waiters();
        apply(effects);
        true
    }
}
