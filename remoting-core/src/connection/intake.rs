//! Taking in the frames that have come, some at a time, until one asks for something.

use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;

use super::{Export, State};
use crate::limits::Limits;
use crate::object::Trial;
use crate::payload::LARGE;
use crate::session::{Effects, End, Request, longest_body};
use crate::wire::frame::split_frame;

/// The bytes that have come, with frames that are taken in and others that are not.
#[derive(Clone, Copy)]
pub(super) struct Buffered<'b> {
    pub(super) bytes: &'b [u8],
    /// The same, if it can be shared.
    pub(super) shared: Option<&'b Bytes>,
}

impl Buffered<'_> {
    /// The bytes of a frame on their own, if they are most of the buffer and can be shared.
    pub(super) fn whole(&self, frame: Range<usize>) -> Option<Bytes> {
        let shared = self.shared?;
        let large = frame.len() >= LARGE.max(shared.len() / 2);
        large.then(|| shared.slice(frame))
    }
}

/// How many frames are taken in before others get at the connection.
const AT_ONCE: usize = 8;

/// How far the frames that have come were taken in.
pub(super) enum Came<'b> {
    /// To this request, whose frame begins there.
    Request(Request<'b, Export>, usize),
    /// To the last frame of a long request.
    Whole,
    /// To the end of those that are whole. `unsent` tells whether anything waits to be written.
    Nothing { unsent: bool },
    /// To the HELLO that was awaited.
    Hello,
    /// As far as may be at once.
    Enough,
    /// To a call that others are to wait for.
    Untried(Trial),
    /// Until too much waits to be written.
    TooMuch,
}

impl State {
    /// Takes in frames until one asks for something.
    ///
    /// - `start`: where the next frame begins.
    /// - `awaits_hello`: whether to stop behind the first frame, which is a HELLO.
    pub(super) fn take_in<'b>(
        &mut self,
        buffered: Buffered<'b>,
        start: &mut usize,
        limits: &Limits,
        now: Instant,
        effects: &mut Effects<Export>,
        awaits_hello: bool,
    ) -> Result<Came<'b>, End> {
        if let Some(trial) = self.trial.take() {
            return Ok(Came::Untried(trial));
        }
        let longest = longest_body(limits);
        for _ in 0..AT_ONCE {
            let unread = buffered.bytes.get(*start..).unwrap_or_default();
            let is_behind = self.session.is_behind();
            if !is_behind {
                let items = self.session.on_items(unread, now, effects);
                let items = items.map_err(End::Violation)?;
                if items > 0 {
                    *start = start.saturating_add(items);
                    return Ok(Came::Enough);
                }
            }
            let split = split_frame(unread, longest).map_err(End::Violation)?;
            let Some((frame, length)) = split else {
                // Half a HELLO is not answered: the rest may name another session.
                let anything = self.session.unsent() > 0 || self.session.has_only_to_tell();
                let unsent = anything && !awaits_hello;
                return Ok(Came::Nothing { unsent });
            };
            if is_behind {
                return Ok(Came::TooMuch);
            }
            let begin = *start;
            *start = start.saturating_add(length);
            let request = match buffered.whole(begin..*start) {
                None => self.session.handle_frame(frame, now, effects)?,
                Some(whole) => {
                    let frame = (frame, &whole);
                    self.session.handle_shared_frame(frame, now, effects)?
                }
            };
            if let Some(request) = request {
                return Ok(Came::Request(request, begin));
            }
            if awaits_hello {
                return Ok(Came::Hello);
            }
            if effects.has_assembled() {
                return Ok(Came::Whole);
            }
        }
        Ok(Came::Enough)
    }
}
