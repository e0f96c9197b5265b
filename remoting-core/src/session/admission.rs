//! Callers that wait for a place: first come, first served.
//!
//! ```text
//! Queued --a place comes free, woken--> Granted --polled--> a pass for the next start
//! Queued --deadline, polled-----------> out, with an error
//! either --left-----------------------> out; a granted place goes to the next
//! ```
//!
//! A message of more than a frame needs room beside its place. Where it waits for that alone, shorter ones pass it.

use std::collections::BTreeMap;
use std::task::{Poll, Waker};
use std::time::Instant;

use super::requests::WaiterId;
use super::time::Next;
use crate::error::{Error, ErrorKind};

/// Those who wait, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Admission {
    queued: BTreeMap<u64, Waiter>,
    /// Those of them whose messages are longer than a frame.
    long: BTreeMap<u64, Waiter>,
    /// How much room comes with each place that was granted.
    granted: BTreeMap<u64, usize>,
    /// That of all.
    coming: usize,
    /// A granted place was polled and not used yet.
    pass: bool,
    /// How much room the message needs for which there was none.
    lacking: usize,
    last: u64,
    next: Next,
}

#[derive(Debug)]
struct Waiter {
    waker: Waker,
    deadline: Instant,
    /// How many bytes of a message need room. None of one that is a frame.
    room: usize,
}

impl Admission {
    /// How many wait or have a place that they have not used.
    pub(super) fn len(&self) -> usize {
        let long = self.long.len();
        long.saturating_add(self.queued.len())
            .saturating_add(self.granted.len())
    }

    /// How many places are spoken for.
    pub(super) fn granted(&self) -> usize {
        self.granted.len()
    }

    /// How much room comes with those.
    pub(super) fn coming(&self) -> usize {
        self.coming
    }

    /// Takes a place back that was granted; tells whether there was one.
    fn take_grant(&mut self, id: WaiterId) -> bool {
        let taken = self.granted.remove(&id.0);
        self.coming = self.coming.saturating_sub(taken.unwrap_or_default());
        taken.is_some()
    }

    /// Whether somebody waits who has no place yet.
    #[inline]
    pub(super) fn has_any(&self) -> bool {
        !self.queued.is_empty() || self.has_long()
    }

    /// Whether somebody waits who has no place yet, and lacks nothing else.
    ///
    /// - `fits`: whether there is so much room.
    pub(super) fn has_queued(&self, fits: impl Fn(usize) -> bool) -> bool {
        !self.queued.is_empty() || self.next_long(fits).is_some()
    }

    /// Whether somebody waits with a message that is longer than a frame.
    pub(super) fn has_long(&self) -> bool {
        !self.long.is_empty()
    }

    /// There was no room for a message of so many bytes, whose caller waits next.
    pub(super) fn lack(&mut self, room: usize) {
        self.lacking = room;
    }

    fn next_long(&self, fits: impl Fn(usize) -> bool) -> Option<u64> {
        let (id, first) = self.long.first_key_value()?;
        fits(first.room).then_some(*id)
    }

    /// Before when nobody's deadline passes.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next.get()
    }

    /// Puts a caller at the end of the queue.
    pub(super) fn wait(&mut self, waker: &Waker, deadline: Instant) -> WaiterId {
        self.last = self.last.saturating_add(1);
        self.next.include(deadline);
        let room = std::mem::take(&mut self.lacking);
        let queue = if room > 0 {
            &mut self.long
        } else {
            &mut self.queued
        };
        queue.insert(
            self.last,
            Waiter {
                waker: waker.clone(),
                deadline,
                room,
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
        let long = self.long.get_mut(&id.0);
        let Some(waiter) = long.or_else(|| self.queued.get_mut(&id.0)) else {
            // Who is in no table may try again without harm.
            self.pass |= self.take_grant(id);
            return Poll::Ready(Ok(()));
        };
        if now < waiter.deadline {
            waiter.waker.clone_from(waker);
            return Poll::Pending;
        }
        self.leave(id);
        let text = "the deadline passed while the call waited for a free place";
        Poll::Ready(Err(Error::new(ErrorKind::DeadlineExceeded, text)))
    }

    /// Takes the pass that the last poll gave, if it gave one.
    pub(super) fn use_pass(&mut self) -> bool {
        self.lacking = 0;
        std::mem::take(&mut self.pass)
    }

    /// Takes a caller out.
    pub(super) fn leave(&mut self, id: WaiterId) {
        self.pass = false;
        self.queued.remove(&id.0);
        self.long.remove(&id.0);
        self.take_grant(id);
    }

    /// Gives a place to the first in the queue that lacks nothing else; it is to be woken.
    ///
    /// - `fits`: whether there is so much room.
    pub(super) fn grant(&mut self, fits: impl Fn(usize) -> bool) -> Option<Waker> {
        let short = self.queued.keys().next().copied();
        let id = [self.next_long(fits), short].into_iter().flatten().min()?;
        let waiter = self.queued.remove(&id).or_else(|| self.long.remove(&id))?;
        self.granted.insert(id, waiter.room);
        self.coming = self.coming.saturating_add(waiter.room);
        Some(waiter.waker)
    }

    /// Collects the wakers of those whose deadline has passed.
    pub(super) fn expire(&mut self, now: Instant, wakers: &mut Vec<Waker>) {
        if !self.next.has_come(now) {
            return;
        }
        self.next.clear();
        for waiter in self.queued.values().chain(self.long.values()) {
            if waiter.deadline <= now {
                wakers.push(waiter.waker.clone());
            } else {
                self.next.include(waiter.deadline);
            }
        }
    }

    /// Those who wait, to look again: some do not wait for a connection.
    pub(super) fn wakers(&self) -> impl Iterator<Item = Waker> {
        let waiting = self.queued.values().chain(self.long.values());
        waiting.map(|waiter| waiter.waker.clone())
    }

    /// Sends everybody away; all who were queued are to be woken.
    pub(super) fn clear(&mut self, wakers: &mut Vec<Waker>) {
        for queue in [&mut self.queued, &mut self.long] {
            let left = std::mem::take(queue).into_values();
            wakers.extend(left.map(|waiter| waiter.waker));
        }
        self.granted.clear();
        self.coming = 0;
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
        assert!(admission.grant(|_| true).is_some());
        assert_eq!(admission.poll(third, waker, now), Poll::Pending);
        assert!(!admission.use_pass());
        assert_eq!(admission.poll(first, waker, now), Poll::Ready(Ok(())));
        assert!(admission.use_pass() && !admission.use_pass());
        assert!(admission.grant(|_| true).is_some());
        assert!(admission.grant(|_| true).is_none());
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
