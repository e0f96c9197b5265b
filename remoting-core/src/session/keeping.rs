//! Kept answers: what is done for the calls of the peer that wait for one, when it is there and when it never will be.

use std::time::Instant;

use super::answering::refused;
use super::assembly::{Aim, Goal};
use super::incoming::Kept;
use super::running::Finished;
use super::{Effects, Exported, IncomingKey, Lent, QueuedCall, Session};
use crate::error::{ErrorKind, Executed, Fault};
use crate::id::CallId;
use crate::payload::Content;

impl<T: Exported> Session<T> {
    /// The same as [`reply`](Session::reply). If the answer [is kept](IncomingKey::is_kept), the calls on it become ready, or
    /// end too.
    ///
    /// - `object`: what calls on the answer go to; nothing if it is no object. Kept until the peer forgets the answer.
    pub fn reply_with(
        &mut self,
        key: IncomingKey,
        result: Result<Content<'_>, &Fault>,
        (lent, object): (&[Lent<T>], Option<T>),
        now: Instant,
        effects: &mut Effects<T>,
    ) {
        if !key.is_kept() {
            effects.rare().dropped.extend(object);
            return self.reply(key, result, lent, now, effects);
        }
        self.keep_answer(key, result, (lent, object), effects);
        if !self.closed {
            self.liveness.on_append(now);
        }
    }

    /// Whether the caller is to run the calls that have become ready: there are some, and nobody else does it.
    /// Who is told so takes [`next_ready`](Session::next_ready) until there is none.
    pub fn begin_ready(&mut self) -> bool {
        self.chained.begin_taking()
    }

    /// The next call that has become ready.
    pub fn next_ready(&mut self) -> Option<QueuedCall<T>> {
        self.chained.take_ready()
    }

    pub(super) fn keep_answer(
        &mut self,
        key: IncomingKey,
        result: Result<Content<'_>, &Fault>,
        (lent, object): (&[Lent<T>], Option<T>),
        effects: &mut Effects<T>,
    ) {
        let Some(call) = self.incoming.kept(key) else {
            return effects.rare().dropped.extend(object);
        };
        let told = self.write_answer(call, result, lent, effects);
        match (told.and(result.map(drop).map_err(Fault::clone)), object) {
            (Ok(()), Some(object)) => {
                self.incoming.keep(call, Kept::Returned);
                self.assembly.found(call, &object);
                self.incoming.unchain_all(self.chained.found(call, &object));
                effects
                    .rare()
                    .dropped
                    .extend(self.answers.insert(call, object));
            }
            (Ok(()), None) => {
                let text = "the answer that the call was to go to is no object";
                let fault = refused(ErrorKind::BadArguments, text);
                self.incoming.keep(call, Kept::Nothing(fault.clone()));
                self.fail_waiting(call, fault, effects);
            }
            (Err(fault), object) => {
                effects.rare().dropped.extend(object);
                let told = self.incoming.fail(call, &fault);
                self.fail_waiting(call, told, effects);
            }
        }
    }

    /// Ends the calls that wait for an answer which holds nothing for them, and those that wait for theirs.
    ///
    /// - `fault`: what they are told.
    fn fail_waiting(&mut self, answer: CallId, fault: Fault, effects: &mut Effects<T>) {
        let mut failed = vec![(answer, fault)];
        while let Some((answer, fault)) = failed.pop() {
            let partial = self.drop_partials_on(answer, effects);
            let mut ended: Vec<_> = partial.into_iter().collect();
            for waiting in self.chained.take_waiting_for(answer) {
                self.incoming.unchain(waiting.key, waiting.times);
                ended.push(waiting.key);
                self.drop_aim(waiting.aim, effects);
            }
            for key in ended {
                if let Some(Finished::Call(call)) = self.incoming.finish(key) {
                    self.write_fault(call, &fault, Some(Executed::No));
                } else if let Some(call) = self.incoming.kept(key) {
                    self.write_fault(call, &fault, Some(Executed::No));
                    failed.push((call, self.incoming.fail(call, &fault)));
                }
            }
        }
    }

    /// Gives back what a call holds that does not come to run.
    pub(super) fn drop_aim(&mut self, aim: Aim<T>, effects: &mut Effects<T>) {
        if let Goal::Object(object) = aim.goal {
            effects.rare().dropped.push(object);
        }
        self.give_back(aim.references, effects);
    }
}
