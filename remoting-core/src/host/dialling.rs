//! A dialling that many may wait for.
//!
//! Here --its first caller polls it--> Polled --> Here, or Gone when it has ended
//! Here, Polled --somebody else waits too, or the first caller gives up--> Gone: a task goes on
//!
//! A caller that is alone dials in its own task, so that its call leaves where the connection is made,
//! without a change of threads. Nobody depends on another caller's being polled: as soon as there
//! are two, neither of them dials.

use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::channel::BoxFuture;
use crate::error::{Error, ErrorKind};

/// A dialling and what comes of it.
#[derive(Clone)]
pub(super) struct Dialling<T> {
    outcome: Arc<Outcome<T>>,
    work: Arc<Work>,
}

/// What has come of a dialling.
struct Outcome<T> {
    result: OnceLock<Result<T, Error>>,
    /// Without permits, and closed when nothing more comes: those who wait are told in the order in which they came.
    waiting: Semaphore,
}

/// Who brings about an outcome. Dropped, it has: there is one by then, or there will be none.
struct Bringer<T>(Arc<Outcome<T>>);

impl<T> Drop for Bringer<T> {
    fn drop(&mut self) {
        self.0.waiting.close();
    }
}

struct Work {
    place: Mutex<Place>,
    /// Where it is done, whoever does it.
    runtime: Handle,
}

/// Where the dialling is done.
enum Place {
    /// By its first caller, whenever that is polled. The waker is that caller's.
    Here(BoxFuture<'static, ()>, Option<Waker>),
    /// By the same, at this moment.
    Polled {
        /// It is to go on in a task of its own.
        wanted: bool,
    },
    /// In a task of its own, or nowhere: it has ended.
    Gone,
}

impl<T: Clone + Send + Sync + 'static> Dialling<T> {
    /// Does nothing until somebody waits.
    pub(super) fn new(
        runtime: &Handle,
        dial: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Self {
        let outcome = Arc::new(Outcome {
            result: OnceLock::new(),
            waiting: Semaphore::new(0),
        });
        let bringer = Bringer(Arc::clone(&outcome));
        let work = Box::pin(async move {
            let result = dial.await;
            let _first = bringer.0.result.set(result);
            drop(bringer);
        });
        Self {
            outcome,
            work: Arc::new(Work {
                place: Mutex::new(Place::Here(work, None)),
                runtime: runtime.clone(),
            }),
        }
    }

    /// Whether something may still come of it.
    pub(super) fn is_under_way(&self) -> bool {
        !self.outcome.waiting.is_closed()
    }

    /// Dials, as the first caller. A dropped future leaves the dialling to a task.
    pub(super) async fn lead(self) -> Result<T, Error> {
        let lead = Lead(Arc::clone(&self.work));
        poll_fn(|cx| lead.0.poll(cx)).await;
        self.ended().await
    }

    /// Waits, as one of several callers; from now on, a task dials.
    pub(super) fn join(self) -> impl Future<Output = Result<T, Error>> + Send {
        self.work.detach();
        self.ended()
    }

    async fn ended(self) -> Result<T, Error> {
        let _closed = self.outcome.waiting.acquire().await;
        let result = self.outcome.result.get().cloned();
        result.unwrap_or_else(|| Err(was_cut()))
    }
}

/// The error of those whose dialling ended with the runtime it ran on; a call dials again.
fn was_cut() -> Error {
    let text = "the runtime that dialled was shut down";
    Error::new(ErrorKind::Disconnected, text)
}

/// The first caller's part in a dialling.
struct Lead(Arc<Work>);

impl Drop for Lead {
    fn drop(&mut self) {
        self.0.detach();
    }
}

impl Work {
    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does a part of the work, unless a task does it or it is done.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut place = self.place();
        let Place::Here(mut work, _) = std::mem::replace(&mut *place, Place::Gone) else {
            return Poll::Ready(());
        };
        *place = Place::Polled { wanted: false };
        drop(place);
        let polled = {
            let _entered = self.runtime.enter();
            work.as_mut().poll(cx)
        };
        let mut place = self.place();
        let wanted = matches!(*place, Place::Polled { wanted: true });
        if polled.is_pending() && !wanted {
            *place = Place::Here(work, Some(cx.waker().clone()));
            return Poll::Pending;
        }
        *place = Place::Gone;
        drop(place);
        if polled.is_pending() {
            self.runtime.spawn(work);
        }
        Poll::Ready(())
    }

    /// Has a task go on.
    fn detach(&self) {
        let work = {
            let mut place = self.place();
            match &mut *place {
                Place::Polled { wanted } => {
                    *wanted = true;
                    return;
                }
                Place::Here(..) | Place::Gone => std::mem::replace(&mut *place, Place::Gone),
            }
        };
        if let Place::Here(work, first) = work {
            self.runtime.spawn(work);
            // It has to wait for the outcome from now on.
            first.into_iter().for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    /// A dialling that gives what is sent.
    fn dialling() -> (oneshot::Sender<u32>, Dialling<u32>) {
        let (sender, receiver) = oneshot::channel();
        let dial = async move { receiver.await.map_err(|_| was_cut()) };
        (sender, Dialling::new(&Handle::current(), dial))
    }

    #[tokio::test]
    async fn a_caller_that_is_alone_dials_in_its_own_task() {
        let (sender, dialling) = dialling();
        let mut lead = Box::pin(dialling.lead());
        assert!(poll(&mut lead).is_pending());
        sender.send(7).unwrap();
        // No other task has run meanwhile.
        assert_eq!(poll(&mut lead), Poll::Ready(Ok(7)));
    }

    #[tokio::test]
    async fn a_second_caller_needs_nobody_to_poll_the_first() {
        let (sender, dialling) = dialling();
        let mut lead = Box::pin(dialling.clone().lead());
        assert!(poll(&mut lead).is_pending());
        let join = dialling.join();
        sender.send(7).unwrap();
        assert_eq!(join.await, Ok(7));
        assert_eq!(poll(&mut lead), Poll::Ready(Ok(7)));
    }

    #[tokio::test]
    async fn callers_that_wait_are_all_told() {
        let (sender, dialling) = dialling();
        let lead = tokio::spawn(dialling.clone().lead());
        tokio::task::yield_now().await;
        let joins: Vec<_> = (0..3)
            .map(|_| tokio::spawn(dialling.clone().join()))
            .collect();
        tokio::task::yield_now().await;
        sender.send(7).unwrap();
        assert_eq!(lead.await.unwrap(), Ok(7));
        for join in joins {
            assert_eq!(join.await.unwrap(), Ok(7));
        }
    }

    #[tokio::test]
    async fn a_first_caller_that_gives_up_leaves_the_dialling_to_a_task() {
        let (sender, dialling) = dialling();
        let mut lead = Box::pin(dialling.clone().lead());
        assert!(poll(&mut lead).is_pending());
        drop(lead);
        sender.send(7).unwrap();
        assert_eq!(dialling.ended().await, Ok(7));
    }

    #[tokio::test]
    async fn a_second_caller_may_come_while_the_first_is_polled() {
        let (sender, receiver) = oneshot::channel();
        let (tell, told) = oneshot::channel::<Dialling<u32>>();
        let (tell_joined, joined) = oneshot::channel();
        let dial = async move {
            let own = told.await.map_err(|_| was_cut())?;
            let _unpolled = tell_joined.send(Box::pin(own.join()));
            receiver.await.map_err(|_| was_cut())
        };
        let dialling = Dialling::new(&Handle::current(), dial);
        assert!(tell.send(dialling.clone()).is_ok());
        let mut lead = Box::pin(dialling.lead());
        assert!(poll(&mut lead).is_pending());
        let Ok(join) = joined.await else {
            panic!("the dialling was not polled")
        };
        sender.send(7).unwrap();
        assert_eq!(join.await, Ok(7));
        assert_eq!(lead.await, Ok(7));
    }

    #[test]
    fn callers_are_told_when_the_runtime_is_gone() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (_sender, dialling) = runtime.block_on(async { dialling() });
        let join = dialling.clone().join();
        drop(runtime);
        let waiting = tokio::runtime::Runtime::new().unwrap();
        let error = waiting.block_on(join).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Disconnected);
        assert!(!dialling.is_under_way());
    }
}
