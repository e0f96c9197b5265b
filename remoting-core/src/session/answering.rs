//! What the driver does with the peer's requests: it answers them.

use std::sync::Arc;
use std::time::Instant;

use super::chained::ChainedCall;
use super::incoming::Kept;
use super::running::Finished;
use super::{
    CancelReason, Cancellation, Effects, End, Exported, IncomingKey, Lent, Session, longest_body,
    longest_message,
};
use crate::error::{Error, ErrorKind, Executed, Fault};
use crate::id::CallId;
use crate::payload::{Content, Headers, Payload};
use crate::wire::{
    ContOf, HEAD_LENGTH, HeaderBlock, ResolveAnswer, TooLong, Violation, WireFault, write_error,
    write_return,
};

impl<T: Exported> Session<T> {
    /// Notes that a request goes on as a task, which is told when to stop.
    ///
    /// Gives the reason if it is to stop already.
    pub fn attach(
        &mut self,
        key: IncomingKey,
        cancellation: Arc<Cancellation>,
    ) -> Option<CancelReason> {
        self.incoming.attach(key, cancellation)
    }

    /// Answers a call; of a post, notes that it has run.
    ///
    /// Does nothing after the end of the session. A result that the peer does not take
    /// for its size becomes [`ErrorKind::TooLarge`].
    ///
    /// - `lent`: the objects that a result, or the data of a user's error, refers to. They are
    ///   exported if the answer can be written.
    pub fn reply(
        &mut self,
        key: IncomingKey,
        result: Result<Content<'_>, &Fault>,
        lent: &[Lent<T>],
        now: Instant,
        effects: &mut Effects<T>,
    ) {
        match self.incoming.finish(key) {
            Some(Finished::Call(call)) => {
                let _told = self.write_answer(call, result, lent, effects);
            }
            Some(Finished::Post) => return,
            // Who has no object to give need not know that calls may wait for one.
            None => self.keep_answer(key, result, (lent, None), effects),
        }
        self.liveness.on_append(now);
    }

    /// Answers a RESOLVE with an object, the signature hash of its interface, and headers.
    ///
    /// The object gets a slot of its own. Calls that waited for it become
    /// [ready](Session::begin_ready), or end too.
    pub fn answer_resolve(
        &mut self,
        key: IncomingKey,
        result: Result<(T, u64, Headers), &Fault>,
        now: Instant,
        effects: &mut Effects<T>,
    ) {
        match result {
            Ok((object, signature, headers)) => {
                self.export(key, object, (signature, headers), effects);
            }
            Err(fault) => self.keep_answer(key, Err(fault), (&[], None), effects),
        }
        if !self.closed {
            self.liveness.on_append(now);
        }
    }

    /// Counts a request that could not be understood.
    ///
    /// # Errors
    ///
    /// The end of the session, if there were too many.
    pub fn bad_request(&mut self, now: Instant) -> Result<(), End> {
        if self.rates.bad_requests.allow(now) {
            return Ok(());
        }
        self.config.counters.bad_requests_per_second.add();
        Err(End::Violation(Violation::TooManyBadRequests))
    }

    /// Counts a request that asked for what this side had not announced.
    pub(super) fn count_bad(&mut self, fault: &Fault, now: Instant) -> Result<(), End> {
        match fault {
            Fault::Error(error) if error.kind() == ErrorKind::Unsupported => self.bad_request(now),
            Fault::Error(_) | Fault::App(_) => Ok(()),
        }
    }

    pub(super) fn expire_incoming(&mut self, now: Instant, effects: &mut Effects<T>) {
        let mut stopped = Vec::new();
        self.incoming.expire(now, &mut stopped);
        for (_, reason) in &stopped {
            match reason {
                CancelReason::Cap => self.config.counters.max_deadline.add(),
                CancelReason::Deadline => self.config.counters.default_deadline.add(),
                CancelReason::Caller | CancelReason::SessionEnded | CancelReason::HostStopped => {}
            }
        }
        if !stopped.is_empty() {
            effects.rare().cancelled.append(&mut stopped);
        }
        self.expire_partials(now, effects);
        for waiting in self.chained.expire(now) {
            self.end_waiting(
                waiting,
                &Fault::of(ErrorKind::DeadlineExceeded),
                now,
                effects,
            );
        }
    }

    /// Answers a call that still waited for other answers.
    pub(super) fn end_waiting(
        &mut self,
        waiting: ChainedCall<T>,
        fault: &Fault,
        now: Instant,
        effects: &mut Effects<T>,
    ) {
        self.incoming.unchain(waiting.key, waiting.times);
        self.reply(waiting.key, Err(fault), &[], now, effects);
        self.drop_aim(waiting.aim, effects);
    }

    /// Answers a call; gives the fault that is told instead of a result which cannot be.
    pub(super) fn write_answer(
        &mut self,
        call: CallId,
        result: Result<Content<'_>, &Fault>,
        lent: &[Lent<T>],
        effects: &mut Effects<T>,
    ) -> Result<(), Fault> {
        let header = header_of(match &result {
            Ok(content) => content.headers,
            Err(fault) => fault.headers(),
        });
        let written = self.write_lending(&header, lent, effects, |session, header| match result {
            Ok(payload) => session.try_write_result(call, header, payload),
            Err(fault) => session.try_write_fault(call, header, fault, None),
        });
        let refusal = match (written, result) {
            (Ok(Ok(())), _) => return Ok(()),
            (Err(error), _) => Fault::Error(error.with_executed(Executed::Yes)),
            (Ok(Err(TooLong)), Ok(payload)) if payload.len() < self.longest_answer() => {
                self.config.counters.assembly.add();
                let text = "too many large results wait for this caller to read them";
                Fault::executed(ErrorKind::ResourceExhausted, text)
            }
            (Ok(Err(TooLong)), Ok(_)) => {
                self.config.counters.max_message.add();
                let text = "the result is larger than the caller takes";
                Fault::executed(ErrorKind::TooLarge, text)
            }
            (Ok(Err(TooLong)), Err(fault)) => fault.clone(),
        };
        self.write_fault(call, &refusal, None);
        Err(refusal)
    }

    /// Writes ERROR, or one that says that the error was too long.
    ///
    /// - `executed`: what is told instead of what the fault itself says.
    pub(super) fn write_fault(&mut self, call: CallId, fault: &Fault, executed: Option<Executed>) {
        let plain = HeaderBlock::new();
        if self.try_write_fault(call, &plain, fault, executed).is_err() {
            self.config.counters.max_frame.add();
            let text = "the error is larger than the caller takes";
            let executed = executed.or(Some(fault.to_wire().1));
            let fault = Fault::refused(ErrorKind::TooLarge, text);
            // A sentence fits into every frame that may be agreed on.
            let _ = self.try_write_fault(call, &plain, &fault, executed);
        }
    }

    fn try_write_fault(
        &mut self,
        call: CallId,
        header: &HeaderBlock,
        fault: &Fault,
        executed: Option<Executed>,
    ) -> Result<(), TooLong> {
        let (code, own, retry_after_ms, text, payload) = fault.to_wire();
        let executed = match executed.unwrap_or(own) {
            Executed::No => 0,
            Executed::Yes => 1,
            Executed::Unknown => 2,
        };
        let fault = WireFault {
            code,
            executed,
            retry_after_ms,
            text,
            payload: payload.as_slice(),
        };
        let begin = self.output.mark();
        let written = write_error(self.output.buffer(), call, header, &fault);
        self.fits_since(begin, written)
    }

    fn try_write_result(
        &mut self,
        call: CallId,
        header: &HeaderBlock,
        payload: Content<'_>,
    ) -> Result<(), TooLong> {
        let begin = self.output.mark();
        let longest = self.longest_frame();
        // What cannot fit is not copied first.
        if payload.len() <= longest {
            let written = match payload.tail {
                None => {
                    let written = write_return(self.output.buffer(), call, header, payload.head);
                    self.fits_since(begin, written)
                }
                Some(_) => write_return(self.output.buffer(), call, header, &[])
                    .and_then(|()| self.write_large(begin, payload, longest)),
            };
            if written.is_ok() {
                return Ok(());
            }
        }
        let most = self.longest_answer();
        let kept = self.parts.bytes().saturating_add(payload.len());
        if payload.len() > most || kept > self.config.limits.assembly.max(most) {
            return Err(TooLong);
        }
        write_return(self.output.buffer(), call, header, &[])?;
        self.write_long(begin, ContOf::Return(call), payload, most)
    }

    /// The longest answer. What a peer says it takes must not decide how much is kept for it here.
    fn longest_answer(&self) -> usize {
        let theirs = self.peer.as_ref().map_or(0, |peer| peer.max_message);
        theirs.min(longest_message(&self.config.limits))
    }

    /// The longest body of a frame with an answer.
    pub(super) fn longest_frame(&self) -> usize {
        self.max_body().min(longest_body(&self.config.limits))
    }

    /// Takes a frame back that was not written, or is too long.
    pub(super) fn fits_since(
        &mut self,
        begin: usize,
        written: Result<(), TooLong>,
    ) -> Result<(), TooLong> {
        let length = self.output.mark().saturating_sub(begin);
        if written.is_ok() && length <= self.longest_frame().saturating_add(HEAD_LENGTH) {
            return Ok(());
        }
        self.output.buffer().truncate(begin);
        Err(TooLong)
    }

    fn export(
        &mut self,
        key: IncomingKey,
        object: T,
        (signature, headers): (u64, Headers),
        effects: &mut Effects<T>,
    ) {
        if self.closed {
            return effects.rare().dropped.push(object);
        }
        let slot = match self.exports.add(object) {
            Ok(slot) => slot,
            Err(object) => {
                effects.rare().dropped.push(object);
                self.config.counters.objects_per_session.add();
                let text = "the session holds as many objects as it may; release some";
                let fault = Fault::executed(ErrorKind::ResourceExhausted, text);
                return self.keep_answer(key, Err(&fault), (&[], None), effects);
            }
        };
        let Some(call) = self.incoming.kept(key) else {
            // Nobody asked, or it was answered before.
            effects
                .rare()
                .dropped
                .extend(self.exports.release(slot, 1).unwrap_or(None));
            return;
        };
        let mut answer = Payload::new();
        ResolveAnswer { slot, signature }.write(&mut answer);
        answer.carry(headers);
        let _told = self.write_answer(call, Ok((&answer).into()), &[], effects);
        self.incoming.keep(call, Kept::Found(slot));
        // Their caller may have given the object up already: they keep it.
        if let Ok(object) = self.exports.get(slot) {
            self.assembly.found(call, object);
            self.incoming.unchain_all(self.chained.found(call, object));
        }
    }
}

/// A fault that this session makes for a call that it did not let through.
pub(super) fn refused(kind: ErrorKind, text: &str) -> Fault {
    Fault::Error(Error::new(kind, text))
}

/// Writes down the headers of a reply, which fit by all who set them; of others as many as do.
fn header_of(pairs: &[(String, String)]) -> HeaderBlock {
    let mut header = HeaderBlock::new();
    if pairs.is_empty() {
        return header;
    }
    let fit = |(name, value): &(String, String)| header.add_pair(name, value).is_ok();
    let _all_fit = pairs.iter().all(fit);
    header
}
