//! Callers that wait for a place: first come, first served.
//!
//! ```text
//! Queued --a place comes free, woken--> Granted --polled--> a pass for the next start
//! Queued --deadline, polled-----------> out, with an error
//! either --left-----------------------> out; a granted place goes to the next
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::task::{Poll, Waker};
use std::time::Instant;

use super::requests::WaiterId;
use super::time::Next;
use crate::error::{Error, ErrorKind};

/// Those who wait, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Admission {
    queued: BTreeMap<u64, Waiter>,
    granted: BTreeSet<u64>,
    /// A granted place was polled and not used yet.
    pass: bool,
    last: u64,
    next: Next,
}

#[derive(Debug)]
struct Waiter {
    waker: Waker,
    deadline: Instant,
}

impl Admission {
    /// How many wait or have a place that they have not used.
    pub(super) fn len(&self) -> usize {
        self.queued.len().saturating_add(self.granted.len())
    }

    /// How many places are spoken for.
    pub(super) fn granted(&self) -> usize {
        self.granted.len()
    }

    /// Whether somebody waits who has no place yet.
    pub(super) fn has_queued(&self) -> bool {
        !self.queued.is_empty()
    }

    /// Before when nobody's deadline passes.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next.get()
    }

    /// Puts a caller at the end of the queue.
    pub(super) fn wait(&mut self, waker: &Waker, deadline: Instant) -> WaiterId {
        self.last = self.last.saturating_add(1);
        self.next.include(deadline);
        self.queued.insert(
            self.last,
            Waiter {
                waker: waker.clone(),
                deadline,
            },
        );
        WaiterId(self.last)
    }

    /// Is ready when a place was granted, or the deadline has passed.
    pub(super) fn poll(
        &mut self,
        id: WaiterId,
        waker: &Waker,
        now: Instant,
    ) -> Poll<Result<(), Error>> {
        let Some(waiter) = self.queued.get_mut(&id.0) else {
            // Who is in neither table may try again without harm.
            self.pass |= self.granted.remove(&id.0);
            return Poll::Ready(Ok(()));
        };
        if now < waiter.deadline {
            waiter.waker.clone_from(waker);
            return Poll::Pending;
        }
        self.queued.remove(&id.0);
        let text = "the deadline passed while the call waited for a free place";
        Poll::Ready(Err(Error::new(ErrorKind::DeadlineExceeded, text)))
    }

    /// Takes the pass that the last poll gave, if it gave one.
    pub(super) fn use_pass(&mut self) -> bool {
        std::mem::take(&mut self.pass)
    }

    /// Takes a caller out.
    pub(super) fn leave(&mut self, id: WaiterId) {
        self.pass = false;
        self.queued.remove(&id.0);
        self.granted.remove(&id.0);
    }

    /// Gives a place to the first in the queue; it is to be woken.
    pub(super) fn grant(&mut self) -> Option<Waker> {
        let (id, waiter) = self.queued.pop_first()?;
        self.granted.insert(id);
        Some(waiter.waker)
    }

    /// Collects the wakers of those whose deadline has passed.
    pub(super) fn expire(&mut self, now: Instant, wakers: &mut Vec<Waker>) {
        if !self.next.has_come(now) {
            return;
        }
        self.next.clear();
        for waiter in self.queued.values() {
            if waiter.deadline <= now {
                wakers.push(waiter.waker.clone());
            } else {
                self.next.include(waiter.deadline);
            }
        }
    }

    /// Sends everybody away; all who were queued are to be woken.
    pub(super) fn clear(&mut self, wakers: &mut Vec<Waker>) {
        let queued = std::mem::take(&mut self.queued);
        wakers.extend(queued.into_values().map(|waiter| waiter.waker));
        self.granted.clear();
        self.pass = false;
        self.next.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn places_are_granted_in_the_order_of_coming_and_passed_on_by_who_leaves() {
        let now = Instant::now();
        let waker = Waker::noop();
        let mut admission = Admission::default();
        let [first, second, third] =
            [0; 3].map(|_| admission.wait(waker, now + Duration::from_secs(1)));
        admission.leave(second);
        assert!(admission.grant().is_some());
        assert_eq!(admission.poll(third, waker, now), Poll::Pending);
        assert!(!admission.use_pass());
        assert_eq!(admission.poll(first, waker, now), Poll::Ready(Ok(())));
        assert!(admission.use_pass() && !admission.use_pass());
        assert!(admission.grant().is_some());
        assert!(admission.grant().is_none());
        assert_eq!((admission.len(), admission.granted()), (1, 1));
        admission.leave(third);
        assert_eq!(admission.len(), 0);
    }

    #[test]
    fn who_waits_beyond_its_deadline_is_woken_and_gets_an_error() {
        let now = Instant::now();
        let waker = Waker::noop();
        let mut admission = Admission::default();
        let soon = now + Duration::from_secs(1);
        let waiter = admission.wait(waker, soon);
        admission.wait(waker, now + Duration::from_secs(9));
        let mut wakers = Vec::new();
        admission.expire(now, &mut wakers);
        assert!(wakers.is_empty());
        assert_eq!(admission.next(), Some(soon));
        admission.expire(soon, &mut wakers);
        assert_eq!(wakers.len(), 1);
        assert_eq!(admission.next(), Some(now + Duration::from_secs(9)));
        let Poll::Ready(Err(error)) = admission.poll(waiter, waker, soon) else {
            panic!("the wait goes on");
        };
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    }
}
