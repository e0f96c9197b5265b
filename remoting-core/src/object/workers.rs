//! Where handlers run: here, on a task, or on a thread that may block.
//!
//! A handler is polled once where its call was read. Most end there, and cost
//! neither a task nor a wake-up. One that waits goes on as a task. One whose method
//! is known to take long, was never called, or is `#[blocking]`, takes its place at the object
//! here, in its turn, and goes no further: what the user wrote runs on a task or a thread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use super::apart::{Threads, Trial, TrialEnd, runtime_with_workers, supervise_apart};
use super::context::Active;
use super::profile::{Conduct, Stage};
use super::{
    Approach, Around, Busy, Dispatched, RawCall, Running, ServerObject, sinks, supervise,
    wait_at_door,
};
use crate::clock;
use crate::error::{ErrorKind, Fault};
use crate::limits::{Counters, Limits};
use crate::session::Cancellation;
use crate::sink::ReplyMessage;

/// Arguments of more bytes take a while to be read.
const LONG: usize = 4 * 1024;

/// The room that a host has for running calls.
#[derive(Debug)]
pub(crate) struct Workers {
    limits: Arc<Limits>,
    counters: Arc<Counters>,
    running: AtomicUsize,
    threads: Threads,
}

impl Workers {
    pub(crate) fn new(limits: Arc<Limits>, counters: Arc<Counters>) -> Arc<Self> {
        let threads = Threads::new(&limits, &counters);
        Arc::new(Self {
            limits,
            counters,
            running: AtomicUsize::new(0),
            threads,
        })
    }

    /// The room of objects that are called without a host.
    pub(crate) fn of_process() -> Arc<Self> {
        static PROCESS: LazyLock<Arc<Workers>> =
            LazyLock::new(|| Workers::new(Arc::default(), Arc::default()));
        Arc::clone(&PROCESS)
    }

    /// How often each bound was reached.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Makes room for one call.
    pub(crate) fn admit(self: &Arc<Self>) -> Result<Permit, Fault> {
        let before = self.running.fetch_add(1, Ordering::Relaxed);
        let permit = Permit {
            workers: Arc::clone(self),
            busy: None,
        };
        if before < self.limits.calls_per_host {
            return Ok(permit);
        }
        self.counters.calls_per_host.add();
        Err(Fault::of(ErrorKind::Overloaded))
    }

    /// How long a call may run that has come through no channel.
    pub(crate) fn longest(&self) -> Duration {
        self.limits.max_deadline
    }

    /// Runs a call. Gives its result if it ended at once.
    ///
    /// - `now`: the time, before and after.
    /// - `detach`: called if the call goes on as a task, with the handle to cancel it, and with what
    ///   others are to wait for who should begin after it; gives what is to happen with the result.
    pub(crate) fn launch<D, F>(
        &self,
        prepared: Prepared<'_>,
        now: &mut Instant,
        detach: D,
    ) -> Option<ReplyMessage>
    where
        D: FnOnce(Arc<Cancellation>, Option<Trial>) -> F,
        F: FnOnce(ReplyMessage) + Send + 'static,
    {
        let Prepared {
            object,
            call,
            mut context,
            permit,
            around,
            longest,
        } = prepared;
        let (method, size) = (call.method, call.payload.as_slice().len());
        let conduct = conduct_of(&*object, &call);
        context.conduct = conduct;
        let slow = conduct.is_some_and(is_slow_here);
        let dispatch = || sinks::dispatch(around, object, call);
        let (mut running, at_door) = if method.blocking || slow {
            let mut running = Running::start(context, dispatch);
            match running.approach(&mut Context::from_waker(Waker::noop())) {
                Approach::Ended(result) => return Some(result),
                Approach::AtGate => (running, false),
                Approach::AtDoor => (running, true),
            }
        } else {
            let ran = start(context, dispatch, size > LONG, now);
            let began = std::mem::replace(now, clock::now());
            if let Some(conduct) = conduct {
                conduct.note(Stage::First, now.saturating_duration_since(began));
            }
            match ran {
                Ok(result) => return Some(result),
                Err(running) => (running, false),
            }
        };
        let untried = conduct.filter(|conduct| at_door && conduct.is_untried());
        let (trial, trial_end) = untried.map(Trial::new).unzip();
        let finish = detach(running.cancellation(), trial);
        let end = move |result| {
            drop(permit);
            finish(result);
        };
        let cap = cap(*now, longest);
        if method.blocking {
            self.block(running, at_door, cap, end);
        } else {
            self.go_on(running, cap, (conduct, slow, trial_end), end);
        }
        None
    }

    /// Runs a constructor to its end, or until it is cut, and keeps the worker threads free.
    ///
    /// - `conduct`: what is known of it.
    pub(crate) async fn construct<R: Send + 'static>(
        &self,
        running: Running<R>,
        cap: Instant,
        conduct: Option<&'static Conduct>,
    ) -> Result<R, Fault> {
        supervise_apart(running, cap, conduct, &self.threads, None).await
    }

    /// Runs the rest of a call as a task.
    fn go_on<F>(
        &self,
        mut running: Running,
        cap: Instant,
        (conduct, slow, trial): (Option<&'static Conduct>, bool, Option<TrialEnd>),
        end: F,
    ) where
        F: FnOnce(ReplyMessage) + Send + 'static,
    {
        running.open_door();
        let threads = self.threads.clone();
        tokio::spawn(async move {
            if slow {
                // To the back of the queue, from where other worker threads take it: here
                // it would run next, and the reader wait for it.
                tokio::task::yield_now().await;
            }
            end(supervise_apart(running, cap, conduct, &threads, trial).await);
        });
    }

    /// Runs a call on a thread that it may block, when it is at its door and there is room for one more.
    fn block<F>(&self, mut running: Running, at_door: bool, cap: Instant, end: F)
    where
        F: FnOnce(ReplyMessage) + Send + 'static,
    {
        if at_door {
            if let Some(place) = self.threads.try_take() {
                return on_thread(running, cap, place, end);
            }
        }
        let place = self.threads.clone().take();
        tokio::spawn(async move {
            match wait_at_door(&mut running, cap, place).await {
                Ok(place) => on_thread(running, cap, place, end),
                Err(result) => end(result),
            }
        });
    }
}

/// What is known of a call's method, unless it has a thread to itself anyway.
fn conduct_of(object: &dyn ServerObject, call: &RawCall<'_>) -> Option<&'static Conduct> {
    if call.method.blocking {
        return None;
    }
    object.profile(call.interface).method(call.index)
}

/// Whether a call should start as a task. The first one of all does where it can be kept from blocking others.
pub(crate) fn is_slow_here(conduct: &Conduct) -> bool {
    conduct.is_slow() && (!conduct.is_untried() || runtime_with_workers().is_some())
}

/// Starts a call and polls it once. Gives what is left of it if it waits.
///
/// - `long`: there is much to read, which takes long by itself, wherever the method runs.
/// - `now`: the time before; after, the time when the poll began.
fn start(
    context: Active,
    dispatch: impl FnOnce() -> Dispatched,
    long: bool,
    now: &mut Instant,
) -> Result<ReplyMessage, Running> {
    if !long {
        return Running::start_and_poll(context, dispatch);
    }
    let running = Running::start(context, dispatch);
    *now = clock::now();
    running.poll_once()
}

/// Runs the rest of a call on a thread of its own, for as long as it has `place`.
fn on_thread<F>(mut running: Running, cap: Instant, place: impl Send + 'static, end: F)
where
    F: FnOnce(ReplyMessage) + Send + 'static,
{
    running.open_door();
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        let result = runtime.block_on(supervise(running, cap));
        drop(place);
        end(result);
    });
}

/// A call that is ready to run.
pub(crate) struct Prepared<'f> {
    pub(crate) object: Arc<dyn ServerObject>,
    pub(crate) call: RawCall<'f>,
    pub(crate) context: Active,
    pub(crate) permit: Permit,
    /// What the call passes through.
    pub(crate) around: Around,
    /// How long the call may run, whatever its caller says.
    pub(crate) longest: Duration,
}

/// The moment at which a call that starts now is cut, whatever it is.
pub(crate) fn cap(now: Instant, longest: Duration) -> Instant {
    now.checked_add(longest).unwrap_or(now)
}

/// Room for one running call, and what keeps its object; given back on drop.
pub(crate) struct Permit {
    workers: Arc<Workers>,
    busy: Option<Busy>,
}

impl Permit {
    /// Keeps the object of the call, too.
    pub(crate) fn keeping(mut self, busy: Option<Busy>) -> Self {
        self.busy = busy;
        self
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.workers.running.fetch_sub(1, Ordering::Relaxed);
        drop(self.busy.take());
    }
}
