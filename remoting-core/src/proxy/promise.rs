//! The answer of a call that other calls are made on before it has come.
//!
//! ```text
//! Prepared --the first call on it--> under way --answered--> the object, or why there is none
//! ```
//!
//! While the first call is under way, a connection may tell where its answer will be kept; calls go there
//! then, and behind each other. Where no answer is kept they wait. When the answer has come, calls go on to where it is
//! kept as long as one is under way that went there: so those of one proxy arrive in order. Then they go to the object
//! itself, and the kept answer is forgotten.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::task::AbortHandle;

use super::endpoint::{CallState, Endpoint, Fetched};
use super::keeping::{Keeper, until};
use super::{Reference, ReplyHeaders, call, runtime};
use crate::error::{Error, ErrorKind, Executed, Fault};
use crate::formatter::FormatterRef;
use crate::id::CallId;
use crate::object::Pinned;

/// Takes the object out of an answer.
pub(super) type Open = Box<dyn Fn(&FormatterRef, Fetched) -> Result<Reference, Fault> + Send>;

/// A call whose answer others are made on.
pub(crate) struct Promise {
    /// Where the call goes.
    endpoint: Arc<dyn Endpoint>,
    /// Whether it asks for an object rather than calling one.
    constructs: bool,
    state: Mutex<State>,
}

struct State {
    /// The call, except while it is polled and when it has ended.
    first: Option<First>,
    has_begun: bool,
    place: Place,
    /// The call was given up whose answer is kept.
    is_given_up: bool,
    /// How many calls are under way that went to the kept answer.
    through: usize,
    outcome: Option<Result<Reference, Fault>>,
    /// Those who wait for a change.
    waiting: Vec<Waker>,
    driver: Option<AbortHandle>,
}

struct First {
    call: CallState,
    open: Open,
    /// Where the headers of its reply go.
    headers: Option<ReplyHeaders>,
}

/// Where the answer is kept.
enum Place {
    Nowhere,
    /// A connection is being asked to keep it.
    Asked,
    At(Answer),
}

/// An answer that is kept.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(super) wire: Arc<dyn Keeper>,
    pub(super) call: CallId,
}

/// Where a call on a promise goes.
pub(super) enum Way {
    /// To the kept answer, which stays as long as the second value.
    Answer(Answer, Use),
    Object(Reference),
    Nowhere(Fault),
    /// Nobody knows yet.
    Wait,
}

/// Keeps an answer from being forgotten.
pub(crate) struct Use(Arc<Promise>);

impl Promise {
    /// Takes a call of which nothing has happened.
    pub(super) fn new(
        endpoint: Arc<dyn Endpoint>,
        mut call: CallState,
        open: Open,
        headers: Option<ReplyHeaders>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|promise| {
            call.promise = Some(Weak::clone(promise));
            let constructs = call.is_constructor();
            let first = First {
                call,
                open,
                headers,
            };
            Self {
                endpoint,
                constructs,
                state: Mutex::new(State {
                    first: Some(first),
                    has_begun: false,
                    place: Place::Nowhere,
                    is_given_up: false,
                    through: 0,
                    outcome: None,
                    waiting: Vec::new(),
                    driver: None,
                }),
            }
        })
    }

    /// Where the call goes.
    pub(super) fn endpoint(&self) -> &Arc<dyn Endpoint> {
        &self.endpoint
    }

    /// The object, once the answer has come.
    pub(super) fn object(&self) -> Option<Reference> {
        self.lock().outcome.clone()?.ok()
    }

    /// Sends the call, if that was not done, and has a task see to its answer.
    pub(super) fn begin(self: &Arc<Self>) {
        if std::mem::replace(&mut self.lock().has_begun, true) {
            return;
        }
        let driving = Driving(Arc::downgrade(self));
        // Here, for the call inherits from the one that is running now, and so that others can leave together with it.
        if self
            .poll_first(&mut Context::from_waker(Waker::noop()))
            .is_ready()
        {
            return;
        }
        let driver = runtime().spawn(poll_fn(move |cx| match driving.0.upgrade() {
            Some(promise) => promise.poll_first(cx),
            None => Poll::Ready(()),
        }));
        self.lock().driver = Some(driver.abort_handle());
    }

    /// Drives the call to its end.
    fn poll_first(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(mut first) = self.lock().first.take() else {
            return Poll::Ready(());
        };
        let polled = call::advance(&self.endpoint, &mut first.call, cx);
        let Poll::Ready(fetched) = polled else {
            self.lock().first = Some(first);
            return Poll::Pending;
        };
        call::take_headers(first.headers.as_ref(), &fetched);
        self.end(fetched.and_then(|fetched| (first.open)(&first.call.formatter, fetched)));
        Poll::Ready(())
    }

    fn end(&self, outcome: Result<Reference, Fault>) {
        let (forgotten, waiting) = {
            let mut state = self.lock();
            state.outcome = Some(outcome);
            (state.settle(), std::mem::take(&mut state.waiting))
        };
        forgotten.into_iter().for_each(Answer::forget);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Says that a connection is being asked to keep the answer. `false` if one was asked already.
    pub(crate) fn ask(&self) -> bool {
        let mut state = self.lock();
        let is_free = matches!(state.place, Place::Nowhere);
        if is_free {
            state.place = Place::Asked;
        }
        is_free
    }

    /// The connection that was asked does not keep the answer, or not yet.
    pub(crate) fn is_not_kept(&self) {
        let mut state = self.lock();
        if let Place::Asked = state.place {
            state.place = Place::Nowhere;
        }
    }

    /// Nobody waits any more for the answer that is kept: somebody on the way has given the call up.
    pub(super) fn give_up(&self) {
        let forgotten = {
            let mut state = self.lock();
            state.is_given_up = matches!(state.place, Place::At(_));
            state.settle()
        };
        forgotten.into_iter().for_each(Answer::forget);
    }

    /// The answer will be kept there. Gives those who are to be woken.
    pub(crate) fn is_kept_at(&self, wire: Arc<dyn Keeper>, call: CallId) -> Vec<Waker> {
        let mut state = self.lock();
        state.place = Place::At(Answer { wire, call });
        std::mem::take(&mut state.waiting)
    }

    /// Where a call goes that is made now.
    pub(super) fn way(self: &Arc<Self>) -> Way {
        let mut state = self.lock();
        match (&state.outcome, state.kept()) {
            (Some(Err(fault)), _) => Way::Nowhere(self.told(fault)),
            (_, Some(answer)) => {
                state.through = state.through.saturating_add(1);
                Way::Answer(answer, Use(Arc::clone(self)))
            }
            (Some(Ok(reference)), None) => Way::Object(reference.clone()),
            (None, None) => Way::Wait,
        }
    }

    /// The answer, if it stands for the object in arguments that go over `session` now.
    pub(crate) fn argument(self: &Arc<Self>, session: usize) -> Option<(CallId, Use)> {
        let mut state = self.lock();
        let Place::At(answer) = &state.place else {
            return None;
        };
        if state.outcome.is_some() || !answer.wire.is_lender(session) {
            return None;
        }
        let call = answer.call;
        state.through = state.through.saturating_add(1);
        Some((call, Use(Arc::clone(self))))
    }

    /// Waits until it can stand in arguments: with its answer, or because its object is known.
    ///
    /// - `session`: the one that they go over, if the answer may stand for the object there.
    pub(super) fn poll_argument(
        self: &Arc<Self>,
        session: Option<usize>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Fault>> {
        self.begin();
        let mut state = self.lock();
        match (&state.outcome, &state.place) {
            (Some(Ok(_)), _) => Poll::Ready(Ok(())),
            (Some(Err(fault)), _) => Poll::Ready(Err(self.told(fault))),
            (None, Place::At(answer))
                if session.is_some_and(|session| answer.wire.is_lender(session)) =>
            {
                Poll::Ready(Ok(()))
            }
            (None, _) => {
                state.wait(cx);
                Poll::Pending
            }
        }
    }

    /// Waits until it is known where a call goes.
    pub(super) fn known(self: &Arc<Self>, deadline: Instant) -> Pinned<'static, Result<(), Fault>> {
        let promise = Arc::clone(self);
        until(deadline, move |cx| {
            let mut state = promise.lock();
            if state.outcome.is_some() || state.kept().is_some() {
                return Poll::Ready(Ok(()));
            }
            state.wait(cx);
            Poll::Pending
        })
    }

    /// Waits for the object.
    pub(super) async fn settled(self: Arc<Self>) -> Result<Reference, Fault> {
        poll_fn(|cx| {
            self.begin();
            let mut state = self.lock();
            match &state.outcome {
                Some(outcome) => Poll::Ready(outcome.clone()),
                None => {
                    state.wait(cx);
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// What a call is told whose object was to come from this one, which has failed.
    fn told(&self, fault: &Fault) -> Fault {
        match fault {
            // What was asked for is not there, or nobody could be asked: the call would have been told just that.
            Fault::Error(error)
                if self.constructs || (!error.is_remote() && error.executed() == Executed::No) =>
            {
                Fault::Error(error.clone().with_executed(Executed::No))
            }
            fault => fault.upstream(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The kept answer, if calls can go there.
    fn kept(&self) -> Option<Answer> {
        match &self.place {
            Place::At(answer) if answer.wire.takes_calls() => Some(answer.clone()),
            _ => None,
        }
    }

    /// Stops using the kept answer if it is needed no more; gives it, to be forgotten.
    fn settle(&mut self) -> Option<Answer> {
        let is_over = self.outcome.is_some() || self.is_given_up;
        if self.through > 0 || !is_over || !matches!(self.place, Place::At(_)) {
            return None;
        }
        self.is_given_up = false;
        match std::mem::replace(&mut self.place, Place::Nowhere) {
            Place::At(answer) => Some(answer),
            Place::Nowhere | Place::Asked => None,
        }
    }

    fn wait(&mut self, cx: &Context<'_>) {
        if !self.waiting.iter().any(|known| known.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
    }
}

impl Answer {
    fn forget(self) {
        self.wire.forget(self.call);
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        let forgotten = {
            let mut state = self.0.lock();
            state.through = state.through.saturating_sub(1);
            state.settle()
        };
        forgotten.into_iter().for_each(Answer::forget);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let driver = state.unwrap_or_else(PoisonError::into_inner).driver.take();
        if let Some(driver) = driver {
            driver.abort();
        }
    }
}

/// Who sees to the answer. Dropped before it is there, with its runtime or by a panic, it says that there will be none.
struct Driving(Weak<Promise>);

impl Drop for Driving {
    fn drop(&mut self) {
        let Some(promise) = self.0.upgrade() else {
            return;
        };
        let first = {
            let mut state = promise.lock();
            if state.outcome.is_some() {
                return;
            }
            state.first.take()
        };
        drop(first);
        let text = match std::thread::panicking() {
            true => "a sink of the call panicked",
            false => "the runtime that the call ran on was shut down",
        };
        let error = Error::new(ErrorKind::Cancelled, text);
        promise.end(Err(Fault::Error(error.with_executed(Executed::Unknown))));
    }
}
