//! Who writes what was appended, and the writing itself.
//!
//! Idle --a lone call--> written by its caller; Idle --anything else--> Asked --the driver lets
//! others append--> Due --the driver writes--> Idle, or Blocked while the socket takes no more.

use std::io;
use std::task::{Context, Poll, Waker};

use super::outbound::{Outbound, Written};
use super::{Connection, Export, State, apply};
use crate::clock;
use crate::session::{Effects, End};

/// Who will write what has been appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flush {
    /// Nobody has to.
    Idle,
    /// The driver was asked to, and lets others append first.
    Asked,
    /// The driver has let others append.
    Due,
    /// The socket takes no more for now.
    Blocked,
}

/// What is to be done about appended bytes, once the lock is let go.
#[must_use]
pub(crate) enum Then {
    Nothing,
    /// Write them here and now.
    Write,
    /// Have the driver write them.
    Wake(Waker),
}

impl Connection {
    /// Whether so much waits to be written that nothing more should be read.
    pub(super) fn is_behind(&self) -> bool {
        self.lock().session.is_behind()
    }

    /// Writes or has written what was appended.
    pub(crate) fn act(&self, then: Then) {
        match then {
            Then::Nothing => {}
            Then::Wake(waker) => waker.wake(),
            Then::Write => {
                // Should the link be lost, it is the driver that gives it up.
                let _written = self.poll_write(&mut Context::from_waker(Waker::noop()));
            }
        }
    }

    /// Writes all that was appended, unless somebody else is at it.
    pub(super) fn poll_write(&self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let mut effects = Effects::new();
        let result = self.poll_write_all(cx, &mut effects);
        apply(effects);
        result
    }

    fn poll_write_all(
        &self,
        cx: &mut Context<'_>,
        effects: &mut Effects<Export>,
    ) -> Poll<Result<(), End>> {
        let mut state = self.lock();
        let mut was_behind = state.session.is_behind();
        loop {
            let Some(mut outbound) = state.outbound.take() else {
                return Poll::Ready(Ok(()));
            };
            if state.end.as_ref().is_some_and(End::is_speechless) {
                // Callers were told that the rest was never written.
                outbound.discard();
            }
            if !outbound.refill(&mut state.session) {
                state.flush = Flush::Idle;
                state.put_back(outbound, cx, effects);
                if was_behind || state.session.is_drained() {
                    // The driver may have stopped to read; or the last answer has just left, and it closes the link.
                    effects.wakers.extend(state.other_driver(cx));
                }
                return Poll::Ready(Ok(()));
            }
            let link = state.link;
            drop(state);
            let Written { bytes, status } = outbound.poll_write(cx);
            state = self.lock();
            // Others append meanwhile.
            was_behind |= state.session.is_behind();
            if state.link != link {
                // Lost meanwhile; what was in it is written again, to the next.
                drop(state);
                outbound.reset();
                return Poll::Ready(Ok(()));
            }
            if bytes > 0 {
                state.session.written(bytes, clock::now(), effects);
            }
            if state.is_over {
                drop(state);
                return Poll::Ready(Ok(()));
            }
            state.put_back(outbound, cx, effects);
            if let Some(result) = state.after_write(status, cx, effects) {
                return result;
            }
        }
    }
}

impl State {
    /// Decides who writes what was just appended.
    ///
    /// - `alone`: nothing else is under way, so that waiting for company would be in vain.
    pub(super) fn flush(&mut self, alone: bool) -> Then {
        let early = self.is_early();
        // After the last answer of a drained session the driver has to close it.
        let alone = alone && !early && !self.session.is_drained();
        match self.flush {
            Flush::Idle if alone && self.outbound.is_some() => Then::Write,
            Flush::Idle => self.ask_driver(),
            Flush::Asked | Flush::Due | Flush::Blocked if early => self.wake_driver(),
            Flush::Asked | Flush::Due | Flush::Blocked => Then::Nothing,
        }
    }

    /// Takes for written what may have been, where the link ends.
    pub(super) fn assume_written(&mut self) {
        match &self.outbound {
            Some(outbound) => self.session.assume_written(outbound.kept_back()),
            // Somebody is writing, nobody knows how far.
            None => self.session.assume_written(usize::MAX),
        }
    }

    /// What becomes of the writing, if it ends here.
    fn after_write(
        &mut self,
        status: Poll<io::Result<()>>,
        cx: &Context<'_>,
        effects: &mut Effects<Export>,
    ) -> Option<Poll<Result<(), End>>> {
        let result = match status {
            Poll::Ready(Ok(())) => return None,
            // Where nothing is read, because so much waits to be written, reading tells nothing.
            Poll::Ready(Err(error)) if self.end.is_some() || self.session.is_behind() => {
                self.flush = Flush::Due;
                Poll::Ready(Err(End::Lost(error.to_string())))
            }
            // A peer that closed may have answered before: reading meets the end after those
            // answers, and should it not, then nothing is written until the session gives up.
            Poll::Ready(Err(_)) | Poll::Pending => {
                self.flush = Flush::Blocked;
                Poll::Pending
            }
        };
        // The driver waits for the socket, or ends the connection, whoever ran into it.
        effects.wakers.extend(self.other_driver(cx));
        Some(result)
    }

    /// Lets others write; a driver that waits to close the link is told.
    fn put_back(
        &mut self,
        outbound: Box<Outbound>,
        cx: &Context<'_>,
        effects: &mut Effects<Export>,
    ) {
        self.outbound = Some(outbound);
        if self.end.is_some() {
            effects.wakers.extend(self.other_driver(cx));
        }
    }

    /// The driver, unless it is the task that asks.
    fn other_driver(&mut self, cx: &Context<'_>) -> Option<Waker> {
        self.driver.take_if(|driver| !driver.will_wake(cx.waker()))
    }

    pub(super) fn ask_driver(&mut self) -> Then {
        if self.flush == Flush::Idle {
            self.flush = Flush::Asked;
        }
        self.wake_driver()
    }

    /// Has the driver look again; it does so anyway if it was woken and has not come yet.
    pub(super) fn wake_driver(&mut self) -> Then {
        self.driver.take().map_or(Then::Nothing, Then::Wake)
    }

    /// Whether a call's deadline is due before the driver would look at the time by itself.
    ///
    /// What else is due follows from bytes that the driver sees coming or going.
    pub(super) fn is_early(&self) -> bool {
        match (self.session.poll_deadline(), self.armed) {
            (Some(due), Some(armed)) => due < armed,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}
