//! A call while it runs: its context in place, its panics caught, its end decided.
//!
//! One rule for a caller that gave up, a deadline that passed and a client that
//! died: a method that may be cut is dropped at its next await; another one runs to
//! its end, sees that nobody waits, and is cut only at the host's cap.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

use super::context::{Active, Door, Visit};
use super::profile::Stage;
use super::{Pinned, internal};
use crate::descriptor::MethodDescriptor;
use crate::error::{Error, ErrorKind, Fault};
use crate::limits::Reached;
use crate::payload::Payload;
use crate::session::{CancelReason, Cancellation};

/// A call that has been dispatched, between two polls.
pub(crate) struct Running<R = Payload> {
    future: Option<Pinned<'static, Result<R, Fault>>>,
    context: Option<Box<Visit>>,
    method: &'static MethodDescriptor,
}

/// How far a call has come that goes no further than to its door.
pub(crate) enum Approach<R = Payload> {
    /// It ended before the user's code began.
    Ended(Result<R, Fault>),
    /// It waits, in its turn, to be let in to the object.
    AtGate,
    /// It is inside, and the user's code is next.
    AtDoor,
}

impl<R: Send + 'static> Running<R> {
    /// Starts a call: `dispatch` reads its arguments, which runs the user's code.
    pub(crate) fn start(
        context: Active,
        dispatch: impl FnOnce() -> Pinned<'static, Result<R, Fault>>,
    ) -> Self {
        let mut running = Self::new(context);
        let Self {
            future, context, ..
        } = &mut running;
        let started = Visit::during(context, || {
            catch_unwind(AssertUnwindSafe(|| *future = Some(dispatch())))
        });
        if let Err(panic) = started {
            let fault = running.failed_to_start(panic);
            running.future = Some(Box::pin(std::future::ready(Err(fault))));
        }
        running
    }

    /// Starts a call and polls it once, without a waker. Gives what is left of it if it waits.
    pub(crate) fn start_and_poll(
        context: Active,
        dispatch: impl FnOnce() -> Pinned<'static, Result<R, Fault>>,
    ) -> Result<Result<R, Fault>, Self> {
        let mut running = Self::new(context);
        let Self {
            future, context, ..
        } = &mut running;
        let mut result = None;
        let polled = Visit::during(context, || {
            catch_unwind(AssertUnwindSafe(|| {
                let started = future.insert(dispatch());
                let cx = &mut Context::from_waker(Waker::noop());
                if let Poll::Ready(ended) = started.as_mut().poll(cx) {
                    result = Some(ended);
                    *future = None;
                }
            }))
        });
        match (polled, result) {
            (Ok(()), Some(result)) => Ok(result),
            (Ok(()), None) => Err(running),
            (Err(panic), result) => Ok(running.panicked(panic, result)),
        }
    }

    /// Polls a call that was started once, without a waker. Gives what is left of it if it waits.
    pub(crate) fn poll_once(mut self) -> Result<Result<R, Fault>, Self> {
        match self.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Ok(result),
            Poll::Pending => Err(self),
        }
    }

    fn new(context: Active) -> Self {
        Self {
            method: context.method,
            future: None,
            context: Some(Visit::new(context)),
        }
    }

    /// What the caller is told if reading the arguments, or making the object, has panicked.
    fn failed_to_start(&self, panic: Box<dyn Any + Send>) -> Fault {
        let text = panic_text(&*panic);
        forget(panic);
        let name = self.method.name;
        if self.has_started() {
            return internal(
                name,
                &format!("making the object of `{name}` panicked"),
                &text,
            );
        }
        unreadable(name, &text)
    }

    /// What the caller is told after a panic in a poll, or in dropping what has given `result`.
    fn panicked(
        &mut self,
        panic: Box<dyn Any + Send>,
        result: Option<Result<R, Fault>>,
    ) -> Result<R, Fault> {
        if let Some(result) = result {
            report_drop(self.method.name, panic);
            return result;
        }
        if self.future.is_none() {
            return Err(self.failed_to_start(panic));
        }
        let started = self.has_started();
        self.drop_future();
        Err(fault_of(self.method.name, started, panic))
    }

    /// Whether the user's code has begun.
    fn has_started(&self) -> bool {
        self.context
            .as_ref()
            .is_some_and(|visit| visit.active.started)
    }

    /// Which poll the next one is.
    pub(super) fn stage(&self) -> Stage {
        match self.has_started() {
            true => Stage::Later,
            false => Stage::First,
        }
    }

    /// Whether the user's code has begun and not ended: afterwards only sinks are left.
    fn is_inside(&self) -> bool {
        let visit = self.context.as_ref();
        visit.is_some_and(|visit| visit.active.started && !visit.active.ended)
    }

    /// The handle by which the call is told that nobody waits for it.
    pub(crate) fn cancellation(&mut self) -> Arc<Cancellation> {
        match &mut self.context {
            Some(visit) => Arc::clone(visit.active.cancellation.get_or_insert_default()),
            None => Arc::default(),
        }
    }

    /// Polls a call up to its door: it takes its place at the object's gate, and no code of the
    /// user's runs.
    pub(crate) fn approach(&mut self, cx: &mut Context<'_>) -> Approach<R> {
        self.set_door(Door::Shut);
        match self.poll(cx) {
            Poll::Ready(result) => Approach::Ended(result),
            Poll::Pending => match &self.context {
                Some(visit) if visit.door == Door::Reached => Approach::AtDoor,
                _ => Approach::AtGate,
            },
        }
    }

    /// Lets the call go on past its door from its next poll on.
    pub(crate) fn open_door(&mut self) {
        self.set_door(Door::Open);
    }

    fn set_door(&mut self, door: Door) {
        let set = self.context.as_mut().map(|visit| visit.set_door(door));
        if let Some((_, Some(waiting))) = set {
            waiting.wake();
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<R, Fault>> {
        let (future, context) = (&mut self.future, &mut self.context);
        if future.is_none() {
            let fault = Fault::refused(ErrorKind::Internal, "the call has ended already");
            return Poll::Ready(Err(fault));
        }
        let mut result = None;
        let polled = Visit::during(context, || {
            catch_unwind(AssertUnwindSafe(|| {
                let polled = future.as_mut().map(|future| future.as_mut().poll(cx));
                if let Some(Poll::Ready(ended)) = polled {
                    result = Some(ended);
                    *future = None;
                }
            }))
        });
        match (polled, result) {
            (Ok(()), Some(result)) => Poll::Ready(result),
            (Ok(()), None) => Poll::Pending,
            (Err(panic), result) => Poll::Ready(self.panicked(panic, result)),
        }
    }

    /// What the caller is told of a call that is cut now.
    fn cut(&mut self, reason: CancelReason) -> Error {
        let has_begun = self.has_started();
        self.drop_future();
        reason.error(has_begun)
    }
}

impl<R> Running<R> {
    /// Drops what is left of the call, whose `Drop`s may panic too.
    fn drop_future(&mut self) {
        if let Some(future) = self.future.take() {
            let method = self.method.name;
            Visit::during(&mut self.context, || drop_caught(method, future));
        }
    }
}

impl<R> Drop for Running<R> {
    fn drop(&mut self) {
        self.drop_future();
    }
}

/// Runs a call to its end, or until the one rule says that it is cut.
///
/// Whoever hands out the call's cancellation ends it at its deadline at the latest.
///
/// - `cap`: the moment at which a call is cut that nobody waits for any more.
pub(crate) async fn supervise<R: Send + 'static>(
    mut running: Running<R>,
    cap: Instant,
) -> Result<R, Fault> {
    let mut rule = Rule::of(&mut running, cap);
    poll_fn(move |cx| match rule.apply(&mut running, cx) {
        Some(fault) => Poll::Ready(Err(fault)),
        None => running.poll(cx),
    })
    .await
}

/// Brings a call to its door and keeps it there until `place` is there for it.
///
/// The place is asked for when the call has come to the door, so that calls which wait for an
/// object keep none from those who do not.
///
/// # Errors
///
/// How the call ended, if it did so by itself or was cut.
pub(crate) async fn wait_at_door<R: Send + 'static, P>(
    running: &mut Running<R>,
    cap: Instant,
    place: impl Future<Output = P>,
) -> Result<P, Result<R, Fault>> {
    let mut rule = Rule::of(running, cap);
    let mut place = pin!(place);
    let mut arrived = false;
    poll_fn(move |cx| {
        if let Some(fault) = rule.apply(running, cx) {
            return Poll::Ready(Err(Err(fault)));
        }
        if !arrived {
            match running.approach(cx) {
                Approach::Ended(result) => return Poll::Ready(Err(result)),
                Approach::AtGate => return Poll::Pending,
                Approach::AtDoor => arrived = true,
            }
        }
        place.as_mut().poll(cx).map(Ok)
    })
    .await
}

/// The one rule, for one call.
pub(super) struct Rule {
    cancellation: Arc<Cancellation>,
    cap: Instant,
    hard: Option<Pin<Box<Sleep>>>,
}

impl Rule {
    pub(super) fn of<R: Send + 'static>(running: &mut Running<R>, cap: Instant) -> Self {
        Self {
            cancellation: running.cancellation(),
            cap,
            hard: None,
        }
    }

    /// Cuts the call if the rule says so, and gives what its caller is told then.
    pub(super) fn apply<R: Send + 'static>(
        &mut self,
        running: &mut Running<R>,
        cx: &mut Context<'_>,
    ) -> Option<Fault> {
        if let Some(reason) = reason_to_cut(running, &self.cancellation, cx) {
            return Some(Fault::Error(running.cut(reason)));
        }
        self.cancellation.reason()?;
        let cap = self.cap.into();
        let hard = self.hard.get_or_insert_with(|| Box::pin(sleep_until(cap)));
        if hard.as_mut().poll(cx).is_pending() {
            return None;
        }
        // Where a session keeps the time, it was not quick enough to say, and count, so.
        let error = running.cut(CancelReason::Cap);
        Some(Fault::Error(error.with_source(Reached::MaxDeadline)))
    }
}

/// Decides whether a call is to be cut now, and makes sure to be woken when that may change.
fn reason_to_cut<R: Send + 'static>(
    running: &Running<R>,
    cancellation: &Cancellation,
    cx: &mut Context<'_>,
) -> Option<CancelReason> {
    let Poll::Ready(reason) = cancellation.poll_cancelled(cx) else {
        return None;
    };
    if reason == CancelReason::Cap || !running.is_inside() || running.method.may_be_cut() {
        return Some(reason);
    }
    let is_cap = cancellation.poll_graver(reason, cx) == Poll::Ready(CancelReason::Cap);
    is_cap.then_some(CancelReason::Cap)
}

/// What the caller is told of a panic in a call.
pub(crate) fn fault_of(method: &str, started: bool, panic: Box<dyn Any + Send>) -> Fault {
    let text = panic_text(&*panic);
    forget(panic);
    match started {
        true => internal(method, &format!("`{method}` panicked"), &text),
        false => unreadable(method, &text),
    }
}

/// Drops a part of a call, whose `Drop`s may panic.
pub(crate) fn drop_caught(method: &str, part: impl Sized) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(part))) {
        report_drop(method, panic);
    }
}

/// What the caller is told of arguments whose reading has panicked.
fn unreadable(method: &str, text: &str) -> Fault {
    tracing::error!(target: "remoting::call", method, "reading the arguments panicked: {}", crate::log::clean(text));
    Fault::refused(ErrorKind::BadArguments, "the arguments could not be read")
}

/// Notes that dropping what is left of a call has panicked.
fn report_drop(method: &str, panic: Box<dyn Any + Send>) {
    let text = panic_text(&*panic);
    forget(panic);
    tracing::error!(target: "remoting::call", method, "dropping a call panicked: {}", crate::log::clean(&text));
}

/// The text of a panic, where it has one.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no text".to_owned())
}

/// Drops a panic's value, whose own `Drop` may panic.
pub(super) fn forget(panic: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
}
