//! A link with its session: the only place where the protocol meets time, tasks and sockets.
//!
//! All state is the session's; a connection adds one lock around it, the outgoing
//! half of the link, and one task, the driver. The driver reads, flushes and keeps
//! time. A lone caller writes to the socket itself; when many are under way, each
//! appends its frame and the driver flushes for all of them. Nobody holds the lock
//! while writing to a socket or running anybody's code.

mod aftermath;
mod calls;
mod driver;
mod export;
mod outbound;
mod reader;
mod references;
mod resolve;
mod serve;
mod slot;
mod submit;

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use self::aftermath::{apply, apply_all};
use self::driver::Driven;
use self::outbound::{Outbound, Written};
use crate::channel::Link;
use crate::clock;
use crate::error::Fault;
use crate::formatter::FormatterRef;
use crate::id::InterfaceId;
use crate::limits::{Counters, Limits};
use crate::object::{Class, Hold, Keeper, Pinned, Workers};
use crate::session::{Effects, End, Session, SessionConfig, SessionStats};

pub(crate) use self::calls::Destination;
pub(crate) use self::export::Export;
pub(crate) use self::slot::SlotEndpoint;
pub(crate) use self::submit::Deferred;

/// What a connection needs of its host.
pub(crate) trait Service: Send + Sync {
    /// The object that calls by `name` reach.
    fn resolve(&self, name: &str, interface: InterfaceId) -> Result<Export, Fault>;

    /// What makes objects under `name`.
    fn class(&self, name: &str, interface: InterfaceId) -> Result<Arc<dyn Class>, Fault>;

    /// Who takes care of objects that others hold.
    fn keeper(&self) -> &Arc<Keeper>;

    /// The formatter of a codec.
    fn formatter(&self, codec: u8) -> Option<FormatterRef>;

    /// Where handlers run.
    fn workers(&self) -> &Arc<Workers>;
}

/// Where a connection was dialled to.
pub(crate) trait Origin: Send + Sync {
    /// The incarnation of the host that is there now; nothing if nobody is.
    fn incarnation(&self) -> Pinned<'static, Option<u64>>;
}

/// Room for something, given back on drop.
pub(crate) type Room = Arc<dyn Send + Sync>;

/// One link and its session.
pub(crate) struct Connection {
    state: Mutex<State>,
    service: Arc<dyn Service>,
    limits: Arc<Limits>,
    counters: Arc<Counters>,
    /// How calls that leave are written.
    formatter: FormatterRef,
    peer: Arc<str>,
    /// The way to whoever is there now, if this side has dialled.
    origin: Option<Arc<dyn Origin>>,
    /// Told when the connection is closed.
    closed: Notify,
}

/// All that changes; one short lock.
struct State {
    session: Session<Export>,
    /// The outgoing half; taken out by whoever is writing.
    outbound: Option<Box<Outbound>>,
    flush: Flush,
    /// Wakes the driver.
    driver: Option<Waker>,
    /// When the driver will look at the time by itself.
    armed: Option<Instant>,
    /// Why the connection ended, once it has.
    end: Option<End>,
    /// The driver has gone, and the link with it.
    is_over: bool,
}

/// Who will write what has been appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flush {
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

/// What makes a connection what it is.
pub(crate) struct ConnectionConfig {
    pub(crate) service: Arc<dyn Service>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) counters: Arc<Counters>,
    /// How calls that leave are written.
    pub(crate) formatter: FormatterRef,
    /// The codecs that this side reads.
    pub(crate) codecs: Vec<u8>,
    /// The number that this host has drawn when it began.
    pub(crate) incarnation: u64,
    /// The way to whoever is there now, if this side dials.
    pub(crate) origin: Option<Arc<dyn Origin>>,
}

impl Connection {
    /// Puts a session on a link and starts the driver on the current runtime.
    ///
    /// - `guard`: dropped when the connection is closed.
    /// - `handshake`: dropped when the peer's first frames have come.
    pub(crate) fn start<G: Send + 'static>(
        config: ConnectionConfig,
        link: Link,
        guard: G,
        handshake: Option<Room>,
    ) -> Arc<Self> {
        let session = SessionConfig {
            limits: Arc::clone(&config.limits),
            counters: Arc::clone(&config.counters),
            codecs: config.codecs,
            agent: concat!("remoting/", env!("CARGO_PKG_VERSION")).to_owned(),
            incarnation: config.incarnation,
        };
        let state = State {
            session: Session::new(session, clock::now()),
            outbound: Some(Box::new(Outbound::new(link.writer))),
            flush: Flush::Due,
            driver: None,
            armed: None,
            end: None,
            is_over: false,
        };
        let connection = Arc::new(Self {
            state: Mutex::new(state),
            service: config.service,
            limits: config.limits,
            counters: config.counters,
            formatter: config.formatter,
            peer: Arc::from(crate::log::clean(&link.peer)),
            origin: config.origin,
            closed: Notify::new(),
        });
        let driven = Driven::new(&connection, guard);
        tokio::spawn(driver::drive(driven, link.reader, handshake));
        connection
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> &str {
        &self.peer
    }

    /// Whether new calls can be made.
    pub(crate) fn can_call(&self) -> bool {
        self.lock().session.can_call()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().end.is_some()
    }

    pub(crate) fn stats(&self) -> SessionStats {
        self.lock().session.stats()
    }

    /// Tells the peer to make no more calls; closes when those under way have ended.
    pub(crate) fn go_away(&self, drain: Duration, reason: &str) {
        let then = {
            let mut state = self.lock();
            state.session.go_away(drain, reason);
            state.ask_driver()
        };
        self.act(then);
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

    /// The incarnation of the peer's host, once it has told; nothing if it never will.
    pub(crate) async fn incarnation(&self) -> Option<u64> {
        poll_fn(|cx| self.lock().session.poll_incarnation(cx.waker())).await
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the session; the first end is the one that counts. Tells whether this was it.
    fn end(&self, end: End) -> bool {
        let mut effects = Effects::new();
        let lost;
        {
            let mut state = self.lock();
            if state.end.is_some() {
                return false;
            }
            if state.outbound.is_none() {
                state.session.assume_written();
            }
            state.session.close(&end, &mut effects);
            lost = end.is_loss();
            state.end = Some(end);
            state.flush = Flush::Due;
        }
        if lost {
            let (_, rare) = effects.parts();
            let dropped = rare.into_iter().flat_map(|rare| rare.dropped.iter());
            dropped.filter_map(Export::hold).for_each(Hold::lose);
        }
        self.closed.notify_waiters();
        apply(effects);
        true
    }

    /// Writes or has written what was appended.
    pub(crate) fn act(&self, then: Then) {
        match then {
            Then::Nothing => {}
            Then::Wake(waker) => waker.wake(),
            Then::Write => {
                if let Poll::Ready(Err(end)) =
                    self.poll_write(&mut Context::from_waker(Waker::noop()))
                {
                    self.shut(end);
                }
            }
        }
    }

    /// Writes all that was appended, unless somebody else is at it.
    fn poll_write(&self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
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
        loop {
            let Some(mut outbound) = state.outbound.take() else {
                return Poll::Ready(Ok(()));
            };
            if !outbound.refill(&mut state.session) {
                state.flush = Flush::Idle;
                state.outbound = Some(outbound);
                return Poll::Ready(Ok(()));
            }
            drop(state);
            let Written { bytes, status } = outbound.poll_write(cx);
            state = self.lock();
            if bytes > 0 {
                state.session.written(bytes, clock::now(), effects);
            }
            if state.end.as_ref().is_some_and(End::is_speechless) {
                // The end came meanwhile: callers were told that the rest was never written.
                outbound.discard();
            }
            if state.is_over {
                drop(state);
                return Poll::Ready(Ok(()));
            }
            state.outbound = Some(outbound);
            match status {
                Poll::Ready(Ok(())) => {}
                // Where nothing is read, because so much waits to be written, reading tells nothing.
                Poll::Ready(Err(error))
                    if state.end.is_some() || state.session.unsent() > self.limits.unsent =>
                {
                    return Poll::Ready(Err(End::Lost(error.to_string())));
                }
                // A peer that closed may have answered before: reading meets the end after those
                // answers, and should it not, then nothing is written until the session gives up.
                Poll::Ready(Err(_)) | Poll::Pending => {
                    state.flush = Flush::Blocked;
                    // The driver waits for the socket, whoever ran into it.
                    let other = |driver: &mut Waker| !driver.will_wake(cx.waker());
                    effects.wakers.extend(state.driver.take_if(other));
                    return Poll::Pending;
                }
            }
        }
    }
}

impl State {
    /// Decides who writes what was just appended.
    ///
    /// - `alone`: nothing else is under way, so that waiting for company would be in vain.
    fn flush(&mut self, alone: bool) -> Then {
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

    fn ask_driver(&mut self) -> Then {
        if self.flush == Flush::Idle {
            self.flush = Flush::Asked;
        }
        self.wake_driver()
    }

    /// Has the driver look again; it does so anyway if it was woken and has not come yet.
    fn wake_driver(&mut self) -> Then {
        self.driver.take().map_or(Then::Nothing, Then::Wake)
    }

    /// Whether a call's deadline is due before the driver would look at the time by itself.
    ///
    /// What else is due follows from bytes that the driver sees coming or going.
    fn is_early(&self) -> bool {
        match (self.session.poll_deadline(), self.armed) {
            (Some(due), Some(armed)) => due < armed,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.peer)
            .field("session", &self.stats())
            .finish_non_exhaustive()
    }
}
