//! How a call has ended, in the words that records of calls have for it.

use std::time::Instant;

use super::call::{MethodCall, MethodReply};
use crate::clock;
use crate::error::{ErrorKind, Executed};

/// How a call has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) kind: OutcomeKind,
    pub(super) executed: Executed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutcomeKind {
    Value,
    UserError,
    Error(ErrorKind),
    /// Nobody waited for it any more.
    GivenUp,
}

impl Outcome {
    fn of(reply: &MethodReply) -> Self {
        let kind = match reply.error() {
            Some(error) => OutcomeKind::Error(error.kind()),
            None if reply.is_user_error() => OutcomeKind::UserError,
            None => OutcomeKind::Value,
        };
        let executed = reply.executed();
        Self { kind, executed }
    }

    /// A call that was dropped on its way: its time was over, or nobody waited for it any more.
    fn dropped(deadline: Instant) -> Self {
        let kind = match clock::now() >= deadline {
            true => OutcomeKind::Error(ErrorKind::DeadlineExceeded),
            false => OutcomeKind::GivenUp,
        };
        let executed = Executed::Unknown;
        Self { kind, executed }
    }

    /// One word for it.
    pub(super) fn word(self) -> &'static str {
        match self.kind {
            OutcomeKind::Value => "ok",
            OutcomeKind::UserError => "user_error",
            OutcomeKind::Error(kind) => kind.word(),
            OutcomeKind::GivenUp => "given_up",
        }
    }

    /// One word for whether the method has run.
    pub(super) fn executed(self) -> &'static str {
        match self.executed {
            Executed::No => "no",
            Executed::Yes => "yes",
            Executed::Unknown => "unknown",
        }
    }

    /// Whether the server's code has failed in a way that it did not declare.
    pub(super) fn is_failure_of_server(self) -> bool {
        use ErrorKind::{BadResult, Internal, Poisoned};
        matches!(
            self.kind,
            OutcomeKind::Error(Internal | Poisoned | BadResult)
        )
    }
}

/// Tells once how a call has ended, also if it is dropped on its way.
pub(super) struct Ending<F: FnOnce(Outcome, Option<&MethodReply>)> {
    deadline: Instant,
    tell: Option<F>,
}

impl<F: FnOnce(Outcome, Option<&MethodReply>)> Ending<F> {
    pub(super) fn new(call: &MethodCall, tell: F) -> Self {
        Self {
            deadline: call.deadline,
            tell: Some(tell),
        }
    }

    /// Tells of the reply.
    pub(super) fn with(mut self, reply: &MethodReply) {
        if let Some(tell) = self.tell.take() {
            tell(Outcome::of(reply), Some(reply));
        }
    }
}

impl<F: FnOnce(Outcome, Option<&MethodReply>)> Drop for Ending<F> {
    fn drop(&mut self) {
        if let Some(tell) = self.tell.take() {
            tell(Outcome::dropped(self.deadline), None);
        }
    }
}
