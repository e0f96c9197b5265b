//! What lets a session outlive its connection: the frames that the peer may not have, the number of those that came
//! from it, and how the two find each other again.
//!
//! ```text
//! Undecided --HELLO, both can--> Ready --link lost--> Detached --another link--> Ready
//! Undecided --HELLO, one cannot--> Off                Detached --window over--> the end
//! ```

use std::time::{Duration, Instant};

use super::gathered::Gathered;
use super::time::after;
use super::{Effects, End, Exported, Session, control};
use crate::secret::Secret;
use crate::wire::{Hello, RESUMES, ResumeSecret, SessionId, Violation, kind, write_hello};

/// After how many frames of the peer it has to be told that they have come, even if nothing else is to be written.
const FRAMES_PER_ACK: u64 = 256;
/// The same in bytes.
const BYTES_PER_ACK: usize = 256 * 1024;
/// After how many frames it is told along with something else: to write to it on purpose costs more.
const FRAMES_BESIDE: u64 = 128;
/// The same in bytes.
const BYTES_BESIDE: usize = 32 * 1024;
/// How much is kept at least: more than a peer may leave unconfirmed.
const LEAST_KEPT: usize = 4 * BYTES_PER_ACK;
/// How often a wrong secret may be shown until nobody gets the session any more.
const MOST_FAILURES: u8 = 3;

/// Whether a session may outlive its connection, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct ResumeConfig {
    /// For how long this side keeps a session that has lost its connection; zero for not at all.
    pub window: Duration,
    /// How the session is found again: drawn by the side that was dialled.
    pub identity: Option<Identity>,
}

impl ResumeConfig {
    /// The session ends with its connection.
    #[cfg(test)]
    pub(super) const NEVER: Self = Self {
        window: Duration::ZERO,
        identity: None,
    };
}

/// How a session is found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Which session it is.
    pub id: SessionId,
    /// What proves that it is one's own.
    pub secret: ResumeSecret,
}

/// What a peer says that wants a session back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumption {
    /// Which session it was, and the proof.
    pub identity: Identity,
    /// How many frames the peer has.
    pub rx_count: u64,
}

/// What becomes of a peer that wants a session back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The session is its own.
    Granted,
    /// It has not proved that.
    Denied,
    /// The session is over, or has never been one that comes back.
    Gone,
}

/// The part of a session that outlives connections.
#[derive(Debug)]
pub(super) struct Resume {
    /// For how long the session is kept without a connection.
    window: Duration,
    state: State,
    identity: Option<Identity>,
    /// The secret that the peer has shown, as long as it may not have seen the one that has taken its place.
    previous: Option<ResumeSecret>,
    failures: u8,
    /// What was written and may have to be written again.
    pub(super) kept: Gathered,
    /// How many frames the peer has confirmed: those before `kept`.
    confirmed: u64,
    /// How many frames of the peer have come.
    received: u64,
    /// How many of them it was told of, and how many bytes came since.
    told: u64,
    untold: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Undecided,
    Off,
    Ready,
    Detached,
}

impl Resume {
    pub(super) fn new(config: ResumeConfig) -> Self {
        Self {
            window: config.window,
            state: match config.window.is_zero() {
                true => State::Off,
                false => State::Undecided,
            },
            identity: config.identity,
            previous: None,
            failures: 0,
            kept: Gathered::default(),
            confirmed: 0,
            received: 0,
            told: 0,
            untold: 0,
        }
    }

    /// Says in a HELLO what this side can do.
    pub(super) fn announce(&self, hello: &mut Hello) {
        if self.state == State::Off {
            return;
        }
        hello.features |= RESUMES;
        hello.resume_ms = u64::try_from(self.window.as_millis()).unwrap_or(u64::MAX);
        hello.rx_count = self.received;
        if let Some(identity) = self.identity {
            hello.session = Some(identity.id);
            hello.secret = Some(identity.secret);
        }
    }

    /// Decides with the peer's HELLO whether the session outlives its connection.
    pub(super) fn on_hello(&mut self, hello: &Hello) {
        if self.state == State::Off {
            return;
        }
        let theirs = hello.session.zip(hello.secret);
        let theirs = theirs.map(|(id, secret)| Identity { id, secret });
        self.identity = self.identity.or(theirs);
        self.window = self.window.min(Duration::from_millis(hello.resume_ms));
        let can = hello.features & RESUMES != 0 && self.identity.is_some();
        if can && !self.window.is_zero() {
            self.state = State::Ready;
        } else {
            self.state = State::Off;
            self.kept = Gathered::default();
        }
    }

    /// Counts frames of the peer, of kinds that are [counted](is_counted).
    pub(super) fn on_counted(&mut self, frames: u64, length: usize) {
        if self.state != State::Ready {
            return;
        }
        // Who writes on has seen what it was told.
        if self.previous.take().is_some() {
            self.failures = 0;
        }
        if frames > 0 {
            self.received = self.received.saturating_add(frames);
            self.untold = self.untold.saturating_add(length);
        }
    }

    /// Whether the peer has to be told how many of its frames have come.
    pub(super) fn has_to_tell(&self) -> bool {
        self.has_untold(FRAMES_PER_ACK, BYTES_PER_ACK)
    }

    /// Whether it is told along with something else.
    pub(super) fn tells_beside(&self) -> bool {
        self.has_untold(FRAMES_BESIDE, BYTES_BESIDE)
    }

    fn has_untold(&self, frames: u64, bytes: usize) -> bool {
        let untold = self.received.saturating_sub(self.told);
        (untold >= frames || self.untold >= bytes) && self.state == State::Ready
    }

    /// How many frames of the peer have come, to tell it.
    pub(super) fn tell(&mut self) -> u64 {
        if self.state != State::Ready {
            return 0;
        }
        self.told = self.received;
        self.untold = 0;
        self.received
    }

    /// Keeps what is about to be written. Where the peer leaves too much unconfirmed, the session ends with its
    /// connection from now on, and nothing is kept any more.
    pub(super) fn keep(&mut self, bytes: &Gathered, most: usize) {
        if self.state == State::Off {
            return;
        }
        self.kept.append(bytes);
        self.drop_uncounted();
        if self.kept.len() > most.max(LEAST_KEPT) {
            self.state = State::Off;
            self.kept = Gathered::default();
        }
    }

    /// Drops what needs no confirmation.
    fn drop_uncounted(&mut self) {
        while let Some((_, length)) = self.kept.head().filter(|(kind, _)| !is_counted(*kind)) {
            self.kept.advance(length);
        }
    }

    /// The peer has so many frames.
    ///
    /// # Errors
    ///
    /// More than were written.
    pub(super) fn on_ack(&mut self, count: u64) -> Result<(), Violation> {
        if self.state == State::Off {
            return Ok(());
        }
        let more = count.saturating_sub(self.confirmed);
        if self.kept.drop_frames(more, is_counted) < more {
            return Err(Violation::AckOfUnsent);
        }
        self.confirmed = self.confirmed.saturating_add(more);
        self.drop_uncounted();
        self.kept.tidy();
        Ok(())
    }

    /// What the peer does not have.
    fn missing(&self) -> Gathered {
        let mut rest = self.kept.clone();
        let mut missing = Gathered::default();
        while let Some((kind, length)) = rest.head() {
            if is_counted(kind) {
                rest.copy_frame(length, &mut missing);
            }
            rest.advance(length);
        }
        missing
    }
}

/// Whether frames of a kind are counted, and written again if they have not arrived.
pub(super) fn is_counted(kind: u8) -> bool {
    !matches!(
        kind,
        kind::HELLO | kind::PING | kind::PONG | kind::ACK | kind::ABORT
    )
}

impl<T: Exported> Session<T> {
    /// How the session is found again, if it is one that comes back.
    pub fn identity(&self) -> Option<Identity> {
        let comes_back = matches!(self.resume.state, State::Ready | State::Detached);
        self.resume.identity.filter(|_| comes_back)
    }

    /// The name that the session was given, whether it comes back or not.
    pub fn name(&self) -> Option<SessionId> {
        self.resume.identity.map(|identity| identity.id)
    }

    /// Whether the session waits for another connection.
    pub fn is_detached(&self) -> bool {
        self.resume.state == State::Detached
    }

    /// The connection is lost; the session waits for another one, if it can.
    ///
    /// Bytes that were taken from the output and not written are written again. Tells whether it waits.
    pub fn detach(&mut self, now: Instant) -> bool {
        // Who says goodbye does not come back.
        let parts = self.closed || self.parting.here || self.refusal.is_some();
        if parts || self.identity().is_none() {
            return false;
        }
        let until = after(now, self.resume.window);
        self.resume.state = State::Detached;
        self.liveness.suspend(until);
        true
    }

    /// The HELLO by which the side that dials asks for the session, as a whole frame.
    ///
    /// - `token`: what this side shows of itself.
    pub fn plea(&self, token: Option<Secret>) -> Vec<u8> {
        let mut hello = control::hello(&self.config, &self.resume);
        hello.token = token;
        let mut frame = Vec::new();
        write_hello(&mut frame, &hello);
        frame
    }

    /// Judges a peer that wants the session, whether it has a connection or not.
    pub fn claim(&mut self, secret: &ResumeSecret) -> Claim {
        let is_over = self.closed || self.parting.here;
        let Some(identity) = self.identity().filter(|_| !is_over) else {
            return Claim::Gone;
        };
        let resume = &mut self.resume;
        let is_known = identity.secret == *secret || resume.previous.as_ref() == Some(secret);
        if is_known && resume.failures < MOST_FAILURES {
            return Claim::Granted;
        }
        resume.failures = resume.failures.saturating_add(1);
        Claim::Denied
    }

    /// Goes on with a peer that has dialled again. The HELLO for it is in the output.
    ///
    /// - `wanted`: what it has said, which was [granted](Self::claim).
    /// - `next`: the secret that will get the session the next time, unless the peer may have got one since.
    ///
    /// # Errors
    ///
    /// The peer says that it has more than was written.
    pub fn readmit(
        &mut self,
        wanted: &Resumption,
        next: ResumeSecret,
        now: Instant,
        effects: &mut Effects<T>,
    ) -> Result<(), End> {
        self.resume.state = State::Ready;
        self.resume.on_ack(wanted.rx_count)?;
        let shown = wanted.identity.secret;
        if let Some(identity) = self
            .resume
            .identity
            .as_mut()
            .filter(|known| known.secret == shown)
        {
            // Should this HELLO be lost, the peer comes with the one that it has; and is told the same again, for another
            // HELLO may have told it already.
            identity.secret = next;
            self.resume.previous = Some(shown);
        }
        let greeting = self.plea(None);
        self.go_on(greeting, now, effects);
        Ok(())
    }

    /// Looks whether a peer that was dialled again goes on with the session.
    ///
    /// # Errors
    ///
    /// It knows nothing of it any more.
    pub fn recognize(&self, hello: &Hello) -> Result<(), End> {
        if self.name().is_some() && self.name() == hello.session {
            return Ok(());
        }
        let peer = self.peer.as_ref();
        let text = match peer.is_some_and(|peer| peer.incarnation == hello.incarnation) {
            true => "the peer had given the session up when the connection was made again",
            false => "the peer was started anew, and knows nothing of the session",
        };
        Err(End::Away(text.to_owned()))
    }

    /// Goes on with a peer that was dialled again and [knows](Self::recognize) the session.
    ///
    /// # Errors
    ///
    /// The peer says that it has more than was written.
    pub fn rejoin(
        &mut self,
        hello: &Hello,
        now: Instant,
        effects: &mut Effects<T>,
    ) -> Result<(), End> {
        self.recognize(hello)?;
        self.resume.state = State::Ready;
        self.resume.on_ack(hello.rx_count)?;
        if let (Some(identity), Some(next)) = (&mut self.resume.identity, hello.secret) {
            identity.secret = next;
        }
        self.go_on(Vec::new(), now, effects);
        Ok(())
    }

    fn go_on(&mut self, greeting: Vec<u8>, now: Instant, effects: &mut Effects<T>) {
        self.resume.tell();
        let missing = self.resume.missing();
        self.resume.kept = missing.clone();
        self.output.repeat(greeting, &missing);
        self.rates.forgive(now);
        self.liveness.go_on(now, self.output.unsent());
        self.unchoke(effects);
        self.admit(effects);
    }
}
