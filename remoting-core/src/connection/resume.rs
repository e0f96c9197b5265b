//! A session that has lost its link, and goes on with another.
//!
//! Whoever has dialled dials again; whoever was dialled waits. A link that comes is brought in by the driver of the
//! session: from the accepted connection on which the peer has asked for it, or from dialling.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::time::Sleep;

use super::outbound::Outbound;
use super::reader::Reader;
use super::redial::redial;
use super::sessions::Place;
use super::{Connection, ConnectionChange, Flush, apply};
use crate::channel::{LinkReader, LinkWriter};
use crate::clock;
use crate::id::random_bytes;
use crate::log::Rate;
use crate::session::{Claim, Effects, End, Resumption};
use crate::wire::{Hello, ResumeSecret};

/// Lines that fail again and again do not fill the log.
static AWAY: Rate = Rate::new();
static BACK: Rate = Rate::new();

/// What is said of a session that had more to say than is kept for it.
const TOO_MUCH: &str = "more was waiting for the peer, which had lost its connection, than the limit `unsent` lets one session have";

/// The same where it was not too much of that one.
const TOO_MUCH_OF_ALL: &str = "more was waiting for peers that had lost their connections than the limit `detached_sessions` has room for";

/// A link for a session that had another one.
pub(super) struct Arrival {
    pub(super) reader: Box<dyn LinkReader>,
    pub(super) writer: Box<dyn LinkWriter>,
    /// What came behind the peer's HELLO.
    pub(super) unread: Vec<u8>,
    /// Held as long as the link is.
    pub(super) guard: Box<dyn Send>,
    /// Where the peer is, if it has dialled.
    pub(super) from: Option<Arc<str>>,
    pub(super) greeting: Greeting,
}

/// What the peer has said on a link.
pub(super) enum Greeting {
    /// It has dialled, and was granted what it wants.
    Plea(Resumption),
    /// It was dialled, and agrees.
    Answer(Box<Hello>),
}

/// What was found of a session that a peer wants back.
pub(super) enum Found {
    Session(Arc<Connection>),
    /// The peer has not proved that it is its own.
    Denied,
    Nothing,
}

impl Connection {
    /// Finds the session that the peer of this connection wants back, if it wants one.
    pub(super) fn find_wanted(&self) -> Option<(Found, Resumption)> {
        let wanted = self.lock().session.take_resumption()?;
        let found = self.service.sessions().find(wanted.identity.id);
        // What came in through one channel, under its security and its limits, does not go on through another.
        let found = found.filter(|session| Arc::ptr_eq(&session.limits, &self.limits));
        let Some(session) = found else {
            return Some((Found::Nothing, wanted));
        };
        // Somebody else is not even asked for the secret: three wrong ones are the owner's loss.
        if session.peer().principal() != self.peer().principal() {
            return Some((Found::Denied, wanted));
        }
        let claim = session.lock().session.claim(&wanted.identity.secret);
        let found = match claim {
            Claim::Granted => Found::Session(session),
            Claim::Denied => Found::Denied,
            Claim::Gone => Found::Nothing,
        };
        Some((found, wanted))
    }

    /// Lets the peer find the session again, should it lose its link.
    pub(super) fn remember_session(self: &Arc<Self>) {
        let identity = self.lock().session.identity();
        if let Some(identity) = identity {
            self.service.sessions().add(identity.id, self);
            if self.is_closed() {
                self.forget_session();
            }
        }
    }

    /// The session is over: nobody finds it any more.
    pub(super) fn forget_session(&self) {
        if self.origin.is_none() {
            // Also where it has become one that would not have come back.
            let name = self.lock().session.name();
            if let Some(name) = name {
                self.service.sessions().remove(name);
            }
        }
    }

    /// Has the session go on with another link, whether it has lost its own or not.
    pub(super) fn arrive(&self, arrival: Arrival) {
        let (waker, refused) = {
            let mut state = self.lock();
            let refused = match state.end {
                Some(_) => Some(arrival),
                None => state.arrival.replace(arrival),
            };
            (state.driver.take(), refused)
        };
        drop(refused);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Lets go of a link that is lost, if the session can wait for another.
    ///
    /// # Errors
    ///
    /// The end of the session.
    pub(super) fn detach(&self, end: End) -> Result<Option<Place>, End> {
        if !end.is_of_link() {
            return Err(end);
        }
        let (outbound, held, waiting, is_back) = {
            let mut state = self.lock();
            if let Some(end) = &state.end {
                return Err(end.clone());
            }
            if !state.session.detach(clock::now()) {
                return Err(end);
            }
            state.assume_written();
            state.link = state.link.wrapping_add(1);
            state.is_away = true;
            state.flush = Flush::Idle;
            let waiting = state.session.queued();
            let (held, is_back) = (state.session.held(), state.arrival.is_some());
            (state.outbound.take(), held, waiting, is_back)
        };
        if let Some(outbound) = outbound.filter(|_| end.is_deaf()) {
            outbound.reset();
        }
        waiting.into_iter().for_each(Waker::wake);
        let place = match self.origin {
            Some(_) => None,
            // It does not wait.
            None if is_back => None,
            None => {
                let sessions = self.service.sessions();
                let source = self.peer().source();
                let place = sessions.enter(source, held, &self.limits, &self.counters);
                Some(place.ok_or_else(|| end.clone())?)
            }
        };
        if AWAY.line().is_some() {
            tracing::info!(target: "remoting::connection", peer = %self.peer(), "connection lost, the session waits for another: {end}");
        }
        self.tell(|| ConnectionChange::Lost(crate::log::clean(&end.to_string())));
        Ok(place)
    }

    /// Waits for another link, which this side dials if it has dialled the last.
    ///
    /// - `place`: that of the session, if it was dialled.
    pub(super) async fn next_link(
        self: &Arc<Self>,
        timer: &mut Pin<Box<Sleep>>,
        place: &mut Option<Place>,
    ) -> Result<Arrival, End> {
        let mut redialling = self
            .origin
            .clone()
            .map(|origin| Box::pin(redial(Arc::clone(self), origin)));
        poll_fn(|cx| {
            if let Some(arrival) = self.lock().arrival.take() {
                return Poll::Ready(Ok(arrival));
            }
            if let Poll::Ready(end) = self.poll_away(cx, timer, place.as_mut()) {
                return Poll::Ready(Err(end));
            }
            match &mut redialling {
                Some(redialling) => redialling.as_mut().poll(cx),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Goes on with another link. Gives who reads it, and what is held as long as it is there.
    ///
    /// # Errors
    ///
    /// The end of the session.
    pub(super) fn attach(&self, arrival: Arrival) -> Result<(Reader, Box<dyn Send>), End> {
        let now = clock::now();
        let mut effects = Effects::new();
        let attached = {
            let mut state = self.lock();
            if let Some(end) = &state.end {
                return Err(end.clone());
            }
            let session = &mut state.session;
            let attached = match &arrival.greeting {
                Greeting::Plea(wanted) => {
                    let next = ResumeSecret(random_bytes());
                    session.readmit(wanted, next, now, &mut effects)
                }
                Greeting::Answer(hello) => session.rejoin(hello, now, &mut effects),
            };
            // Whatever is to be said goes there.
            state.outbound = Some(Box::new(Outbound::new(arrival.writer)));
            state.is_away = false;
            state.flush = Flush::Due;
            state.armed = None;
            attached
        };
        apply(effects);
        attached?;
        self.beginning.go_on(arrival.from);
        if BACK.line().is_some() {
            tracing::info!(target: "remoting::connection", peer = %self.shown_peer(), "the session goes on");
        }
        self.tell(|| ConnectionChange::Resumed);
        Ok((Reader::again(arrival.reader, arrival.unread), arrival.guard))
    }

    /// Keeps time while there is no link.
    fn poll_away(
        &self,
        cx: &mut Context<'_>,
        timer: &mut Pin<Box<Sleep>>,
        place: Option<&mut Place>,
    ) -> Poll<End> {
        let end = self.poll_due(cx, timer, None);
        if end.is_pending() {
            let mut state = self.lock();
            if state.session.holds_too_much() {
                self.counters.unsent.add();
                return Poll::Ready(End::Away(TOO_MUCH.to_owned()));
            }
            let held = state.session.held();
            if place.is_some_and(|place| !place.keeps(held, &self.counters)) {
                return Poll::Ready(End::Away(TOO_MUCH_OF_ALL.to_owned()));
            }
            // Who appends more asks again.
            state.flush = Flush::Idle;
            if !matches!(&state.driver, Some(driver) if driver.will_wake(cx.waker())) {
                state.driver = Some(cx.waker().clone());
            }
        }
        end
    }
}
