//! What this side's callers do: start calls, take answers, give up, wait for a
//! place, hold and release the peer's objects.

use std::task::{Poll, Waker};
use std::time::Instant;

use super::outgoing::{Abandoned, Answer, Arrival};
use super::places::Unwritten;
use super::{Effects, Outgoing, Reply, Session, Start, WaiterId};
use crate::error::{Error, ErrorKind, Executed, Fault};
use crate::id::{CallId, MethodId, Slot};
use crate::wire::{
    ErrorReply, HeaderBlock, ResolveAnswer, ResolveRequest, Return, Target, TooLong, Violation,
    write_call, write_cancel, write_post, write_resolve,
};

impl<T> Session<T> {
    /// Sends a request whose answer `poll_reply` gives.
    ///
    /// A caller that has waited for a place does this in the critical section in
    /// which `poll_wait` was ready, so that nobody takes its place.
    ///
    /// - `deadline`: when its answer becomes an error, and the peer is told to stop.
    pub fn start(
        &mut self,
        outgoing: Outgoing<'_>,
        waker: &Waker,
        deadline: Instant,
        now: Instant,
        effects: &mut Effects<T>,
    ) -> Start {
        let passed = self.admission.use_pass();
        let started = self.try_start(outgoing, waker, deadline, now, passed);
        if passed && !matches!(started, Start::Sent(_)) {
            self.admit(effects);
        }
        started
    }

    /// Sends a call that gets no answer; `false` if there is no place for it now.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Disconnected`]: the peer takes no more calls.
    /// - [`ErrorKind::TooLarge`]: it does not fit into one frame.
    /// - [`ErrorKind::Unsupported`]: the peer does not read its codec.
    pub fn post(
        &mut self,
        target: Target,
        method: MethodId,
        header: &HeaderBlock,
        payload: &[u8],
        now: Instant,
        effects: &mut Effects<T>,
    ) -> Result<bool, Error> {
        let passed = self.admission.use_pass();
        let sent = self.try_post(target, method, header, payload, passed, now);
        if passed {
            self.admit(effects);
        }
        sent
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
    /// the answer until now has to know the slot before the session is let go of.
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
            self.on_free(call, taken.resolve, effects);
        }
        Poll::Ready(taken.answer)
    }

    /// Gives a call up: the peer is told, and its answer thrown away when it comes.
    pub fn abandon(&mut self, call: CallId, now: Instant, effects: &mut Effects<T>) {
        match self.outgoing.abandon(call) {
            Abandoned::Cancel => self.send_cancel(call, now),
            Abandoned::Unwanted { answer, resolve } => {
                self.discard(answer);
                self.on_free(call, resolve, effects);
            }
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
        let resolve = self.outgoing.expects(message.call)?;
        let header = &message.header;
        let unknown = header.unknown_critical.is_some() || header.references.is_some();
        let answer = if message.more || unknown {
            let text = "the result was sent in a way that is not supported here";
            Err(Fault::executed(ErrorKind::Unsupported, text))
        } else if resolve {
            let answer = ResolveAnswer::parse(message.payload)?;
            self.imports.add(answer.slot);
            let slot = Some((answer.slot, answer.signature));
            Ok(Reply {
                payload: Default::default(),
                slot,
            })
        } else {
            Ok(Reply {
                payload: message.payload.into(),
                slot: None,
            })
        };
        self.on_answer(message.call, answer, resolve, effects)
    }

    pub(super) fn on_error(
        &mut self,
        message: &ErrorReply<'_>,
        effects: &mut Effects<T>,
    ) -> Result<(), Violation> {
        let resolve = self.outgoing.expects(message.call)?;
        let fault = &message.fault;
        let executed = match fault.executed {
            0 => Executed::No,
            1 => Executed::Yes,
            _ => Executed::Unknown,
        };
        let fault = Fault::from_wire(
            fault.code,
            executed,
            fault.retry_after_ms,
            fault.text,
            fault.payload,
        );
        self.on_answer(message.call, Err(fault), resolve, effects)
    }

    pub(super) fn expire_outgoing(&mut self, now: Instant, effects: &mut Effects<T>) {
        for call in self.outgoing.expire(now, &mut effects.wakers) {
            self.config.counters.default_deadline.add();
            self.send_cancel(call, now);
        }
    }

    fn on_answer(
        &mut self,
        call: CallId,
        answer: Answer,
        resolve: bool,
        effects: &mut Effects<T>,
    ) -> Result<(), Violation> {
        match self.outgoing.answer(call, answer)? {
            Arrival::Awaited(waker) => effects.wakers.push(waker),
            Arrival::Unwanted { answer, free } => {
                self.discard(answer);
                if free {
                    self.on_free(call, resolve, effects);
                }
            }
        }
        Ok(())
    }

    /// The number `call` can be used again.
    fn on_free(&mut self, call: CallId, resolve: bool, effects: &mut Effects<T>) {
        if resolve {
            self.flush_releases(&[call]);
        }
        self.admit(effects);
    }

    /// Gives back what an answer that nobody wants holds.
    fn discard(&mut self, answer: Answer) {
        if let Ok(Reply {
            slot: Some((slot, _)),
            ..
        }) = answer
        {
            self.imports.release(slot, 1);
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

    fn try_start(
        &mut self,
        outgoing: Outgoing<'_>,
        waker: &Waker,
        deadline: Instant,
        now: Instant,
        passed: bool,
    ) -> Start {
        let (resolve, payload) = match outgoing {
            Outgoing::Call { payload, .. } => (false, payload),
            Outgoing::Resolve { payload, .. } => (true, payload),
        };
        if let Err(error) = self.check(payload) {
            return Start::Refused(error);
        }
        if let Err(text) = self.check_names(outgoing) {
            return Start::Refused(Error::new(ErrorKind::BadArguments, text));
        }
        if !passed && !self.has_place() {
            return Start::Full;
        }
        let call = self.outgoing.vacant();
        match self.write(now, payload, |out| write_request(out, call, outgoing)) {
            Ok(()) => {}
            Err(Unwritten::Full) => return Start::Full,
            Err(Unwritten::TooLarge) => return Start::Refused(self.too_large()),
        }
        self.outgoing
            .insert(resolve, waker, deadline, self.output.end());
        Start::Sent(call)
    }

    fn try_post(
        &mut self,
        target: Target,
        method: MethodId,
        header: &HeaderBlock,
        payload: &[u8],
        passed: bool,
        now: Instant,
    ) -> Result<bool, Error> {
        self.check(payload)?;
        if !passed && !self.has_place() {
            return Ok(false);
        }
        match self.write(now, payload, |out| {
            write_post(out, target, method, header, payload)
        }) {
            Ok(()) => {}
            Err(Unwritten::Full) => return Ok(false),
            Err(Unwritten::TooLarge) => return Err(self.too_large()),
        }
        self.outgoing.count_post();
        Ok(true)
    }
}

fn write_request(out: &mut Vec<u8>, call: CallId, outgoing: Outgoing<'_>) -> Result<(), TooLong> {
    match outgoing {
        Outgoing::Call {
            target,
            method,
            header,
            payload,
        } => write_call(out, call, target, method, header, payload),
        Outgoing::Resolve {
            what,
            interface,
            signature,
            key,
            header,
            payload,
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
