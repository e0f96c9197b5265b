//! The task of a connection: it reads, flushes and keeps time.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use super::reader::Reader;
use super::resume::{Arrival, Greeting};
use super::{Connection, Flush, State, apply};
use crate::clock;
use crate::log::Rate;
use crate::session::{Effects, End};
use crate::wire::violation::Violation;

/// Peers that come and go quickly do not fill the log.
static STARTS: Rate = Rate::new();
static ENDS: Rate = Rate::new();

/// How long a closing connection tries to write its last words.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Drives a connection until it ends, and closes it.
pub(super) async fn drive(mut driven: Driven, mut reader: Reader) {
    let connection = &Arc::clone(&driven.connection);
    if STARTS.line().is_some() {
        tracing::info!(target: "remoting::connection", peer = %connection.peer(), "connected");
    }
    let mut timer = Box::pin(tokio::time::sleep_until(connection.first_due().into()));
    let (end, reader) = loop {
        let end = use_link(connection, &mut reader, &mut timer).await;
        if end == End::Resumed {
            return hand_over(driven, reader);
        }
        if reader.is_spoken_to_first() {
            // Nobody was let in, so nobody can come back.
            break (end, Some(reader));
        }
        let mut place = match connection.detach(end) {
            Ok(place) => place,
            Err(end) => break (end, Some(reader)),
        };
        // The link closes, and gives back its place.
        drop(reader);
        driven.guard = Box::new(());
        let next = connection.next_link(&mut timer, &mut place).await;
        drop(place);
        match next.and_then(|arrival| connection.attach(arrival)) {
            Ok(next) => (reader, driven.guard) = next,
            Err(end) => break (end, None),
        }
    };
    let is_graceful = end.is_graceful();
    connection.end(end);
    let reader = reader.filter(|_| is_graceful && connection.lock().was_busy);
    connection.log_end();
    let last_words = async {
        poll_fn(|cx| connection.poll_close(cx)).await;
        if let Some(reader) = reader {
            reader.throw_away().await;
        }
    };
    let _too_slow = tokio::time::timeout(LAST_WORDS, last_words).await;
}

/// Reads, keeps time and writes until the link is of no use any more.
async fn use_link(
    connection: &Arc<Connection>,
    reader: &mut Reader,
    timer: &mut Pin<Box<Sleep>>,
) -> End {
    poll_fn(|cx| {
        if let Poll::Ready(end) = reader.poll(connection, cx) {
            return Poll::Ready(end);
        }
        // After reading, for what has come may be due before all that was known.
        if let Poll::Ready(end) = connection.poll_time(cx, timer, reader) {
            return Poll::Ready(end);
        }
        let flushed = connection.poll_flush(cx);
        if reader.is_paused() && !connection.is_behind() {
            cx.waker().wake_by_ref();
        }
        flushed
    })
    .await
}

/// Gives a link to the session that its peer had before. What it came with is over without a word.
fn hand_over(mut driven: Driven, reader: Reader) {
    let connection = &driven.connection;
    let from = connection.shown_peer();
    let outbound = connection.lock().outbound.take();
    connection.end(End::Resumed);
    let guard = std::mem::replace(&mut driven.guard, Box::new(()));
    let Some((session, wanted, reader)) = reader.into_wanted() else {
        return;
    };
    if let Some(outbound) = outbound {
        session.arrive(Arrival {
            reader,
            writer: outbound.into_link(),
            unread: Vec::new(),
            guard,
            from: Some(from),
            greeting: Greeting::Plea(wanted),
        });
    }
}

/// A connection in the hands of its driver. Dropped, with its runtime perhaps and even before the
/// driver was ever polled, it ends the connection and lets go of the link.
pub(super) struct Driven {
    connection: Arc<Connection>,
    /// Held as long as the link is.
    guard: Box<dyn Send>,
}

impl Driven {
    pub(super) fn new(connection: &Arc<Connection>, guard: Box<dyn Send>) -> Self {
        Self {
            connection: Arc::clone(connection),
            guard,
        }
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.end(End::Lost(
            "the runtime that drove the connection was shut down".to_owned(),
        ));
        let outbound = {
            let mut state = connection.lock();
            state.is_over = true;
            (state.outbound.take(), state.arrival.take())
        };
        drop(outbound);
    }
}

impl Connection {
    /// When the driver has to look at the time first. A timer that is set early would wake it for nothing.
    fn first_due(&self) -> Instant {
        self.lock()
            .session
            .poll_timeout()
            .unwrap_or_else(clock::now)
    }

    /// Does what is due, and has the timer wake the driver for what will be.
    fn poll_time(
        &self,
        cx: &mut Context<'_>,
        timer: &mut Pin<Box<Sleep>>,
        reader: &Reader,
    ) -> Poll<End> {
        let mut state = self.lock();
        if let Some(end) = &state.end {
            return Poll::Ready(end.clone());
        }
        if state.is_nothing_due(reader.time()) && state.arrival.is_none() {
            return state.poll_rest(cx, reader);
        }
        drop(state);
        self.poll_due(cx, timer, Some(reader))
    }

    /// The same, where something may be due, or is before the timer fires.
    ///
    /// - `reader`: that of the link, if there is one.
    pub(super) fn poll_due(
        &self,
        cx: &mut Context<'_>,
        timer: &mut Pin<Box<Sleep>>,
        reader: Option<&Reader>,
    ) -> Poll<End> {
        loop {
            let mut effects = Effects::new();
            let (due, result, rest) = {
                let mut state = self.lock();
                if let Some(end) = &state.end {
                    return Poll::Ready(end.clone());
                }
                if reader.is_some() && state.arrival.is_some() {
                    return Poll::Ready(End::Superseded);
                }
                let mut due = state.session.poll_timeout();
                let mut result = Ok(());
                let now = clock::now();
                if due.is_some_and(|due| due <= now) {
                    result = state.session.handle_timeout(now, &mut effects);
                    due = state.session.poll_timeout();
                }
                // A timer that fires too early is set anew then, and not for each frame.
                let set = Some(timer.deadline().into_std()).filter(|_| !timer.is_elapsed());
                state.armed = due.map(|due| set.map_or(due, |set| due.min(set)));
                let rest = reader.map_or(Poll::Pending, |reader| state.poll_rest(cx, reader));
                (due, result, rest)
            };
            apply(effects);
            if let Poll::Ready(end) = rest {
                return Poll::Ready(end);
            }
            if let Err(end) = result {
                return Poll::Ready(end);
            }
            let Some(due) = due else { return Poll::Pending };
            let due = tokio::time::Instant::from_std(due);
            if timer.is_elapsed() || due < timer.deadline() {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Flushes if that is the driver's turn.
    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<End> {
        let flush = {
            let mut state = self.lock();
            let flush = state.flush;
            if flush == Flush::Asked {
                state.flush = Flush::Due;
            }
            flush
        };
        match flush {
            Flush::Idle => Poll::Pending,
            Flush::Asked => {
                // To the back of the queue: those who are about to append come first.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Flush::Due | Flush::Blocked => match self.poll_write(cx) {
                Poll::Ready(Err(end)) => Poll::Ready(end),
                Poll::Ready(Ok(())) => self.poll_drained(cx),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    /// Comes back at once if the flush was the last thing to wait for.
    fn poll_drained(&self, cx: &Context<'_>) -> Poll<End> {
        if self.lock().session.is_drained() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Writes what the end left to be written, and closes the link.
    fn poll_close(&self, cx: &mut Context<'_>) -> Poll<()> {
        let end = self.lock().end.clone();
        let mut has_words = !end.as_ref().is_some_and(End::is_speechless);
        let mut outbound = loop {
            if has_words {
                // Should somebody else run into the full socket meanwhile, it is this one who waits for it.
                self.lock().driver = Some(cx.waker().clone());
                has_words = ready!(self.poll_write(cx)).is_ok();
            }
            let mut state = self.lock();
            if state.is_away {
                return Poll::Ready(());
            }
            let Some(mut outbound) = state.outbound.take() else {
                // Somebody is writing, and wakes the driver when done.
                state.driver = Some(cx.waker().clone());
                return Poll::Pending;
            };
            if !has_words {
                outbound.discard();
            } else if outbound.refill(&mut state.session) {
                // Somebody was writing a moment ago, and has left something.
                state.outbound = Some(outbound);
                continue;
            }
            break outbound;
        };
        if end.as_ref().is_some_and(End::is_deaf) {
            outbound.reset();
            return Poll::Ready(());
        }
        let closed = outbound.poll_close(cx);
        self.lock().outbound = Some(outbound);
        closed.map(|_| ())
    }

    /// Counts the end of a session whose peer sent too long a frame.
    pub(super) fn counted(&self, end: End) -> End {
        if end == End::Violation(Violation::FrameTooLong) {
            self.counters.max_frame.add();
        }
        end
    }

    fn log_end(&self) {
        let end = self.lock().end.clone();
        let Some(end) = end else { return };
        let Some(_missed) = ENDS.line() else { return };
        // Written only where somebody reads it.
        let (peer, reason) = (self.peer(), || crate::log::clean(&end.to_string()));
        match &end {
            End::Violation(violation) => tracing::warn!(
                target: "remoting::connection",
                %peer,
                rule = violation.rule(),
                "connection closed: {}",
                reason(),
            ),
            End::NotOurProtocol(_)
            | End::Unauthenticated
            | End::Refused { .. }
            | End::VersionMismatch(_)
            | End::HandshakeTimeout => {
                tracing::warn!(target: "remoting::connection", %peer, "connection closed: {}", reason());
            }
            _ => {
                tracing::info!(target: "remoting::connection", %peer, "connection closed: {}", reason())
            }
        }
    }
}

impl State {
    /// Whether the timer fires before anything is due, so that it need not be looked at. What has
    /// come since it was set may have brought forward what is due.
    fn is_nothing_due(&self, now: Instant) -> bool {
        let due = self.session.poll_timeout();
        let times = self.armed.zip(due);
        times.is_some_and(|(armed, due)| now < armed && armed <= due)
    }

    /// What is left of a turn of the driver when the time has been looked at.
    fn poll_rest(&mut self, cx: &Context<'_>, reader: &Reader) -> Poll<End> {
        if self.session.is_drained() && self.session.unsent() == 0 {
            // Who calls before the connection has ended is told that it was not sent.
            self.session.take_no_more(&End::Drained);
            return Poll::Ready(End::Drained);
        }
        let expected = self.session.output_len() > 0 && !reader.is_spoken_to_first();
        if self.flush == Flush::Idle && expected {
            self.flush = match self.session.has_only_to_tell() {
                true => Flush::Asked,
                false => Flush::Due,
            };
        }
        if !matches!(&self.driver, Some(driver) if driver.will_wake(cx.waker())) {
            self.driver = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}
