//! Calls of the peer that are set aside when they come: more of them is to come, or what they need is.

use std::time::Instant;

use super::answering::refused;
use super::assembly::{Aim, Begun, Goal};
use super::chained::ChainedCall;
use super::frames::Arrived;
use super::references::{REFERENCE, kept};
use super::routing::Route;
use super::running::Times;
use super::{Effects, End, Exported, IncomingKey, IncomingRequest, Request, Session};
use crate::error::{ErrorKind, Fault};

impl<T: Exported> Session<T> {
    /// Keeps a call that cannot begin yet. One that has answers as arguments, which are all there, can.
    pub(super) fn set_aside<'f>(
        &mut self,
        arrived: Arrived<'f>,
        route: Route<T>,
        times: Times,
        now: Instant,
        effects: &mut Effects<T>,
    ) -> Result<Option<Request<'f, T>>, End> {
        let table = arrived.header.references;
        if let Some(nowhere) = self.lacks(table) {
            return self.go_nowhere(&arrived, &nowhere, now);
        }
        let may_begin = matches!(route, Route::Object(_)) && !arrived.more;
        let goal = match route {
            // What the call goes to is kept until it begins.
            Route::Object(target) => Goal::Object(self.kept(arrived.target).unwrap_or(target)),
            Route::Queue(target) => Goal::Object(target),
            Route::Behind(on) => Goal::Answer(on),
            Route::Nowhere(nowhere) => return self.go_nowhere(&arrived, &nowhere, now),
        };
        if let Some(fault) = self.lacks_room(&arrived) {
            self.decline(table)?;
            self.refuse_call(&arrived, &fault, now);
            return Ok(None);
        }
        let key = self.incoming.begin(arrived.call, arrived.keep, times);
        let on = arrived.target.answer();
        let references = self.receive_with_answers(table)?;
        let aim = Aim {
            goal,
            on,
            references,
        };
        if let (true, Some(call)) = (arrived.more, arrived.call) {
            let begun = Begun { key, aim, times };
            self.begin_partial(call, arrived.frame, begun, now, effects);
            return Ok(None);
        }
        let begins = may_begin && aim.is_complete();
        match aim {
            Aim {
                goal: Goal::Object(target),
                references,
                ..
            } if begins => Ok(Some(Request::Call(IncomingRequest {
                key,
                target,
                method: arrived.method,
                header: arrived.header,
                payload: arrived.payload,
                references,
                deadline: times.deadline,
            }))),
            aim => {
                self.keep_waiting(&arrived, aim, (key, times));
                Ok(None)
            }
        }
    }

    /// Copies what matters of a call, which waits.
    fn keep_waiting(&mut self, arrived: &Arrived<'_>, aim: Aim<T>, begun: (IncomingKey, Times)) {
        let payload = kept(arrived.payload, self.arriving.as_ref());
        let (method, header) = (arrived.method, &arrived.header);
        let call = ChainedCall::new(begun, aim, method, header, payload);
        self.chain(call);
    }

    /// Has a call wait for what it lacks; what lacks nothing goes behind those that are ready.
    pub(super) fn chain(&mut self, call: ChainedCall<T>) {
        if call.aim.is_complete() {
            return self.chained.push_ready(call);
        }
        self.incoming.chain(call.key);
        self.chained.push(call);
    }

    /// Why a whole call may not be kept until it can begin. One of which more is to come is counted with that.
    fn lacks_room(&self, arrived: &Arrived<'_>) -> Option<Fault> {
        if arrived.more {
            return None;
        }
        let count = arrived.header.references.iter().count();
        let own = arrived
            .payload
            .len()
            .saturating_add(count.saturating_mul(REFERENCE));
        if self.chained.bytes().saturating_add(own) <= self.config.limits.assembly {
            return None;
        }
        self.config.counters.assembly.add();
        let text = "calls that wait for the answers of others hold as much as `assembly` allows; send fewer at once";
        Some(refused(ErrorKind::ResourceExhausted, text))
    }
}
