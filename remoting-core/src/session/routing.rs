//! Where a call goes: to an object, behind the request for one, or nowhere.

use super::answering::refused;
use super::exports::NoObject;
use super::incoming::AnswerState;
use super::{Exported, Session};
use crate::error::{ErrorKind, Fault, GoneReason};
use crate::id::{CallId, Slot};
use crate::wire::Target;

/// Where a call goes.
pub(super) enum Route<T> {
    Object(T),
    /// It waits for the answer to this RESOLVE.
    Behind(CallId),
    /// Nowhere. `bad` tells that the caller should have known.
    Nowhere {
        fault: Fault,
        bad: bool,
    },
}

impl<T: Exported> Session<T> {
    /// Finds the object that a call goes to.
    pub(super) fn route(&self, target: Target) -> Route<T> {
        match target {
            Target::Slot(slot) => self.route_to(slot),
            Target::Answer(call) => match self.incoming.answer(call) {
                AnswerState::Pending => Route::Behind(call),
                AnswerState::Object(slot) => self.route_to(slot),
                AnswerState::Failed(fault) => Route::Nowhere {
                    fault: fault.clone(),
                    bad: false,
                },
                AnswerState::None => {
                    let text = "there is no such answer, or it has been forgotten";
                    Route::Nowhere {
                        fault: refused(ErrorKind::BadArguments, text),
                        bad: true,
                    }
                }
            },
        }
    }

    /// What a call goes to, so that it stays.
    pub(super) fn kept(&self, target: Target) -> Option<T> {
        let slot = match target {
            Target::Slot(slot) => slot,
            Target::Answer(call) => match self.incoming.answer(call) {
                AnswerState::Object(slot) => slot,
                _ => return None,
            },
        };
        self.exports.get(slot).ok().cloned()
    }

    fn route_to(&self, slot: Slot) -> Route<T> {
        let fault = match self.exports.get(slot) {
            Ok(object) => return Route::Object(object.shared()),
            Err(NoObject::Released) => Fault::of(ErrorKind::ObjectGone(GoneReason::Released)),
            Err(NoObject::Unknown) => Fault::not_held(),
        };
        Route::Nowhere { fault, bad: true }
    }
}
