//! A call while it runs: its context in place, its panics caught, its end decided.
//!
//! One rule for a caller that gave up, a deadline that passed and a client that
//! died: a method that may be cut is dropped at its next await; another one runs to
//! its end, sees that nobody waits, and is cut only at the host's cap.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

use super::context::Active;
use super::{Pinned, Profile, internal, profile};
use crate::clock;
use crate::descriptor::MethodDescriptor;
use crate::error::{Error, ErrorKind, Executed, Fault};
use crate::limits::Reached;
use crate::payload::Payload;
use crate::session::{CancelReason, Cancellation};

/// A call that has been dispatched, between two polls.
pub(crate) struct Running<R = Payload> {
    future: Option<Pinned<'static, Result<R, Fault>>>,
    context: Option<Active>,
    method: &'static MethodDescriptor,
}

impl<R: Send + 'static> Running<R> {
    /// Starts a call: `dispatch` reads its arguments, which runs the user's code.
    pub(crate) fn start(
        context: Active,
        dispatch: impl FnOnce() -> Pinned<'static, Result<R, Fault>>,
    ) -> Self {
        let method = context.method;
        let mut context = Some(context);
        let started = Active::during(&mut context, || catch_unwind(AssertUnwindSafe(dispatch)));
        let future = started.unwrap_or_else(|panic| {
            let text = panic_text(&*panic);
            forget(panic);
            if context.as_ref().is_some_and(|context| context.started) {
                let what = format!("making the object of `{}` panicked", method.name);
                return Box::pin(std::future::ready(Err(internal(method.name, &what, &text))));
            }
            tracing::error!(target: "remoting::call", method = method.name, "reading the arguments panicked: {}", crate::log::clean(&text));
            let fault = Fault::refused(ErrorKind::BadArguments, "the arguments could not be read");
            Box::pin(std::future::ready(Err(fault)))
        });
        Self {
            future: Some(future),
            context,
            method,
        }
    }

    pub(crate) fn method(&self) -> &'static MethodDescriptor {
        self.method
    }

    /// Whether the user's code has begun.
    fn has_started(&self) -> bool {
        self.context.as_ref().is_some_and(|context| context.started)
    }

    /// The handle by which the call is told that nobody waits for it.
    pub(crate) fn cancellation(&mut self) -> Arc<Cancellation> {
        match &mut self.context {
            Some(context) => Arc::clone(context.cancellation.get_or_insert_default()),
            None => Arc::default(),
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<R, Fault>> {
        let Some(future) = &mut self.future else {
            return Poll::Ready(Err(Fault::refused(
                ErrorKind::Internal,
                "the call has ended already",
            )));
        };
        let polled = Active::during(&mut self.context, || {
            catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)))
        });
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(result)) => {
                self.drop_future();
                Poll::Ready(result)
            }
            Err(panic) => {
                let text = panic_text(&*panic);
                forget(panic);
                let name = self.method.name;
                self.drop_future();
                Poll::Ready(Err(internal(name, &format!("`{name}` panicked"), &text)))
            }
        }
    }

    /// What the caller is told of a call that is cut now.
    fn cut(&mut self, reason: CancelReason) -> Error {
        let executed = if self.has_started() {
            Executed::Yes
        } else {
            Executed::No
        };
        self.drop_future();
        let kind = match reason {
            CancelReason::Caller | CancelReason::SessionEnded => ErrorKind::Cancelled,
            CancelReason::Deadline | CancelReason::Cap => ErrorKind::DeadlineExceeded,
        };
        Error::new(kind, kind.sentence()).with_executed(executed)
    }
}

impl<R> Running<R> {
    /// Drops what is left of the call, whose `Drop`s may panic too.
    fn drop_future(&mut self) {
        if let Some(future) = self.future.take() {
            let dropped = Active::during(&mut self.context, || {
                catch_unwind(AssertUnwindSafe(|| drop(future)))
            });
            if let Err(panic) = dropped {
                let text = panic_text(&*panic);
                forget(panic);
                tracing::error!(target: "remoting::call", method = self.method.name, "dropping a call panicked: {}", crate::log::clean(&text));
            }
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
/// - `timed`: where to note how long the first poll took.
pub(crate) async fn supervise<R: Send + 'static>(
    mut running: Running<R>,
    cap: Instant,
    mut timed: Option<(Arc<Profile>, usize)>,
) -> Result<R, Fault> {
    let cancellation = running.cancellation();
    let mut hard: Option<Pin<Box<Sleep>>> = None;
    poll_fn(move |cx| {
        if let Some(reason) = reason_to_cut(&running, &cancellation, cx) {
            return Poll::Ready(Err(Fault::Error(running.cut(reason))));
        }
        if cancellation.reason().is_some() {
            let hard = hard.get_or_insert_with(|| Box::pin(sleep_until(cap.into())));
            if hard.as_mut().poll(cx).is_ready() {
                // Where a session keeps the time, it was not quick enough to say, and count, so.
                let error = running.cut(CancelReason::Cap);
                return Poll::Ready(Err(Fault::Error(error.with_source(Reached::MaxDeadline))));
            }
        }
        let began = clock::now();
        let polled = running.poll(cx);
        let took = clock::now().saturating_duration_since(began);
        match timed.take() {
            Some((profile, index)) => profile.note(index, running.method.name, took),
            None => profile::watch(running.method.name, took),
        }
        polled
    })
    .await
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
    if reason == CancelReason::Cap || !running.has_started() || running.method.may_be_cut() {
        return Some(reason);
    }
    match cancellation.poll_graver(reason, cx) {
        Poll::Ready(CancelReason::Cap) => Some(CancelReason::Cap),
        Poll::Ready(_) | Poll::Pending => None,
    }
}

/// The text of a panic, where it has one.
fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no text".to_owned())
}

/// Drops a panic's value, whose own `Drop` may panic.
fn forget(panic: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
}
