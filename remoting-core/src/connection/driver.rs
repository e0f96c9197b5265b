//! The task of a connection: it reads, flushes and keeps time.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

use super::{Connection, Export, Flush, Room, apply, apply_all};
use crate::channel::{LinkError, LinkReader};
use crate::clock;
use crate::log::Rate;
use crate::session::{Effects, End, Request, longest_body};
use crate::wire::frame::split_frame;
use crate::wire::violation::Violation;

/// Peers that come and go quickly do not fill the log.
static STARTS: Rate = Rate::new();
static ENDS: Rate = Rate::new();

/// How long a closing connection tries to write its last words.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// A read buffer that has grown beyond this is not kept when it is empty.
const KEEP: usize = 64 * 1024;

/// Drives a connection until it ends, and closes it.
pub(super) async fn drive<G: Send>(
    driven: Driven<G>,
    link: Box<dyn LinkReader>,
    handshake: Option<Room>,
) {
    let connection = &driven.connection;
    if STARTS.line().is_some() {
        tracing::info!(target: "remoting::connection", peer = connection.peer(), "connected");
    }
    let mut reader = Reader {
        link,
        buffer: Vec::new(),
        start: 0,
        paused: false,
        handshake,
        effects: Effects::new(),
    };
    let mut timer = Box::pin(tokio::time::sleep(Duration::ZERO));
    let end = poll_fn(|cx| {
        if let Poll::Ready(end) = reader.poll(connection, cx) {
            return Poll::Ready(end);
        }
        // After reading, for what has come may be due before all that was known.
        if let Poll::Ready(end) = connection.poll_time(cx, &mut timer) {
            return Poll::Ready(end);
        }
        let flushed = connection.poll_flush(cx);
        if reader.paused && !connection.is_behind() {
            cx.waker().wake_by_ref();
        }
        flushed
    })
    .await;
    connection.end(end);
    connection.log_end();
    let last_words = poll_fn(|cx| connection.poll_close(cx));
    let _too_slow = tokio::time::timeout(LAST_WORDS, last_words).await;
}

/// A connection in the hands of its driver. Dropped, with its runtime perhaps and even before the
/// driver was ever polled, it ends the connection and lets go of the link.
pub(super) struct Driven<G> {
    connection: Arc<Connection>,
    /// Held as long as the link is.
    _guard: G,
}

impl<G> Driven<G> {
    pub(super) fn new(connection: &Arc<Connection>, guard: G) -> Self {
        Self {
            connection: Arc::clone(connection),
            _guard: guard,
        }
    }
}

impl<G> Drop for Driven<G> {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.end(End::Lost(
            "the runtime that drove the connection was shut down".to_owned(),
        ));
        let outbound = {
            let mut state = connection.lock();
            state.is_over = true;
            state.outbound.take()
        };
        drop(outbound);
    }
}

impl Connection {
    /// Does what is due, and has the timer wake the driver for what will be.
    fn poll_time(&self, cx: &mut Context<'_>, timer: &mut Pin<Box<Sleep>>) -> Poll<End> {
        loop {
            let mut effects = Effects::new();
            let (due, result) = {
                let mut state = self.lock();
                if let Some(end) = &state.end {
                    return Poll::Ready(end.clone());
                }
                let now = clock::now();
                let result = match state.session.poll_timeout() {
                    Some(due) if due <= now => state.session.handle_timeout(now, &mut effects),
                    _ => Ok(()),
                };
                if state.session.is_drained() && state.session.unsent() == 0 {
                    return Poll::Ready(End::Drained);
                }
                if state.flush == Flush::Idle && state.session.output_len() > 0 {
                    state.flush = Flush::Due;
                }
                let due = state.session.poll_timeout();
                state.armed = due;
                if !matches!(&state.driver, Some(driver) if driver.will_wake(cx.waker())) {
                    state.driver = Some(cx.waker().clone());
                }
                (due, result)
            };
            apply(effects);
            if let Err(end) = result {
                return Poll::Ready(end);
            }
            let Some(due) = due else { return Poll::Pending };
            let due = tokio::time::Instant::from_std(due);
            if timer.deadline() != due {
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
        let speechless = self.lock().end.as_ref().is_some_and(End::is_speechless);
        if !speechless && self.poll_write(cx).is_pending() {
            return Poll::Pending;
        }
        let Some(mut outbound) = self.lock().outbound.take() else {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        if speechless {
            outbound.discard();
        }
        let closed = outbound.poll_close(cx);
        self.lock().outbound = Some(outbound);
        closed.map(|_| ())
    }

    fn log_end(&self) {
        let end = self.lock().end.clone();
        let Some(end) = end else { return };
        let Some(_missed) = ENDS.line() else { return };
        let (peer, reason) = (self.peer(), crate::log::clean(&end.to_string()));
        match end {
            End::Violation(violation) => tracing::warn!(
                target: "remoting::connection",
                peer,
                rule = violation.rule(),
                "connection closed: {reason}",
            ),
            End::NotOurProtocol(_) | End::VersionMismatch(_) | End::HandshakeTimeout => {
                tracing::warn!(target: "remoting::connection", peer, "connection closed: {reason}");
            }
            _ => {
                tracing::info!(target: "remoting::connection", peer, "connection closed: {reason}")
            }
        }
    }
}

/// The incoming half of a link, with the bytes of frames that are not whole yet.
struct Reader {
    link: Box<dyn LinkReader>,
    buffer: Vec<u8>,
    start: usize,
    /// Whether reading waits for the peer to take what was written.
    paused: bool,
    handshake: Option<Room>,
    effects: Effects<Export>,
}

impl Reader {
    /// Reads and handles frames until there are no more for now.
    fn poll(&mut self, connection: &Arc<Connection>, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            if connection.is_behind() {
                self.pause(connection);
                return Poll::Pending;
            }
            if std::mem::take(&mut self.paused) {
                // What had come before the pause.
                if let Err(end) = self.handle(connection, cx) {
                    return Poll::Ready(end);
                }
                continue;
            }
            let read = match self.link.poll_read(cx, &mut self.buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(read) => read,
            };
            match read {
                Ok(0) => return Poll::Ready(End::PeerClosed),
                Ok(_) => {}
                Err(LinkError::Io(error)) => return Poll::Ready(End::Lost(error.to_string())),
                Err(other @ LinkError::Version(_)) => {
                    return Poll::Ready(End::VersionMismatch(other.to_string()));
                }
                Err(LinkError::NotOurProtocol(what)) => {
                    return Poll::Ready(End::NotOurProtocol(what));
                }
            }
            if let Err(end) = self.handle(connection, cx) {
                return Poll::Ready(end);
            }
        }
    }

    /// Stops reading until the peer has taken more of what was written.
    fn pause(&mut self, connection: &Connection) {
        if !std::mem::replace(&mut self.paused, true) {
            connection.counters.unsent.add();
        }
    }

    /// Handles the frames that have come, and writes the answers.
    fn handle(&mut self, connection: &Arc<Connection>, cx: &mut Context<'_>) -> Result<(), End> {
        self.handle_frames(connection)?;
        match connection.poll_write(cx) {
            Poll::Ready(written) => written,
            Poll::Pending => Ok(()),
        }
    }

    fn handle_whole_frames(&mut self, connection: &Arc<Connection>) -> Result<(), End> {
        let longest = longest_body(&connection.limits);
        let mut now = clock::now();
        loop {
            let unread = self.buffer.get(self.start..).unwrap_or_default();
            let split = split_frame(unread, longest).map_err(|what| connection.broken(what))?;
            let Some((frame, length)) = split else {
                return Ok(());
            };
            let handled = {
                let mut state = connection.lock();
                let behind = state.session.unsent() > connection.limits.unsent;
                (!behind).then(|| state.session.handle_frame(frame, now, &mut self.effects))
            };
            let Some(handled) = handled else {
                self.pause(connection);
                return Ok(());
            };
            self.start = self.start.saturating_add(length);
            let request = handled?;
            if self.handshake.is_some() {
                self.handshake = None;
            }
            let mut assembled = self.effects.assembled.take();
            let request = match (request, &mut assembled) {
                (Some(request), _) => Some(request),
                (None, Some(whole)) => whole.request().map_err(|what| connection.broken(what))?,
                (None, None) => None,
            };
            let Some(request) = request else { continue };
            apply_all(&mut self.effects);
            match request {
                Request::Call(call) => connection.serve_call(call, &mut now),
                Request::Resolve(resolve) => {
                    connection.serve_resolve(resolve, now);
                    now = clock::now();
                }
            }
        }
    }

    /// Handles the frames that have come, or some of them if the answers pile up.
    fn handle_frames(&mut self, connection: &Arc<Connection>) -> Result<(), End> {
        let handled = self.handle_whole_frames(connection);
        // Callers are woken together: the first one to run finds the others' answers there too.
        apply_all(&mut self.effects);
        handled?;
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > KEEP {
            self.buffer = Vec::new();
        }
        Ok(())
    }
}

impl Connection {
    /// The end of a session whose peer sent too long a frame, or broke another rule of frames.
    fn broken(&self, violation: Violation) -> End {
        if violation == Violation::FrameTooLong {
            self.counters.max_frame.add();
        }
        End::Violation(violation)
    }

    /// Whether so much waits to be written that nothing more should be read.
    fn is_behind(&self) -> bool {
        self.lock().session.unsent() > self.limits.unsent
    }
}
