//! Where a call goes: to an object, behind the request for one, or nowhere.

use super::answering::refused;
use super::exports::NoObject;
use super::incoming::AnswerState;
use super::{Exported, Session};
use crate::error::{ErrorKind, Fault, GoneReason};
use crate::id::{CallId, Slot};
use crate::wire::{ReferenceTable, Referred, Target};

/// Where a call goes.
pub(super) enum Route<T> {
    Object(T),
    /// To this object, behind calls on the same answer that have not begun.
    Queue(T),
    /// It waits for the answer to this request.
    Behind(CallId),
    Nowhere(Nowhere),
}

/// Why a call goes to no object, or lacks one of its arguments. `bad` tells that the caller should have known.
pub(super) struct Nowhere {
    pub(super) fault: Fault,
    pub(super) bad: bool,
}

impl<T: Exported> Session<T> {
    /// Finds the object that a call goes to.
    #[inline]
    pub(super) fn route(&self, target: Target) -> Route<T> {
        match target {
            Target::Slot(slot) => match self.object_at(slot) {
                Ok(object) => Route::Object(object.shared()),
                Err(nowhere) => Route::Nowhere(nowhere),
            },
            Target::Answer(call) => match self.object_of(call) {
                Ok(Some(object)) if self.chained.has_ready_on(call) => Route::Queue(object),
                Ok(Some(object)) => Route::Object(object.shared()),
                Ok(None) => Route::Behind(call),
                Err(nowhere) => Route::Nowhere(nowhere),
            },
        }
    }

    /// What a call goes to, so that it stays.
    pub(super) fn kept(&self, target: Target) -> Option<T> {
        match target {
            Target::Slot(slot) => self.exports.get(slot).ok().cloned(),
            Target::Answer(call) => self.object_of(call).ok().flatten(),
        }
    }

    /// Why one of the answers that a call's arguments refer to is none, if so.
    pub(super) fn lacks(&self, table: ReferenceTable<'_>) -> Option<Nowhere> {
        table.iter().find_map(|referred| match referred {
            Referred::Answer(call) => self.object_of(call).err(),
            _ => None,
        })
    }

    /// The object that an answer holds, so that it stays; nothing before it has come.
    pub(super) fn object_of(&self, call: CallId) -> Result<Option<T>, Nowhere> {
        match self.incoming.answer(call) {
            AnswerState::Pending => Ok(None),
            AnswerState::Found(slot) => self.object_at(slot).cloned().map(Some),
            AnswerState::Returned => match self.answers.get(&call) {
                Some(object) => Ok(Some(object.clone())),
                None => Err(no_answer()),
            },
            AnswerState::Failed(fault) => Err(Nowhere {
                fault: fault.clone(),
                bad: false,
            }),
            AnswerState::None => Err(no_answer()),
        }
    }

    fn object_at(&self, slot: Slot) -> Result<&T, Nowhere> {
        self.exports.get(slot).map_err(|none| Nowhere {
            fault: match none {
                NoObject::Released => Fault::of(ErrorKind::ObjectGone(GoneReason::Released)),
                NoObject::Unknown => Fault::not_held(),
            },
            bad: true,
        })
    }
}

fn no_answer() -> Nowhere {
    let text = "there is no such answer, or it has been forgotten";
    Nowhere {
        fault: refused(ErrorKind::BadArguments, text),
        bad: true,
    }
}
