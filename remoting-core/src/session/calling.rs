//! What this side's callers do: start calls, take answers, give up, wait for a
//! place, hold and release the peer's objects.

use std::task::{Poll, Waker};
use std::time::Instant;

use super::outgoing::{Abandoned, Answer, Arrival, Kind};
use super::places::Unwritten;
use super::{Effects, Exported, Lent, Outgoing, Reply, Session, Start, WaiterId};
use crate::error::{Error, ErrorKind, Executed, Fault};
use crate::id::{CallId, Slot};
use crate::payload::Payload;
use crate::wire::{
    ErrorReply, HeaderBlock, ReferenceTable, ResolveAnswer, ResolveRequest, Return, TooLong,
    Violation, WireFault, write_call, write_cancel, write_kept_call, write_resolve,
};

impl<T: Exported> Session<T> {
    /// Sends a request whose answer `poll_reply` gives.
    ///
    /// A caller that has waited for a place does this in the critical section in
    /// which `poll_wait` was ready, so that nobody takes its place.
    ///
    /// - `lent`: the objects that the payload refers to, exported if it is sent.
    /// - `deadline`: when its answer becomes an error, and the peer is told to stop.
    pub fn start(
        &mut self,
        outgoing: Outgoing<'_>,
        lent: &[Lent<T>],
        waker: &Waker,
        deadline: Instant,
        now: Instant,
        effects: &mut Effects<T>,
    ) -> Start {
        let passed = self.admission.use_pass();
        let started = match self.check_start(outgoing, passed) {
            Ok(()) => self.send(outgoing, lent, (waker, deadline), now, effects),
            Err(refused) => refused,
        };
        if passed && !matches!(started, Start::Sent(_)) {
            self.admit(effects);
        }
        started
    }

    /// Puts a caller that found no place at the end of the queue.
    pub fn wait(&mut self, waker: &Waker, deadline: Instant) -> WaiterId {
        self.admission.wait(waker, deadline)
    }

    /// Is ready when there is a place. The caller then calls `start` or `post` before
    /// it lets go of the session, or `leave`.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::DeadlineExceeded`]: the deadline has passed.
    /// - [`ErrorKind::Disconnected`]: the peer takes no more calls.
    pub fn poll_wait(
        &mut self,
        id: WaiterId,
        waker: &Waker,
        now: Instant,
    ) -> Poll<Result<(), Error>> {
        match &self.refusal {
            Some(refusal) => Poll::Ready(Err(refusal.clone())),
            None => self.admission.poll(id, waker, now),
        }
    }

    /// Takes a caller out of the queue. A place that it had is passed on.
    pub fn leave(&mut self, id: WaiterId, effects: &mut Effects<T>) {
        self.admission.leave(id);
        self.admit(effects);
    }

    /// Is ready, once, when the answer to `call` has come.
    ///
    /// The answer to a RESOLVE is forgotten at the peer by this: whoever has called on
    /// the answer until now has to know the slot before the session is let go of. One that was asked to be kept
    /// is forgotten by [`abandon`](Session::abandon), also if it is an error.
    pub fn poll_reply(
        &mut self,
        call: CallId,
        waker: &Waker,
        effects: &mut Effects<T>,
    ) -> Poll<Result<Reply, Fault>> {
        let Poll::Ready(taken) = self.outgoing.poll(call, waker) else {
            return Poll::Pending;
        };
        if taken.free {
            self.on_free(call, taken.is_kept, effects);
        }
        Poll::Ready(taken.answer)
    }

    /// Whether calls may go to the answer of a request: the peer was asked to keep it, and does.
    pub fn is_kept(&self, call: CallId) -> bool {
        self.outgoing.is_kept(call)
    }

    /// Gives a call up: the peer is told, and its answer thrown away when it comes. One that the peer keeps is
    /// forgotten.
    pub fn abandon(&mut self, call: CallId, now: Instant, effects: &mut Effects<T>) {
        match self.outgoing.abandon(call) {
            Abandoned::Cancel => self.give_up(call, now, effects),
            Abandoned::Unwanted { answer, is_kept } => {
                self.discard_answer(answer, effects);
                self.on_free(call, is_kept, effects);
            }
            Abandoned::Forget => self.on_free(call, true, effects),
            Abandoned::Nothing => {}
        }
    }

    /// Counts one more user of an object of the peer's.
    pub fn retain(&mut self, slot: Slot) {
        self.imports.retain(slot);
    }

    /// Counts `count` users less. After the last one the peer is told, in one frame
    /// with others when the output is next taken.
    pub fn release(&mut self, slot: Slot, count: u32) {
        self.imports.release(slot, count);
    }

    pub(super) fn on_return(
        &mut self,
        message: &Return<'_>,
        effects: &mut Effects<T>,
    ) -> Result<(), Violation> {
        let kind = self.outgoing.expects(message.call)?;
        let resolve = kind.is_resolve();
        let header = &message.header;
        let unknown = header.unknown_critical.is_some();
        let text = "the result was sent in a way that is not supported here";
        if message.more && !resolve {
            self.begin_answer(message, effects)?;
            if unknown {
                let fault = Fault::executed(ErrorKind::Unsupported, text);
                self.keep_no_answer(message.call, fault, effects);
            }
            return Ok(());
        }
        let answer = if message.more || unknown {
            self.decline(header.references)?;
            Err(Fault::executed(ErrorKind::Unsupported, text))
        } else if resolve {
            let answer = ResolveAnswer::parse(message.payload)?;
            self.decline(header.references)?;
            self.imports.add(answer.slot);
            let slot = Some((answer.slot, answer.signature));
            let mut payload = Payload::new();
            payload.set_headers(header.user_pairs());
            Ok(Reply { payload, slot })
        } else {
            Ok(Reply {
                payload: self.keep_result(message)?,
                slot: None,
            })
        };
        self.on_answer(message.call, answer, effects)
    }

    pub(super) fn on_error(
        &mut self,
        message: &ErrorReply<'_>,
        effects: &mut Effects<T>,
    ) -> Result<(), Violation> {
        self.outgoing.expects(message.call)?;
        let mut fault = self.fault_of(&message.fault, message.header.references)?;
        if !message.header.user.is_empty() {
            fault = fault.with_headers(message.header.user_pairs());
        }
        if let Some(Ok(mut begun)) = self.assembly.take_answer(message.call) {
            self.discard(&mut begun, effects);
        }
        self.on_answer(message.call, Err(fault), effects)
    }

    /// What went wrong at the peer, with the objects that came along.
    pub(super) fn fault_of(
        &mut self,
        fault: &WireFault<'_>,
        table: ReferenceTable<'_>,
    ) -> Result<Fault, Violation> {
        let executed = match fault.executed {
            0 => Executed::No,
            1 => Executed::Yes,
            _ => Executed::Unknown,
        };
        let mut fault = Fault::from_wire(
            fault.code,
            executed,
            fault.retry_after_ms,
            fault.text,
            fault.payload,
        );
        match &mut fault {
            Fault::App(payload) if !table.is_empty() => payload.attach(self.receive(table)?),
            Fault::App(_) | Fault::Error(_) => self.decline(table)?,
        }
        Ok(fault)
    }

    pub(super) fn expire_outgoing(&mut self, now: Instant, effects: &mut Effects<T>) {
        for call in self.outgoing.expire(now, &mut effects.wakers) {
            self.config.counters.default_deadline.add();
            self.give_up(call, now, effects);
        }
    }

    /// Sends no more of a call, keeps no answer to it, and tells the peer.
    fn give_up(&mut self, call: CallId, now: Instant, effects: &mut Effects<T>) {
        self.stop_sending(call);
        self.keep_no_answer(call, Fault::of(ErrorKind::Cancelled), effects);
        self.send_cancel(call, now);
    }

    pub(super) fn on_answer(
        &mut self,
        call: CallId,
        answer: Answer,
        effects: &mut Effects<T>,
    ) -> Result<(), Violation> {
        // A call may be refused before all of it was sent.
        self.stop_sending(call);
        let is_kept = self.outgoing.is_kept(call);
        match self.outgoing.answer(call, answer)? {
            Arrival::Awaited(waker) => effects.wakers.push(waker),
            Arrival::Unwanted { answer, free } => {
                self.discard_answer(answer, effects);
                if free {
                    self.on_free(call, is_kept, effects);
                }
            }
        }
        Ok(())
    }

    /// The number `call` can be used again, when the peer was told to forget the answer that it keeps.
    fn on_free(&mut self, call: CallId, is_kept: bool, effects: &mut Effects<T>) {
        if is_kept {
            self.flush_releases(&[call]);
        }
        self.admit(effects);
    }

    /// Gives back what an answer that nobody wants holds.
    fn discard_answer(&mut self, answer: Answer, effects: &mut Effects<T>) {
        match answer {
            Ok(mut reply) => {
                if let Some((slot, _)) = reply.slot {
                    self.imports.release(slot, 1);
                }
                self.discard(&mut reply.payload, effects);
            }
            Err(Fault::App(mut payload)) => self.discard(&mut payload, effects),
            Err(Fault::Error(_)) => {}
        }
    }

    /// Tells the peer that nobody waits for `call`, unless that was told so often
    /// that it might take offence. It is advice: the call then just runs to its end.
    fn send_cancel(&mut self, call: CallId, now: Instant) {
        if !self.closed && self.rates.own_cancels.allow(now) {
            write_cancel(self.output.buffer(), call);
            self.liveness.on_append(now);
        }
    }

    /// Checks whether a request may be sent now.
    fn check_start(&mut self, outgoing: Outgoing<'_>, passed: bool) -> Result<(), Start> {
        self.check(outgoing.payload()).map_err(Start::Refused)?;
        self.check_names(outgoing)
            .map_err(|text| Start::Refused(Error::new(ErrorKind::BadArguments, text)))?;
        if outgoing.keeps() && self.peer.is_none() {
            // Its HELLO tells whether it can be asked to.
            return Err(Start::Full);
        }
        if passed || self.has_place(outgoing.payload().len()) {
            Ok(())
        } else {
            Err(Start::Full)
        }
    }

    fn send(
        &mut self,
        outgoing: Outgoing<'_>,
        lent: &[Lent<T>],
        (waker, deadline): (&Waker, Instant),
        now: Instant,
        effects: &mut Effects<T>,
    ) -> Start {
        let call = self.outgoing.vacant();
        let kind = match outgoing {
            Outgoing::Resolve { keep: true, .. } => Kind::KeptResolve,
            Outgoing::Resolve { .. } => Kind::Resolve,
            Outgoing::Call { keep: true, .. } if self.peer_keeps() => Kind::Kept,
            Outgoing::Call { .. } => Kind::Call,
        };
        let written = self.write_lending(outgoing.header(), lent, effects, |session, header| {
            session.write(now, Some(call), outgoing.payload(), |out, payload| {
                write_request(out, call, (outgoing, kind), header, payload)
            })
        });
        let end = match written {
            Ok(Ok(end)) => end,
            Ok(Err(Unwritten::Full)) => return Start::Full,
            Ok(Err(Unwritten::TooLarge)) => return Start::Refused(self.too_large()),
            Err(error) => return Start::Refused(error),
        };
        self.outgoing.insert(kind, waker, deadline, end);
        Start::Sent(call)
    }
}

#[inline]
fn write_request(
    out: &mut Vec<u8>,
    call: CallId,
    (outgoing, kind): (Outgoing<'_>, Kind),
    header: &HeaderBlock,
    payload: &[u8],
) -> Result<(), TooLong> {
    match outgoing {
        Outgoing::Call { target, method, .. } => match kind {
            Kind::Kept => write_kept_call(out, call, target, method, header, payload),
            _ => write_call(out, call, target, method, header, payload),
        },
        Outgoing::Resolve {
            what,
            interface,
            signature,
            key,
            ..
        } => {
            let request = ResolveRequest {
                what,
                interface,
                signature,
                key,
            };
            write_resolve(out, call, &request, header, payload)
        }
    }
}
