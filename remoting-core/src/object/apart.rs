//! Calls that go on as tasks, and those of their polls that may block.
//!
//! The worker threads of a runtime drive all connections, so none of them may be held by a
//! handler that blocks. A poll that may do so is made on a thread apart, of those that the
//! runtime has for blocking code, while the call's task waits for it like for anything else.
//! What a runtime with one thread does on that stays there.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep};

use super::profile::{Conduct, LONG, Stage};
use super::running::Rule;
use super::{Pinned, Running};
use crate::clock;
use crate::error::{ErrorKind, Fault};
use crate::limits::{Counters, Limits};

/// How long others wait for the first call of a method.
const PATIENCE: Duration = Duration::from_millis(50);

/// The threads on which a host lets its objects block: so many at a time.
#[derive(Debug, Clone)]
pub(super) struct Threads {
    room: Arc<Semaphore>,
    counters: Arc<Counters>,
}

impl Threads {
    pub(super) fn new(limits: &Limits, counters: &Arc<Counters>) -> Self {
        let count = limits.blocking_threads.min(Semaphore::MAX_PERMITS);
        Self {
            room: Arc::new(Semaphore::new(count)),
            counters: Arc::clone(counters),
        }
    }

    /// Takes one, if there is one.
    pub(super) fn try_take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }

    /// Waits for one. `None` is never given, since there is no end to them.
    pub(super) async fn take(self) -> Option<OwnedSemaphorePermit> {
        if let Some(thread) = self.try_take() {
            return Some(thread);
        }
        self.counters.blocking_threads.add();
        self.room.acquire_owned().await.ok()
    }
}

/// The runtime, if it has worker threads, which can do something else while one of them waits.
pub(super) fn runtime_with_workers() -> Option<Handle> {
    let runtime = Handle::try_current().ok()?;
    (runtime.runtime_flavor() == RuntimeFlavor::MultiThread).then_some(runtime)
}

/// The first call of a method ever. Who has read it reads on when its first poll is over, so that
/// calls begin in their order, or when that takes too long.
pub(crate) struct Trial {
    conduct: &'static Conduct,
    over: oneshot::Receiver<()>,
    patience: Pin<Box<Sleep>>,
}

/// Ends a trial, when dropped.
pub(super) type TrialEnd = oneshot::Sender<()>;

impl Trial {
    pub(super) fn new(conduct: &'static Conduct) -> (Self, TrialEnd) {
        let (end, over) = oneshot::channel();
        let patience = Box::pin(sleep(PATIENCE));
        let trial = Self {
            conduct,
            over,
            patience,
        };
        (trial, end)
    }

    /// Waits until others may go on.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if Pin::new(&mut self.over).poll(cx).is_pending() {
            ready!(self.patience.as_mut().poll(cx));
            self.conduct.is_late();
        }
        Poll::Ready(())
    }
}

/// Runs a call to its end as [`supervise`](super::supervise) does, and keeps the worker threads free.
///
/// - `conduct`: what is known of its method.
/// - `trial`: dropped when the first poll is over.
pub(super) async fn supervise_apart<R: Send + 'static>(
    mut running: Running<R>,
    cap: Instant,
    conduct: Option<&'static Conduct>,
    threads: &Threads,
    trial: Option<TrialEnd>,
) -> Result<R, Fault> {
    let mut supervised = Supervised {
        rule: Rule::of(&mut running, cap),
        running: Some(running),
        conduct,
        threads: runtime_with_workers().map(|_| threads),
        place: None,
        away: None,
        trial,
        is_new: true,
    };
    poll_fn(|cx| supervised.poll(cx)).await
}

struct Supervised<'t, R> {
    rule: Rule,
    /// The call, unless it is away.
    running: Option<Running<R>>,
    conduct: Option<&'static Conduct>,
    /// Where it may block, if there is anything besides this thread.
    threads: Option<&'t Threads>,
    /// Waits for a thread.
    place: Option<Pinned<'static, Place>>,
    away: Option<Away<R>>,
    trial: Option<TrialEnd>,
    /// Its task has not polled it yet.
    is_new: bool,
}

/// A call, and what its poll has given.
type Back<R> = (Running<R>, Poll<Result<R, Fault>>);

/// A call that is polled on a thread apart.
struct Away<R> {
    thread: JoinHandle<Back<R>>,
    woken: Arc<Woken>,
}

impl<R: Send + 'static> Supervised<'_, R> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<R, Fault>> {
        loop {
            let mut is_due = true;
            if let Some(away) = &mut self.away {
                let back = ready!(Pin::new(&mut away.thread).poll(cx));
                is_due = away.woken.take();
                self.away = None;
                let Ok((running, polled)) = back else {
                    break;
                };
                self.running = Some(running);
                self.trial = None;
                if polled.is_ready() {
                    return polled;
                }
            }
            let Some(running) = &mut self.running else {
                break;
            };
            if let Some(fault) = self.rule.apply(running, cx) {
                return Poll::Ready(Err(fault));
            }
            if !is_due {
                return Poll::Pending;
            }
            let stage = running.stage();
            let blocking = self.conduct.filter(|conduct| conduct.may_block(stage));
            let news = News::of(stage, self.is_new);
            let Some((conduct, threads)) = blocking.zip(self.threads) else {
                self.place = None;
                self.is_new = false;
                let polled = poll_timed(running, self.conduct, news, cx);
                self.trial = None;
                return polled;
            };
            let place = self
                .place
                .get_or_insert_with(|| Box::pin(place(conduct, threads.clone())));
            let place = ready!(place.as_mut().poll(cx));
            self.place = None;
            let Some(running) = self.running.take() else {
                break;
            };
            self.is_new = false;
            self.away = Some(Away::start(running, (conduct, news), place, cx.waker()));
        }
        let text = "the runtime that the call ran on was shut down";
        Poll::Ready(Err(Fault::executed(ErrorKind::Cancelled, text)))
    }
}

/// Whether a quick poll tells anything of the method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// It does: something has happened that the call waited for, or it begins.
    Fresh,
    /// It does not: the call waits since it was begun elsewhere, and only learns whom to wake.
    Stale,
}

impl News {
    fn of(stage: Stage, is_new: bool) -> Self {
        match stage == Stage::Later && is_new {
            true => Self::Stale,
            false => Self::Fresh,
        }
    }
}

/// Polls a call, and notes how long that took.
pub(crate) fn poll_timed<R: Send + 'static>(
    running: &mut Running<R>,
    conduct: Option<&Conduct>,
    news: News,
    cx: &mut Context<'_>,
) -> Poll<Result<R, Fault>> {
    let Some(conduct) = conduct else {
        return running.poll(cx);
    };
    let stage = running.stage();
    let began = clock::now();
    let polled = running.poll(cx);
    let took = clock::now().saturating_duration_since(began);
    // Until the user's code has begun the call has only waited for its object.
    if took >= LONG || (running.stage() == Stage::Later && news == News::Fresh) {
        conduct.note(stage, took);
    }
    if polled.is_ready() && stage == Stage::Later {
        conduct.note_end();
    }
    polled
}

/// What a poll holds that may block, and gives back on drop: a thread of the host's, or the one that its method has besides.
type Place = Box<dyn Send>;

/// Waits for whichever of the two is free first: the threads may all be held for as long as others like.
async fn place(conduct: &'static Conduct, threads: Threads) -> Place {
    let mut own = pin!(conduct.own_place().acquire());
    let mut thread = pin!(threads.take());
    poll_fn(|cx| {
        if let Poll::Ready(own) = own.as_mut().poll(cx) {
            return Poll::Ready(Box::new(own) as Place);
        }
        let thread = ready!(thread.as_mut().poll(cx));
        Poll::Ready(Box::new(thread) as Place)
    })
    .await
}

impl<R: Send + 'static> Away<R> {
    /// Polls a call on a thread apart.
    ///
    /// - `place`: dropped when the poll is over.
    /// - `task`: woken when the call is to be polled again.
    fn start(
        mut running: Running<R>,
        (conduct, news): (&'static Conduct, News),
        place: Place,
        task: &Waker,
    ) -> Self {
        let woken = Arc::new(Woken {
            is: AtomicBool::new(false),
            task: task.clone(),
        });
        let waker = Waker::from(Arc::clone(&woken));
        let runtime = Handle::current();
        let thread = tokio::task::spawn_blocking(move || {
            // As on a worker: code that would block the runtime there is told so here, too.
            let polled = runtime.block_on(poll_fn(|_| {
                let mut cx = Context::from_waker(&waker);
                Poll::Ready(poll_timed(&mut running, Some(conduct), news, &mut cx))
            }));
            drop(place);
            (running, polled)
        });
        Self { thread, woken }
    }
}

/// Wakes the task of a call, and remembers that it did: the task may be woken by more than one.
struct Woken {
    is: AtomicBool,
    task: Waker,
}

impl Woken {
    fn take(&self) -> bool {
        self.is.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_has_one_place_of_its_own_and_who_waits_for_any_is_given_it() {
        let conduct: &'static Conduct = Box::leak(Box::new(Conduct::new("I", "m")));
        let limits = Limits {
            blocking_threads: 1,
            ..Limits::default()
        };
        let threads = Threads::new(&limits, &Arc::default());
        let mut cx = Context::from_waker(Waker::noop());
        let mut places = [(); 4].map(|()| Box::pin(place(conduct, threads.clone())));
        let mut polled = places.each_mut().map(|place| place.as_mut().poll(&mut cx));
        let ready = polled.each_ref().map(Poll::is_ready);
        assert_eq!(ready, [true, true, false, false], "its own, and a thread");
        let [_, _, third, fourth] = &mut places;
        polled[0] = Poll::Pending;
        let third = third.as_mut().poll(&mut cx);
        assert!(third.is_ready(), "while the thread is held");
        polled[1] = Poll::Pending;
        assert!(fourth.as_mut().poll(&mut cx).is_ready());
    }
}
