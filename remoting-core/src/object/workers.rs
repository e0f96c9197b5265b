//! Where handlers run: here, on a task, or on a thread that may block.
//!
//! A handler is polled once where its call was read. Most end there, and cost
//! neither a task nor a wake-up. One that waits goes on as a task; one whose method
//! is known to take long, or is `#[blocking]`, never starts here at all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::sync::Semaphore;

use super::{Profile, Running, supervise};
use crate::clock;
use crate::error::{ErrorKind, Fault};
use crate::limits::{Counters, Limits};
use crate::session::Cancellation;
use crate::sink::ReplyMessage;

/// The room that a host has for running calls.
#[derive(Debug)]
pub(crate) struct Workers {
    limits: Arc<Limits>,
    counters: Arc<Counters>,
    running: AtomicUsize,
    blocking: Arc<Semaphore>,
}

impl Workers {
    pub(crate) fn new(limits: Arc<Limits>, counters: Arc<Counters>) -> Arc<Self> {
        let blocking = Arc::new(Semaphore::new(
            limits.blocking_threads.min(Semaphore::MAX_PERMITS),
        ));
        Arc::new(Self {
            limits,
            counters,
            running: AtomicUsize::new(0),
            blocking,
        })
    }

    /// The room of objects that are called without a host.
    pub(crate) fn of_process() -> Arc<Self> {
        static PROCESS: LazyLock<Arc<Workers>> =
            LazyLock::new(|| Workers::new(Arc::default(), Arc::default()));
        Arc::clone(&PROCESS)
    }

    /// Makes room for one call.
    pub(crate) fn admit(self: &Arc<Self>) -> Result<Permit, Fault> {
        let before = self.running.fetch_add(1, Ordering::Relaxed);
        let permit = Permit(Arc::clone(self));
        if before < self.limits.calls_per_host {
            return Ok(permit);
        }
        self.counters.calls_per_host.add();
        Err(Fault::of(ErrorKind::Overloaded))
    }

    /// The moment at which a call that starts now is cut, whatever it is.
    pub(crate) fn cap(&self, now: Instant) -> Instant {
        now.checked_add(self.limits.max_deadline).unwrap_or(now)
    }

    /// Runs a call. Gives its result if it ended at once.
    ///
    /// - `now`: the time, before and after.
    /// - `detach`: called if the call goes on as a task, with the handle to cancel it; gives
    ///   what is to happen with the result.
    pub(crate) fn launch<D, F>(
        &self,
        mut running: Running,
        profile: (&Arc<Profile>, usize),
        now: &mut Instant,
        permit: Permit,
        detach: D,
    ) -> Option<ReplyMessage>
    where
        D: FnOnce(Arc<Cancellation>) -> F,
        F: FnOnce(ReplyMessage) + Send + 'static,
    {
        let (profile, index) = profile;
        let blocking = running.method().blocking;
        let slow = profile.is_slow(index);
        if !blocking && !slow {
            let polled = running.poll(&mut Context::from_waker(Waker::noop()));
            let began = std::mem::replace(now, clock::now());
            let took = now.saturating_duration_since(began);
            profile.note(index, running.method().name, took);
            if let Poll::Ready(result) = polled {
                return Some(result);
            }
        }
        let finish = detach(running.cancellation());
        let timed = slow.then(|| (Arc::clone(profile), index));
        let supervised = supervise(running, self.cap(*now), timed);
        if blocking {
            self.block(supervised, permit, finish);
        } else {
            tokio::spawn(async move {
                let result = supervised.await;
                drop(permit);
                finish(result);
            });
        }
        None
    }

    /// Runs a call on a thread that it may block, when there is room for one more.
    fn block<F>(
        &self,
        supervised: impl Future<Output = ReplyMessage> + Send + 'static,
        permit: Permit,
        finish: F,
    ) where
        F: FnOnce(ReplyMessage) + Send + 'static,
    {
        let runtime = tokio::runtime::Handle::current();
        let run = move |place| {
            tokio::task::spawn_blocking(move || {
                let result = runtime.block_on(supervised);
                drop((permit, place));
                finish(result);
            });
        };
        let room = Arc::clone(&self.blocking);
        if let Ok(place) = Arc::clone(&room).try_acquire_owned() {
            return run(place);
        }
        self.counters.blocking_threads.add();
        tokio::spawn(async move {
            if let Ok(place) = room.acquire_owned().await {
                run(place);
            }
        });
    }
}

/// Room for one running call, given back on drop.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Workers>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}
