//! The flag that tells a running call to stop.
//!
//! Set from the session's lock by way of the effects, read by the task that runs
//! the call and by the user's code inside it. A reason is only ever replaced by a
//! graver one.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use slab::Slab;

use crate::error::{Error, ErrorKind, Executed};

/// Why a call is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CancelReason {
    /// Its caller gave it up.
    Caller,
    /// Its deadline has passed.
    Deadline,
    /// The session that it came through has ended.
    SessionEnded,
    /// Its host stops, and has waited for it long enough.
    HostStopped,
    /// It has run for as long as any call may; it is cut, whatever it does.
    Cap,
}

impl CancelReason {
    /// How grave the reason is. [`Caller`](Self::Caller) and
    /// [`Deadline`](Self::Deadline) are equal, so the first of them stays.
    const fn gravity(self) -> u8 {
        match self {
            Self::Caller | Self::Deadline => 1,
            Self::SessionEnded | Self::HostStopped => 2,
            Self::Cap => 3,
        }
    }

    /// Whether this reason takes the place of `other`.
    pub const fn is_graver_than(self, other: Self) -> bool {
        self.gravity() > other.gravity()
    }

    /// What the caller of a call is told that is cut for this reason.
    ///
    /// - `has_begun`: whether the user's code has.
    pub fn error(self, has_begun: bool) -> Error {
        let kind = match self {
            Self::Caller | Self::SessionEnded => ErrorKind::Cancelled,
            Self::Deadline | Self::Cap => ErrorKind::DeadlineExceeded,
            Self::HostStopped => {
                // A kind that is tried again, where that is safe.
                let (what, executed) = match has_begun {
                    true => ("ended", Executed::Unknown),
                    false => ("begun", Executed::No),
                };
                let text = format!("the host has stopped, and the call had not {what}");
                return Error::new(ErrorKind::Overloaded, text).with_executed(executed);
            }
        };
        let executed = match has_begun {
            true => Executed::Yes,
            false => Executed::No,
        };
        Error::new(kind, kind.sentence()).with_executed(executed)
    }

    const fn number(self) -> u8 {
        match self {
            Self::Caller => 1,
            Self::Deadline => 2,
            Self::SessionEnded => 3,
            Self::Cap => 4,
            Self::HostStopped => 5,
        }
    }

    const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Caller),
            2 => Some(Self::Deadline),
            3 => Some(Self::SessionEnded),
            4 => Some(Self::Cap),
            5 => Some(Self::HostStopped),
            _ => None,
        }
    }
}

/// Whether one call is to stop, and who waits to know.
#[derive(Debug, Default)]
pub struct Cancellation {
    /// The number of the reason, zero while there is none. Changed under the lock.
    reason: AtomicU8,
    waiting: Mutex<Slab<Waker>>,
}

impl Cancellation {
    /// Makes the flag of a call that may go on.
    pub fn new() -> Self {
        Self::default()
    }

    /// Why the call is to stop, if it is.
    pub fn reason(&self) -> Option<CancelReason> {
        CancelReason::from_number(self.reason.load(Ordering::Acquire))
    }

    /// Tells the call to stop and wakes all who wait for that.
    ///
    /// Does nothing if the call was told so before for a reason as grave.
    pub fn cancel(&self, reason: CancelReason) {
        self.set(reason).into_iter().for_each(Waker::wake);
    }

    /// Tells many calls to stop: all of them before any goes on. What one leaves behind, another that has waited for it
    /// does not take up.
    pub fn cancel_all(calls: &[Arc<Self>], reason: CancelReason) {
        let wakers: Vec<Waker> = calls.iter().flat_map(|call| call.set(reason)).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Gives who is to be woken.
    fn set(&self, reason: CancelReason) -> Vec<Waker> {
        let mut waiting = self.lock();
        if self
            .reason()
            .is_some_and(|known| !reason.is_graver_than(known))
        {
            return Vec::new();
        }
        self.reason.store(reason.number(), Ordering::Release);
        waiting.drain().collect()
    }

    /// Is ready once the call is to stop.
    ///
    /// Keeps the waker until then: meant for the one task that runs the call. Others
    /// take a [`watch`](Self::watch).
    pub fn poll_cancelled(&self, cx: &mut Context<'_>) -> Poll<CancelReason> {
        self.poll_past(None, &mut None, cx)
    }

    /// Is ready once the call is to stop for a graver reason than `known`.
    ///
    /// Keeps the waker as [`poll_cancelled`](Self::poll_cancelled) does.
    pub fn poll_graver(&self, known: CancelReason, cx: &mut Context<'_>) -> Poll<CancelReason> {
        self.poll_past(Some(known), &mut None, cx)
    }

    /// Makes a future of [`poll_cancelled`](Self::poll_cancelled) that leaves nothing
    /// behind when it is dropped.
    pub fn watch(self: &Arc<Self>) -> Watch {
        Watch {
            cancellation: Arc::clone(self),
            place: None,
        }
    }

    /// Is ready once there is a reason that is graver than `known`, or any if
    /// `known` is `None`; keeps the waker at `place`.
    fn poll_past(
        &self,
        known: Option<CancelReason>,
        place: &mut Option<usize>,
        cx: &mut Context<'_>,
    ) -> Poll<CancelReason> {
        let enough = |reason: &CancelReason| known.is_none_or(|known| reason.is_graver_than(known));
        if let Some(reason) = self.reason().filter(enough) {
            return Poll::Ready(reason);
        }
        // Made and dropped outside the lock: a waker may be of any runtime.
        let mut waker = cx.waker().clone();
        let mut waiting = self.lock();
        if let Some(reason) = self.reason().filter(enough) {
            drop(waiting);
            return Poll::Ready(reason);
        }
        let known = place.is_none() && waiting.iter().any(|(_, kept)| kept.will_wake(&waker));
        match place.and_then(|place| waiting.get_mut(place)) {
            Some(kept) => std::mem::swap(kept, &mut waker),
            None if known => {}
            None => *place = Some(waiting.insert(waker.clone())),
        }
        drop(waiting);
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until a call is to stop.
#[derive(Debug)]
pub struct Watch {
    cancellation: Arc<Cancellation>,
    /// Where the waker is kept. Valid as long as there is no reason: one empties the table.
    place: Option<usize>,
}

impl Future for Watch {
    type Output = CancelReason;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CancelReason> {
        let this = self.get_mut();
        let mut place = this.place.or(Some(usize::MAX));
        let polled = this.cancellation.poll_past(None, &mut place, cx);
        this.place = place;
        polled
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut waiting = self.cancellation.lock();
        let place = self.place.filter(|_| self.cancellation.reason().is_none());
        let waker = place.and_then(|place| waiting.try_remove(place));
        drop(waiting);
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll(cancellation: &Cancellation, counted: &Arc<Counted>) -> Poll<CancelReason> {
        let waker = Waker::from(Arc::clone(counted));
        cancellation.poll_cancelled(&mut Context::from_waker(&waker))
    }

    #[test]
    fn who_waits_is_woken_once_and_learns_the_reason() {
        let cancellation = Cancellation::new();
        let counted = Arc::new(Counted::default());
        assert_eq!(poll(&cancellation, &counted), Poll::Pending);
        assert_eq!(poll(&cancellation, &counted), Poll::Pending);
        cancellation.cancel(CancelReason::Caller);
        assert_eq!(counted.0.load(Ordering::Relaxed), 1);
        assert_eq!(
            poll(&cancellation, &counted),
            Poll::Ready(CancelReason::Caller)
        );
    }

    #[test]
    fn a_reason_gives_way_to_a_graver_one_only() {
        let cancellation = Cancellation::new();
        cancellation.cancel(CancelReason::Deadline);
        cancellation.cancel(CancelReason::Caller);
        assert_eq!(cancellation.reason(), Some(CancelReason::Deadline));

        let counted = Arc::new(Counted::default());
        let waker = Waker::from(Arc::clone(&counted));
        let cx = &mut Context::from_waker(&waker);
        assert!(
            cancellation
                .poll_graver(CancelReason::Deadline, cx)
                .is_pending()
        );
        cancellation.cancel(CancelReason::Cap);
        cancellation.cancel(CancelReason::SessionEnded);
        assert_eq!(counted.0.load(Ordering::Relaxed), 1);
        let graver = cancellation.poll_graver(CancelReason::Deadline, cx);
        assert_eq!(graver, Poll::Ready(CancelReason::Cap));
    }

    /// Looks, when it is woken, what another call knows.
    struct Looking(Arc<Cancellation>, Mutex<Option<CancelReason>>);

    impl Wake for Looking {
        fn wake(self: Arc<Self>) {
            *self.1.lock().unwrap() = self.0.reason();
        }
    }

    #[test]
    fn calls_that_are_told_together_all_know_before_any_goes_on() {
        let calls = [Arc::default(), Arc::<Cancellation>::default()];
        let looking = Arc::new(Looking(Arc::clone(&calls[1]), Mutex::default()));
        let waker = Waker::from(Arc::clone(&looking));
        let cx = &mut Context::from_waker(&waker);
        assert!(calls[0].poll_cancelled(cx).is_pending());
        Cancellation::cancel_all(&calls, CancelReason::HostStopped);
        assert_eq!(*looking.1.lock().unwrap(), Some(CancelReason::HostStopped));
    }

    #[test]
    fn a_watch_that_is_dropped_leaves_nothing_behind() {
        let cancellation = Arc::new(Cancellation::new());
        let lasting = Arc::new(Counted::default());
        let waker = Waker::from(Arc::clone(&lasting));
        let mut watch = cancellation.watch();
        assert!(
            Pin::new(&mut watch)
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        for _ in 0..100 {
            let other = Waker::from(Arc::new(Counted::default()));
            let mut watch = cancellation.watch();
            assert!(
                Pin::new(&mut watch)
                    .poll(&mut Context::from_waker(&other))
                    .is_pending()
            );
        }
        assert_eq!(cancellation.lock().len(), 1);
        cancellation.cancel(CancelReason::Caller);
        assert_eq!(lasting.0.load(Ordering::Relaxed), 1);
        let polled = Pin::new(&mut watch).poll(&mut Context::from_waker(&waker));
        assert_eq!(polled, Poll::Ready(CancelReason::Caller));
    }
}
