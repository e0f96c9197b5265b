//! Messages that are longer than a frame, in both directions.

use std::time::Instant;

use bytes::Bytes;

use super::assembly::{Aim, Begun, Goal};
use super::chained::ChainedCall;
use super::references::kept;
use super::{Effects, Exported, IncomingKey, Reply, Session};
use crate::error::{ErrorKind, Fault};
use crate::id::CallId;
use crate::payload::{Content, LARGE};
use crate::wire::{
    Cont, ContOf, HEAD_LENGTH, Message, RawFrame, Return, TooLong, Violation, lengthen_frame,
};

/// How much of long messages is put into the output at a time, at least.
const FILL: usize = 64 * 1024;
/// More than the fields of a CONT take.
const CONT_FIELDS: usize = 16;

impl<T: Exported> Session<T> {
    /// Adds a payload to the frame at the end of the output, which has none yet.
    ///
    /// - `begin`: where the frame begins.
    /// - `longest`: how long its body may be.
    ///
    /// # Errors
    ///
    /// It does not fit; the frame is gone.
    pub(super) fn write_large(
        &mut self,
        begin: usize,
        payload: Content<'_>,
        longest: usize,
    ) -> Result<(), TooLong> {
        let fields = self.fields_since(begin);
        if fields.saturating_add(payload.len()) > longest {
            self.output.buffer().truncate(begin);
            return Err(TooLong);
        }
        self.add_to_frame(begin, payload, false)
    }

    /// The same, as much as the frame holds. The rest follows in CONTs.
    ///
    /// - `most`: how long the whole body may be.
    pub(super) fn write_long(
        &mut self,
        begin: usize,
        of: ContOf,
        payload: Content<'_>,
        most: usize,
    ) -> Result<(), TooLong> {
        let fields = self.fields_since(begin);
        let room = self.max_body().saturating_sub(fields);
        let head = payload.tail.map_or(0, |_| payload.head.len());
        if fields.saturating_add(payload.len()) > most || room == 0 || head > room {
            self.output.buffer().truncate(begin);
            return Err(TooLong);
        }
        let shared;
        let (head, whole) = match payload.tail {
            Some(tail) => (payload.head, tail),
            None => {
                shared = Bytes::copy_from_slice(payload.head);
                (&[] as &[u8], &shared)
            }
        };
        let mut rest = whole.clone();
        let mut first = rest.split_to(room.saturating_sub(head.len()).min(whole.len()));
        if first.len() < whole.len() / 2 {
            // It may wait alone, when the rest is not wanted any more, and must not keep it.
            first = Bytes::copy_from_slice(&first);
        }
        let tail = Some(&first);
        let headers = &[];
        let content = Content {
            head,
            tail,
            headers,
        };
        self.add_to_frame(begin, content, true)?;
        self.parts.push(of, rest);
        Ok(())
    }

    /// How long the fields of the frame at the end of the output are.
    fn fields_since(&self, begin: usize) -> usize {
        let length = self.output.mark().saturating_sub(begin);
        length.saturating_sub(HEAD_LENGTH)
    }

    fn add_to_frame(
        &mut self,
        begin: usize,
        payload: Content<'_>,
        more: bool,
    ) -> Result<(), TooLong> {
        let out = self.output.buffer();
        out.extend_from_slice(payload.head);
        let tail = payload.tail.map_or(0, |tail| tail.len());
        lengthen_frame(out, begin, tail, more)?;
        match payload.tail {
            Some(tail) if tail.len() >= LARGE => self.output.push(tail.clone()),
            Some(tail) => self.output.buffer().extend_from_slice(tail),
            None => {}
        }
        Ok(())
    }

    /// Appends more of the messages that are under way.
    pub(super) fn write_parts(&mut self) {
        let room = self.max_body().saturating_sub(CONT_FIELDS);
        while !self.parts.is_empty() {
            let whole = self.parts.write_next(&mut self.output, room);
            if let Some(ContOf::Call(call)) = whole {
                self.outgoing.set_end(call, self.output.end());
            }
            if self.output.len() >= FILL {
                return;
            }
        }
    }

    /// Sends no more of a request that nobody wants answered.
    pub(super) fn stop_sending(&mut self, call: CallId) {
        self.parts.retain(|of| of != ContOf::Call(call));
    }

    /// Keeps the first frame of a request that goes on.
    pub(super) fn begin_partial(
        &mut self,
        call: CallId,
        frame: RawFrame<'_>,
        request: Begun<T>,
        now: Instant,
        effects: &mut Effects<T>,
    ) {
        self.assembly.begin(call, frame, request);
        if let Some(fault) = self.too_much(frame.body.len()) {
            self.refuse_partial(call, &fault, now, effects);
        }
    }

    pub(super) fn on_cont(
        &mut self,
        cont: &Cont<'_>,
        now: Instant,
        effects: &mut Effects<T>,
    ) -> Result<(), Violation> {
        match cont.of {
            ContOf::Call(call) => self.on_more_of_request(call, cont, now, effects),
            ContOf::Return(call) => return self.on_more_of_answer(call, cont, effects),
            ContOf::Item(_) => return Err(Violation::ItemInParts),
        }
        Ok(())
    }

    fn on_more_of_request(
        &mut self,
        call: CallId,
        cont: &Cont<'_>,
        now: Instant,
        effects: &mut Effects<T>,
    ) {
        // What was refused or cancelled is skipped.
        let Some(length) = self.assembly.grow(call, cont.payload) else {
            return;
        };
        match self.too_much(length) {
            Some(fault) => self.refuse_partial(call, &fault, now, effects),
            None if cont.more => {}
            None => self.complete(call, effects),
        }
    }

    /// Hands a request out that is whole, or has it wait for what it lacks.
    fn complete(&mut self, call: CallId, effects: &mut Effects<T>) {
        let Some(mut partial) = self.assembly.take(call) else {
            return;
        };
        let has_to_wait = !partial.aim.is_complete()
            || partial
                .aim
                .on
                .is_some_and(|on| self.chained.has_ready_on(on));
        if !has_to_wait {
            effects.rare().assembled = Some(partial.into_assembled());
            return;
        }
        let (key, times) = (partial.key, partial.times);
        let aim = Aim {
            goal: std::mem::replace(&mut partial.aim.goal, Goal::Resolve),
            on: partial.aim.on,
            references: std::mem::take(&mut partial.aim.references),
        };
        let assembled = partial.into_assembled();
        if let Ok(Message::Call(call)) = Message::parse(assembled.frame()) {
            let payload = kept(call.payload, Some(assembled.body()));
            let times = (key, times);
            let chained = ChainedCall::new(times, aim, call.method, &call.header, payload);
            self.chain(chained);
        }
    }

    /// Answers a request that will not be whole.
    pub(super) fn refuse_partial(
        &mut self,
        call: CallId,
        fault: &Fault,
        now: Instant,
        effects: &mut Effects<T>,
    ) {
        if let Some(key) = self.drop_partial(call, effects) {
            self.reply(key, Err(fault), &[], now, effects);
        }
    }

    /// Drops the calls that are not whole and wait for an answer which holds nothing for them.
    pub(super) fn drop_partials_on(
        &mut self,
        answer: CallId,
        effects: &mut Effects<T>,
    ) -> Vec<IncomingKey> {
        let waiting = self
            .assembly
            .numbers(|partial| partial.aim.awaited().any(|on| on == answer));
        let waiting = waiting.into_iter();
        waiting
            .filter_map(|call| self.drop_partial(call, effects))
            .collect()
    }

    /// Refuses the requests whose deadline has passed before they were whole.
    pub(super) fn expire_partials(&mut self, now: Instant, effects: &mut Effects<T>) {
        for call in self.assembly.numbers(|partial| partial.is_late(now)) {
            let fault = Fault::of(ErrorKind::DeadlineExceeded);
            self.refuse_partial(call, &fault, now, effects);
        }
    }

    fn drop_partial(&mut self, call: CallId, effects: &mut Effects<T>) -> Option<IncomingKey> {
        let partial = self.assembly.take(call)?;
        self.drop_aim(partial.aim, effects);
        Some(partial.key)
    }

    /// Why no more is kept, if a message has grown to `length`.
    fn too_much(&self, length: usize) -> Option<Fault> {
        let (limits, counters) = (&self.config.limits, &self.config.counters);
        if length > longest_message(limits) {
            counters.max_message.add();
            let text = "the message is larger than this side takes";
            return Some(Fault::refused(ErrorKind::TooLarge, text));
        }
        let waiting = self.chained.bytes();
        if self.assembly.bytes().saturating_add(waiting) > limits.assembly {
            counters.assembly.add();
            let text = "too many large messages are under way on this connection";
            return Some(Fault::refused(ErrorKind::ResourceExhausted, text));
        }
        None
    }

    /// Keeps the beginning of an answer.
    pub(super) fn begin_answer(
        &mut self,
        message: &Return<'_>,
        effects: &mut Effects<T>,
    ) -> Result<(), Violation> {
        let call = message.call;
        if self.assembly.has_answer(call) {
            return Err(Violation::UnknownCallAnswered);
        }
        let payload = self.keep_result(message)?;
        let length = payload.len();
        self.assembly.begin_answer(call, payload);
        if !self.outgoing.is_awaited(call) {
            self.keep_no_answer(call, Fault::of(ErrorKind::Cancelled), effects);
        } else if let Some(fault) = self.too_much(length) {
            self.keep_no_answer(call, fault.after_execution(), effects);
        }
        Ok(())
    }

    fn on_more_of_answer(
        &mut self,
        call: CallId,
        cont: &Cont<'_>,
        effects: &mut Effects<T>,
    ) -> Result<(), Violation> {
        if let Some(length) = self.assembly.grow_answer(call, cont.payload) {
            if let Some(fault) = self.too_much(length) {
                self.keep_no_answer(call, fault.after_execution(), effects);
            }
        }
        if cont.more {
            return Ok(());
        }
        let Some(answer) = self.assembly.take_answer(call) else {
            return Ok(());
        };
        let slot = None;
        let answer = answer.map(|payload| Reply { payload, slot });
        self.on_answer(call, answer, effects)
    }

    /// Throws away what has come of an answer, and what is still to come.
    pub(super) fn keep_no_answer(&mut self, call: CallId, fault: Fault, effects: &mut Effects<T>) {
        if let Some(mut payload) = self.assembly.refuse_answer(call, fault) {
            self.discard(&mut payload, effects);
        }
    }

    /// Lets everything go that is not whole.
    pub(super) fn clear_assembly(&mut self, effects: &mut Effects<T>) {
        let (requests, answers) = self.assembly.clear();
        for partial in requests {
            self.drop_aim(partial.aim, effects);
        }
        for mut payload in answers {
            self.discard(&mut payload, effects);
        }
    }
}

/// The longest message that this side takes, in as many frames as it needs.
pub(super) fn longest_message(limits: &crate::limits::Limits) -> usize {
    limits.max_message.max(crate::wire::LEAST_LIMIT as usize)
}
