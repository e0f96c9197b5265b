//! Whether there is a place for one more request of this side: by the peer's
//! limits, by ours, and by how much waits to be written.

use std::task::Waker;
use std::time::Instant;

use super::continuing::longest_message;
use super::outgoing::UNFINISHED;
use super::{EARLY_BYTES, EARLY_CALLS, Effects, Exported, Outgoing, Session};
use crate::error::{Error, ErrorKind};
use crate::id::CallId;
use crate::payload::Content;
use crate::wire::{ContOf, HEAD_LENGTH, MAX_KEY, Target, TooLong};

/// A side that has dialled stops reading when so many times as much waits to be written as at the other side: more than
/// its own calls can be. Only many answers are more.
const READS_ON: usize = 8;
/// How many times [`unsent`](crate::limits::Limits::unsent) may wait or be kept beyond that: answers of calls that run
/// when reading stops, and what the peer has not confirmed.
const BEYOND: usize = 3;

/// Why a frame was not written.
pub(super) enum Unwritten {
    /// It does not fit now.
    Full,
    /// It does not fit at all.
    TooLarge,
}

impl<T: Exported> Session<T> {
    /// Whether the peer reads this codec. Until its HELLO has come it is asked to.
    pub fn reads(&self, codec: u8) -> bool {
        self.peer
            .as_ref()
            .is_none_or(|peer| peer.codecs.contains(&codec))
    }

    /// Whether the peer keeps the answers of calls, as far as it has told.
    pub fn peer_keeps(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.keeps)
    }

    /// Whether so much waits to be written that nothing more should be read.
    ///
    /// Two sides that send each other much would both wait for the other to read. So whoever has dialled reads on for
    /// longer, rule S38, and does not count what is left of long messages: other limits bound that.
    pub fn is_behind(&self) -> bool {
        self.waiting() > self.most_waiting()
    }

    /// How many bytes are held while there is no connection: what the peer may not have, what waits behind it, and
    /// what has come of messages that are not whole.
    pub fn held(&self) -> usize {
        let parts = self.parts.bytes().saturating_add(self.assembly.bytes());
        let new = self.output.new_len().saturating_add(parts);
        self.resume.kept.len().saturating_add(new)
    }

    /// Whether more waits to be written than a session may have that has no connection.
    pub fn holds_too_much(&self) -> bool {
        self.waiting() > self.most_held()
    }

    /// How much may be kept until the peer has confirmed it.
    pub(super) fn most_held(&self) -> usize {
        let beyond = self.config.limits.unsent.saturating_mul(BEYOND);
        self.most_waiting().saturating_add(beyond)
    }

    fn waiting(&self) -> usize {
        let bytes = match self.config.dialled {
            true => self.output.unsent(),
            false => self.unsent(),
        };
        bytes.saturating_add(self.imports.due_bytes())
    }

    fn most_waiting(&self) -> usize {
        let unsent = self.config.limits.unsent;
        match self.config.dialled {
            true => unsent.max(self.max_body()).saturating_mul(READS_ON),
            false => unsent,
        }
    }

    /// Those who wait for a place, to be woken when the connection is lost: some do not wait for another one.
    pub fn queued(&self) -> Vec<Waker> {
        self.admission.wakers().collect()
    }

    /// Gives free places to those who wait, in their order.
    pub(super) fn admit(&mut self, effects: &mut Effects<T>) {
        while self.admission.has_any() && self.may_grant() {
            let fits = self.room();
            let Some(granted) = self.admission.grant(fits) else {
                break;
            };
            effects.wakers.push(granted);
        }
    }

    /// Tells whether a message that is longer than a frame may be begun, by how long it is: beside others, if all together
    /// are no more than may wait.
    fn room(&self) -> impl Fn(usize) -> bool + use<T> {
        let coming = self.admission.coming();
        let (taken, most) = (
            self.parts.bytes().saturating_add(coming),
            self.config.limits.unsent,
        );
        move |room| taken == 0 || taken.saturating_add(room) <= most
    }

    /// Refuses what can never be sent.
    pub(super) fn check(&self, payload: Content<'_>) -> Result<(), Error> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        // What cannot fit is not copied first.
        if payload.len() > self.longest_call() {
            return Err(self.too_large());
        }
        Ok(())
    }

    /// The longest call: what the peer takes, once that is known, and no more than this side allows.
    fn longest_call(&self) -> usize {
        let own = longest_message(&self.config.limits);
        let theirs = self.peer.as_ref().map(|peer| peer.max_message);
        theirs.map_or(own, |theirs| theirs.min(own))
    }

    /// Refuses what the peer would take for a breach, or for something else.
    pub(super) fn check_names(&self, outgoing: Outgoing<'_>) -> Result<(), &'static str> {
        match outgoing {
            Outgoing::Call {
                target: Target::Answer(answer),
                ..
            } if !self.outgoing.is_kept(answer) => Err("the answer is not kept any more"),
            Outgoing::Resolve { key, .. } if key.len() > MAX_KEY => {
                Err("the object's name is too long")
            }
            Outgoing::Call { .. } | Outgoing::Resolve { .. } => Ok(()),
        }
    }

    /// Whether a caller that has not waited may send now.
    ///
    /// - `payload`: how many bytes of a payload.
    pub(super) fn has_place(&mut self, payload: usize) -> bool {
        // Whoever waits for room comes first, and who was granted some has it.
        let is_long = payload > self.max_body();
        if is_long && (self.admission.has_long() || !self.room()(payload)) {
            self.config.counters.unsent.add();
            self.admission.lack(payload);
            return false;
        }
        let counters = &self.config.counters;
        let spoken_for = self.outgoing.len().saturating_add(self.admission.granted());
        let waits = self.admission.has_any() && self.admission.has_queued(self.room());
        if waits || spoken_for >= self.places() {
            counters.calls_per_session.add();
            return false;
        }
        if self.output.unsent() >= self.config.limits.unsent {
            counters.unsent.add();
            return false;
        }
        true
    }

    /// Whether the first in the queue may have a place.
    ///
    /// Each place that was granted and not used yet may fill a whole frame.
    /// Before HELLO nobody knows what a place holds, so nobody gets one that had none.
    fn may_grant(&self) -> bool {
        let granted = self.admission.granted();
        let coming = granted.saturating_mul(self.max_body());
        let unsent = self.output.unsent();
        self.peer.is_some()
            && self.outgoing.len().saturating_add(granted) < self.places()
            && unsent < self.config.limits.unsent
            && (granted == 0 || unsent.saturating_add(coming) < self.config.limits.unsent)
    }

    /// How many calls may be open.
    fn places(&self) -> usize {
        let most = match &self.peer {
            Some(peer) => peer.max_calls,
            // Posts count too: nothing else bounds them so early.
            None if self.outgoing.sequence() >= EARLY_CALLS as u64 => 0,
            None => EARLY_CALLS,
        };
        most.min(self.config.limits.calls_per_session)
    }

    /// Appends a frame of at most the peer's length, or nothing. Gives the position behind the
    /// message, or [`UNFINISHED`] if more of it follows in CONTs.
    ///
    /// - `call`: the call that the message makes; what makes none is one frame.
    /// - `write`: appends the frame with the payload that it is given.
    pub(super) fn write(
        &mut self,
        now: Instant,
        call: Option<CallId>,
        payload: Content<'_>,
        write: impl Fn(&mut Vec<u8>, &[u8]) -> Result<(), TooLong>,
    ) -> Result<u64, Unwritten> {
        let begin = self.output.mark();
        if self.write_frame(begin, payload, &write).is_ok() {
            let early = self.peer.is_none() && self.output.end() > EARLY_BYTES as u64;
            if !early {
                self.liveness.on_append(now);
                return Ok(self.output.end());
            }
            self.output.buffer().truncate(begin);
        }
        if self.peer.is_none() {
            return Err(Unwritten::Full);
        }
        let (most, under_way) = (self.longest_call(), self.parts.bytes());
        let Some(call) = call else {
            return Err(Unwritten::TooLarge);
        };
        let together = under_way.saturating_add(payload.len());
        if under_way > 0 && together > self.config.limits.unsent {
            self.config.counters.unsent.add();
            self.admission.lack(payload.len().max(1));
            return Err(Unwritten::Full);
        }
        write(self.output.buffer(), &[])
            .and_then(|()| self.write_long(begin, ContOf::Call(call), payload, most))
            .map_err(|TooLong| Unwritten::TooLarge)?;
        self.liveness.on_append(now);
        Ok(UNFINISHED)
    }

    /// Appends a frame of at most the peer's length, or nothing.
    fn write_frame(
        &mut self,
        begin: usize,
        payload: Content<'_>,
        write: impl Fn(&mut Vec<u8>, &[u8]) -> Result<(), TooLong>,
    ) -> Result<(), TooLong> {
        let longest = self.max_body();
        // What cannot fit is not copied first.
        if payload.len() > longest {
            return Err(TooLong);
        }
        if payload.tail.is_some() && self.peer.is_some() {
            write(self.output.buffer(), &[])?;
            return self.write_large(begin, payload, longest);
        }
        let joined;
        let bytes = match payload.tail {
            None => payload.head,
            Some(tail) => {
                joined = [payload.head, tail].concat();
                &joined
            }
        };
        write(self.output.buffer(), bytes)?;
        if self.output.mark().saturating_sub(begin) > longest.saturating_add(HEAD_LENGTH) {
            self.output.buffer().truncate(begin);
            return Err(TooLong);
        }
        Ok(())
    }

    pub(super) fn too_large(&self) -> Error {
        self.config.counters.max_message.add();
        let own = longest_message(&self.config.limits);
        let text = match &self.peer {
            Some(peer) if peer.max_message <= own => {
                let most = peer.max_message;
                format!("the call is larger than the {most} bytes that the peer takes")
            }
            _ => format!("the call is larger than the {own} bytes that `max_message` allows here"),
        };
        Error::new(ErrorKind::TooLarge, text)
    }
}
