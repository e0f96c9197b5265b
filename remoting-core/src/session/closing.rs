//! How a session comes to its end, in peace or not.

use std::cell::LazyCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cancellation::{CancelReason, Cancellation};
use super::end::{End, LastWords, PeerText};
use super::parts::Parts;
use super::{Effects, Exported, Session};
use crate::error::{Error, ErrorKind, Executed, Fault};
use crate::wire::{Abort, ContOf, GoAway, Violation, write_abort, write_go_away};

/// Who has sent GOAWAY.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Parting {
    pub(super) here: bool,
    pub(super) there: bool,
}

impl<T: Exported> Session<T> {
    /// Tells the peer that no further requests are taken. Those that it has sent
    /// since are neither counted nor answered; those before are.
    ///
    /// - `drain`: how long what runs may still take.
    pub fn go_away(&mut self, drain: Duration, reason: &str) {
        if self.closed || self.parting.here {
            return;
        }
        self.parting.here = true;
        let accepted = self.incoming.sequence();
        let drain_ms = u64::try_from(drain.as_millis()).unwrap_or(u64::MAX);
        write_go_away(
            self.output.buffer(),
            &GoAway {
                accepted,
                drain_ms,
                reason,
            },
        );
    }

    /// Whether the peer was told to go away, nothing of it runs any more, no call of this
    /// side waits for its answer, and no stream is under way.
    pub fn is_drained(&self) -> bool {
        self.parting.here
            && self.incoming.running() == 0
            && !self.outgoing.is_any_awaited()
            && self.outflows.len() == 0
            && self.inflows.len() == 0
    }

    /// Whether the peer has said, before the end or with it, that it takes no more calls.
    pub fn is_sent_away(&self) -> bool {
        self.parting.there
    }

    /// Gives the requests of the peer that run here, which are to be told that the host stops: those that have not begun, and
    /// those that may be cut, are answered soon. Those that are not whole, or wait for other answers, are answered now.
    pub fn stop_requests(
        &mut self,
        now: Instant,
        effects: &mut Effects<T>,
    ) -> Vec<Arc<Cancellation>> {
        let reason = CancelReason::HostStopped;
        let mut stopped = Vec::new();
        self.incoming.stop(reason, &mut stopped);
        let fault = Fault::Error(reason.error(false));
        for waiting in self.chained.take_waiting() {
            self.end_waiting(waiting, &fault, now, effects);
        }
        for call in self.assembly.numbers(|_| true) {
            self.refuse_partial(call, &fault, now, effects);
        }
        stopped.into_iter().map(|(call, _)| call).collect()
    }

    /// Says that so many bytes more of what was taken out of the output may be written, nobody knows how many:
    /// a `close` that follows claims for no call in them that it was never written.
    pub fn assume_written(&mut self, bytes: usize) {
        self.output.on_written(bytes);
    }

    /// Takes no more calls of this side, since the session is about to end: who comes before that is told that nothing was
    /// executed. A session that may go on over another link takes them.
    pub fn take_no_more(&mut self, end: &End) {
        if !end.is_of_link() {
            self.refusal = Some(end.error(Executed::No));
        }
    }

    /// Ends the session: fails the calls of this side, stops those of the peer, gives
    /// up everything that either holds.
    ///
    /// If the end is [graceful](End::is_graceful), what is in the output stays there,
    /// with an ABORT behind it, and is to be written. Otherwise the output is empty, or
    /// an ABORT if this side is the one to complain. Where it is empty the driver
    /// writes nothing more, not even the rest of what it took: of calls that the kernel
    /// has not taken the callers are told that nothing was executed.
    ///
    /// Does nothing the second time.
    pub fn close(&mut self, end: &End, effects: &mut Effects<T>) {
        if self.closed {
            return;
        }
        let sent = self.say_farewell(end);
        self.closed = true;
        let no = end.error(Executed::No);
        self.refusal = Some(no.clone());
        // A peer that gives up, or is none, without a HELLO has looked at nothing.
        let unseen = self.peer.is_none()
            && matches!(
                end,
                End::Aborted { .. }
                    | End::NotOurProtocol(_)
                    | End::Refused { .. }
                    | End::VersionMismatch(_)
            );
        let unknown = LazyCell::new(|| end.error(Executed::Unknown));
        let error = |frame_end| {
            if unseen || frame_end > sent {
                no.clone()
            } else {
                unknown.clone()
            }
        };
        self.outgoing.lose(error, &mut effects.wakers);
        self.outflows.clear(&mut effects.wakers);
        effects.wakers.append(&mut self.choked);
        let cut = || Fault::Error(end.error(Executed::Yes));
        self.inflows.close(cut, &mut effects.wakers);
        self.admission.clear(&mut effects.wakers);
        self.parts = Parts::default();
        self.clear_assembly(effects);
        self.incoming.clear(&mut effects.rare().cancelled);
        for waiting in self.chained.clear() {
            self.drop_aim(waiting.aim, effects);
        }
        let answers = std::mem::take(&mut self.answers);
        effects.rare().dropped.extend(answers.into_values());
        effects.rare().dropped.extend(self.exports.drain());
        self.imports.clear();
        effects.wakers.append(&mut self.curious);
    }

    pub(super) fn on_go_away(
        &mut self,
        go_away: &GoAway<'_>,
        effects: &mut Effects<T>,
    ) -> Result<(), Violation> {
        if go_away.accepted > self.outgoing.sequence() {
            return Err(Violation::AcceptedTooMuch);
        }
        if !self.is_draining() {
            effects.rare().sent_away = true;
        }
        self.parting.there = true;
        let text = match go_away.reason {
            "" => "the peer takes no more calls".to_owned(),
            reason => format!("the peer takes no more calls: {}", PeerText(reason)),
        };
        let error = Error::new(ErrorKind::Disconnected, text);
        self.outgoing
            .refuse_after(go_away.accepted, &error, &mut effects.wakers);
        let outgoing = &self.outgoing;
        self.parts.retain(|of| match of {
            ContOf::Call(call) => outgoing.expects(call).is_ok(),
            ContOf::Return(_) | ContOf::Item(_) => true,
        });
        self.admission.clear(&mut effects.wakers);
        self.refusal.get_or_insert(error);
        Ok(())
    }

    /// Leaves in the output what is still to be said. Gives the position up to which
    /// the peer may come to see what was written.
    fn say_farewell(&mut self, end: &End) -> u64 {
        let words = match self.is_detached() {
            // Nobody is there to hear them.
            true => LastWords::None,
            false => end.last_words(),
        };
        let code = match words {
            LastWords::All(code) => {
                // The callers of what comes too late are to know that it was not taken.
                self.go_away(Duration::ZERO, "");
                self.flush_releases(&[]);
                Some((code, self.output.end()))
            }
            LastWords::AbortOnly(code) => {
                self.output.clear();
                Some((code, self.output.end()))
            }
            LastWords::None => {
                self.output.clear();
                None
            }
        };
        let Some((code, sent)) = code else {
            return self.output.written();
        };
        write_abort(
            self.output.buffer(),
            &Abort {
                code,
                text: &end.farewell(),
            },
        );
        sent
    }
}
