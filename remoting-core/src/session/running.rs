//! One request of the peer that runs here, and when it is to stop.

use std::sync::Arc;
use std::time::Instant;

use super::cancellation::{CancelReason, Cancellation};
use super::requests::IncomingKey;
use super::time::Next;
use crate::id::CallId;

/// Until when a request may run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// When its caller stops waiting.
    pub(super) deadline: Instant,
    /// When it is cut, whatever it does.
    pub(super) cap: Instant,
}

/// Calls to stop, with the reason.
pub(super) type Cancelled = Vec<(Arc<Cancellation>, CancelReason)>;

/// Whose answer has just been given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finished {
    Call(CallId),
    Post,
}

/// A request that is not answered.
#[derive(Debug)]
pub(super) struct Running {
    sequence: u64,
    times: Times,
    /// Set once the request goes on as a task.
    cancellation: Option<Arc<Cancellation>>,
    cancelled: Option<CancelReason>,
}

impl Running {
    /// Whether this is the request that `key` names.
    pub(super) fn is(&self, key: IncomingKey) -> bool {
        self.sequence == key.sequence
    }

    /// Notes that it goes on as a task; gives the reason if it is to stop already.
    pub(super) fn attach(&mut self, cancellation: Arc<Cancellation>) -> Option<CancelReason> {
        self.cancellation = Some(cancellation);
        self.cancelled
    }

    pub(super) fn new(sequence: u64, times: Times) -> Self {
        Self {
            sequence,
            times,
            cancellation: None,
            cancelled: None,
        }
    }

    /// Tells it to stop, unless it was told so for a reason as grave.
    pub(super) fn cancel(&mut self, reason: CancelReason, stopped: &mut Cancelled) {
        if self
            .cancelled
            .is_some_and(|known| !reason.is_graver_than(known))
        {
            return;
        }
        self.cancelled = Some(reason);
        if let Some(cancellation) = &self.cancellation {
            stopped.push((Arc::clone(cancellation), reason));
        }
    }

    /// Stops it if its time is over; otherwise `next` includes when that will be.
    pub(super) fn expire(&mut self, now: Instant, next: &mut Next, stopped: &mut Cancelled) {
        if self.times.cap <= now {
            return self.cancel(CancelReason::Cap, stopped);
        }
        if self.times.deadline <= now {
            self.cancel(CancelReason::Deadline, stopped);
        }
        next.include(match self.cancelled {
            None => self.times.deadline.min(self.times.cap),
            Some(_) => self.times.cap,
        });
    }
}
