//! The incoming half of a connection: it reads, cuts what has come into frames, and has the
//! session take them in.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;

use super::intake::{Buffered, Came};
use super::login::Login;
use super::resume::Found;
use super::serve::Answer;
use super::{Connection, Export, Room, apply_all};
use crate::channel::{LinkError, LinkReader};
use crate::clock;
use crate::object::Trial;
use crate::payload::LARGE;
use crate::session::{Effects, End, Resumption, longest_body};
use crate::wire::Violation;
use crate::wire::frame::{Flags, kind, missing, split_frame};

/// A read buffer that has grown beyond this is not kept when it is empty.
const KEEP: usize = 64 * 1024;

/// The incoming half of a link, with the bytes of frames that are not whole yet.
pub(super) struct Reader {
    link: Box<dyn LinkReader>,
    buffer: Vec<u8>,
    start: usize,
    /// Whether reading waits for the peer to take what was written.
    paused: bool,
    handshake: Option<Room>,
    /// How far the peer has come with telling who it is.
    login: Login,
    /// A call of a new kind, which is to begin before anything else is read.
    trial: Option<Trial>,
    /// The time at which frames were last handled in this turn of the driver.
    now: Option<Instant>,
    effects: Effects<Export>,
    /// Whether it is known, and told, that the peer is there.
    is_greeted: bool,
    /// The session that the peer wants to go on with, and what it has said.
    wanted: Option<(Arc<Connection>, Resumption)>,
}

impl Reader {
    /// - `handshake`: dropped when the peer's first frames have come.
    pub(super) fn new(link: Box<dyn LinkReader>, handshake: Option<Room>, login: Login) -> Self {
        Self {
            link,
            buffer: Vec::new(),
            start: 0,
            paused: false,
            handshake,
            // Who has dialled is greeted when it was let in.
            is_greeted: !matches!(login, Login::Done),
            login,
            trial: None,
            now: None,
            effects: Effects::new(),
            wanted: None,
        }
    }

    /// Reads another link of a session.
    ///
    /// - `unread`: what came behind the peer's HELLO.
    pub(super) fn again(link: Box<dyn LinkReader>, unread: Vec<u8>) -> Self {
        let mut reader = Self::new(link, None, Login::Done);
        reader.paused = !unread.is_empty();
        reader.buffer = unread;
        reader.is_greeted = true;
        reader
    }

    /// The session that goes on with this link, and what its peer has said; and the link.
    pub(super) fn into_wanted(self) -> Option<(Arc<Connection>, Resumption, Box<dyn LinkReader>)> {
        let (session, wanted) = self.wanted?;
        Some((session, wanted, self.link))
    }

    /// Reads what still comes until the peer closes, and throws it away. A socket that is closed with bytes which nobody has
    /// read may take back what was written to it, a goodbye for example.
    pub(super) async fn throw_away(mut self) {
        loop {
            self.buffer.clear();
            let read = poll_fn(|cx| self.link.poll_read(cx, &mut self.buffer)).await;
            if !matches!(read, Ok(1..)) {
                return;
            }
        }
    }

    /// Whether reading waits for nothing but that the peer takes what was written.
    pub(super) fn is_paused(&self) -> bool {
        self.paused && self.trial.is_none()
    }

    /// Whether the peer has dialled and not spoken yet. It is answered when it has: the HELLO of this side
    /// then leaves together with what else there is to say.
    pub(super) fn is_spoken_to_first(&self) -> bool {
        !matches!(self.login, Login::Done)
    }

    /// The time, as of the last frames of this turn if there were any.
    pub(super) fn time(&self) -> Instant {
        self.now.unwrap_or_else(clock::now)
    }

    /// Reads and handles frames until there are no more for now.
    pub(super) fn poll(&mut self, connection: &Arc<Connection>, cx: &mut Context<'_>) -> Poll<End> {
        self.now = None;
        // Others may have appended since.
        let mut behind = connection.is_behind();
        loop {
            if self.login.is_under_way() {
                match self.login.poll(connection, cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(end)) => return Poll::Ready(end),
                    // What has come behind the HELLO waits.
                    Poll::Ready(Ok(())) => {
                        if let Err(end) = self.enter(connection) {
                            return Poll::Ready(end);
                        }
                        self.paused = true;
                        self.handshake = None;
                    }
                }
            }
            if let Some(trial) = &mut self.trial {
                ready!(trial.poll(cx));
                self.trial = None;
                // What has come behind the call.
                self.paused = true;
            }
            if behind {
                self.pause(connection);
                return Poll::Pending;
            }
            if std::mem::take(&mut self.paused) {
                // What had come before the pause.
                match self.handle(connection, cx) {
                    Ok(after) => behind = after,
                    Err(end) => return Poll::Ready(end),
                }
                continue;
            }
            self.make_room(connection);
            let read = match self.link.poll_read(cx, &mut self.buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(read) => read,
            };
            match read {
                Ok(0) => return Poll::Ready(End::PeerClosed),
                Ok(_) => {}
                Err(error) => return Poll::Ready(end_of(error)),
            }
            match self.handle(connection, cx) {
                Ok(after) => behind = after,
                Err(end) => return Poll::Ready(end),
            }
        }
    }

    /// Stops reading until the peer has taken more of what was written.
    fn pause(&mut self, connection: &Connection) {
        if !std::mem::replace(&mut self.paused, true) {
            connection.counters.unsent.add();
        }
    }

    /// Reads nothing more until a call of a new kind has begun. What was answered before it is written.
    fn wait_for(&mut self, trial: Trial, now: Instant) -> bool {
        self.trial = Some(trial);
        self.now = Some(now);
        true
    }

    /// Handles the frames that have come, and writes the answers. Tells whether so much waits to
    /// be written after it that nothing more should be read.
    fn handle(&mut self, connection: &Arc<Connection>, cx: &mut Context<'_>) -> Result<bool, End> {
        let unsent = self.handle_frames(connection)?;
        if !self.is_greeted && connection.is_greeted() {
            self.is_greeted = true;
            connection.tell_connected();
        }
        if self.effects.take_sent_away() {
            connection.tell_draining();
        }
        if !unsent {
            return Ok(false);
        }
        if self.trial.is_none() && connection.lock().session.has_only_to_tell() {
            // Those who were just answered go first, and take it along.
            self.paused = true;
            return Ok(true);
        }
        if let Poll::Ready(Err(end)) = connection.poll_write(cx) {
            return Err(end);
        }
        Ok(connection.is_behind())
    }

    /// Handles frames, one after the other. The answer to a call that has ended at once is
    /// appended where the next frame is taken in, so that a call locks the connection once.
    ///
    /// Tells whether anything waits to be written after it.
    ///
    /// - `shared`: the bytes that have come, if they are not in the buffer.
    fn handle_whole_frames(
        &mut self,
        connection: &Arc<Connection>,
        shared: Option<&Bytes>,
    ) -> Result<bool, End> {
        let mut now = clock::now();
        let mut answer: Option<Answer> = None;
        let buffered = Buffered {
            bytes: shared.map_or(&*self.buffer, |shared| shared),
            shared,
        };
        loop {
            let came = {
                let (mut state, effects) = (connection.lock(), &mut self.effects);
                let answered = answer.as_mut();
                match answered.map_or(Ok(()), |answer| state.answer(answer, now, effects)) {
                    Ok(()) => {
                        let start = &mut self.start;
                        let awaited = self.login.is_expected();
                        let limits = &connection.limits;
                        state.take_in(buffered, start, limits, now, effects, awaited)
                    }
                    Err(end) => Err(end),
                }
            };
            drop(answer.take());
            if self.start > 0 && matches!(self.login, Login::Done) {
                self.handshake = None;
            }
            let (request, begin) = match came {
                Ok(Came::Request(request, begin)) => (request, begin),
                Ok(Came::Whole) => {
                    answer = connection.serve_whole(&mut self.effects, &mut now)?;
                    continue;
                }
                Ok(Came::Enough) => continue,
                Ok(Came::Hello) => {
                    self.login = connection.log_in();
                    self.now = Some(now);
                    return Ok(false);
                }
                Ok(Came::Nothing { unsent }) => {
                    self.now = Some(now);
                    return Ok(unsent);
                }
                Ok(Came::Untried(trial)) => return Ok(self.wait_for(trial, now)),
                Ok(Came::TooMuch) => {
                    self.pause(connection);
                    return Ok(true);
                }
                Err(end) => return Err(connection.counted(end)),
            };
            apply_all(&mut self.effects);
            let whole = buffered.whole(begin..self.start);
            answer = connection.serve(request, whole.as_ref(), &mut now);
        }
    }

    /// Lets in a peer that has logged in: to this session, or to the one that it had before.
    fn enter(&mut self, connection: &Arc<Connection>) -> Result<(), End> {
        match connection.find_wanted() {
            None | Some((Found::Nothing, _)) => {
                connection.remember_session();
                connection.tell_connected();
                Ok(())
            }
            Some((Found::Denied, _)) => Err(End::Unauthenticated),
            Some((Found::Session(session), wanted)) => {
                if self.start < self.buffer.len() {
                    return Err(Violation::FramesBehindPlea.into());
                }
                self.wanted = Some((session, wanted));
                Err(End::Resumed)
            }
        }
    }

    /// Handles the frames that have come, or some of them if the answers pile up. Tells whether
    /// anything waits to be written after it.
    fn handle_frames(&mut self, connection: &Arc<Connection>) -> Result<bool, End> {
        let shared = self
            .is_large(connection)
            .then(|| Bytes::from(std::mem::take(&mut self.buffer)));
        let handled = self.handle_whole_frames(connection, shared.as_ref());
        if let Some(shared) = shared {
            let left = shared.get(self.start..).unwrap_or_default();
            self.buffer = left.to_vec();
            self.start = 0;
        }
        // Callers are woken together: the first one to run finds the others' answers there too,
        // and those who take bytes find that nobody else has them.
        apply_all(&mut self.effects);
        let unsent = handled?;
        self.tidy();
        Ok(unsent)
    }

    /// Whether the next frame is whole, large, and most of what the buffer can hold: then it is
    /// shared rather than copied, and nothing much is kept beside it.
    fn is_large(&self, connection: &Connection) -> bool {
        let unread = self.buffer.get(self.start..).unwrap_or_default();
        if unread.len() < LARGE {
            return false;
        }
        let split = split_frame(unread, longest_body(&connection.limits));
        let Ok(Some((frame, length))) = split else {
            return false;
        };
        let alone = frame.kind != kind::CONT && !frame.flags.contains(Flags::MORE);
        alone && length >= LARGE.max(self.buffer.capacity() / 2)
    }

    /// Makes room for the rest of a large frame, so that it is read where it will stay. The room
    /// is at most three times as much as has come already.
    fn make_room(&mut self, connection: &Connection) {
        let unread = self.buffer.get(self.start..).unwrap_or_default();
        if unread.len() < LARGE {
            return;
        }
        if let Ok(rest) = missing(unread, longest_body(&connection.limits)) {
            self.buffer
                .reserve_exact(rest.min(unread.len().saturating_mul(3)));
        }
    }

    /// Forgets the frames that were handled. What is left moves only if it is less than they were.
    fn tidy(&mut self) {
        let left = self.buffer.len().saturating_sub(self.start);
        if self.start >= left {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        if left == 0 && self.buffer.capacity() > KEEP {
            self.buffer = Vec::new();
        }
    }
}

/// What an error of the link means for the session.
fn end_of(error: LinkError) -> End {
    match error {
        LinkError::Io(error) => End::Lost(error.to_string()),
        version @ LinkError::Version(_) => End::VersionMismatch(version.to_string()),
        LinkError::NotOurProtocol(what) => End::NotOurProtocol(what),
        LinkError::Refused { kind, what } => End::Refused { kind, what },
    }
}
