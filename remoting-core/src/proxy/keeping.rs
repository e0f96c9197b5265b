//! What connections and promises are to each other: who keeps an answer, who uses it, and who waits for it.

use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::endpoint::{CallState, Fetched, Wire};
use super::promise::{Promise, Use};
use super::{OnRuntime, runtime};
use crate::error::{ErrorKind, Fault};
use crate::id::CallId;
use crate::object::Pinned;
use crate::session::Reply;

/// A connection whose peer keeps answers.
pub(crate) trait Keeper: Send + Sync {
    /// Polls a call that goes to what the answer to `answer` holds.
    fn poll_on_answer(
        self: Arc<Self>,
        answer: CallId,
        call: &mut CallState,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Fetched, Fault>>;

    /// Whether new calls can be made.
    fn takes_calls(&self) -> bool;

    /// Whether an answer may stand for its object in arguments of calls over `session`.
    fn is_lender(&self, session: usize) -> bool;

    /// Has the peer forget the answer.
    fn forget(&self, answer: CallId);
}

/// The wire of a call whose answer is kept: who gives the call up leaves that to the promise, for as long as other
/// calls go there.
pub(crate) struct Keeping {
    wire: Arc<dyn Wire>,
    promise: Weak<Promise>,
}

impl Keeping {
    pub(crate) fn new(wire: Arc<dyn Wire>, promise: &Arc<Promise>) -> Arc<Self> {
        let promise = Arc::downgrade(promise);
        Arc::new(Self { wire, promise })
    }
}

impl Wire for Keeping {
    fn poll_reply(&self, call: CallId, cx: &mut Context<'_>) -> Poll<Result<Reply, Fault>> {
        self.wire.poll_reply(call, cx)
    }

    fn unpack(self: Arc<Self>, reply: Result<Reply, Fault>) -> Result<Fetched, Fault> {
        Arc::clone(&self.wire).unpack(reply)
    }

    fn abandon(&self, call: CallId) {
        match self.promise.upgrade() {
            Some(promise) => promise.give_up(),
            None => self.wire.abandon(call),
        }
    }
}

/// The wire of a call that went to a kept answer: it keeps that from being forgotten.
pub(super) struct Through {
    wire: Arc<dyn Wire>,
    _use: Use,
}

impl Through {
    pub(super) fn new(wire: Arc<dyn Wire>, used: Use) -> Arc<Self> {
        Arc::new(Self { wire, _use: used })
    }
}

impl Wire for Through {
    fn poll_reply(&self, call: CallId, cx: &mut Context<'_>) -> Poll<Result<Reply, Fault>> {
        self.wire.poll_reply(call, cx)
    }

    fn unpack(self: Arc<Self>, reply: Result<Reply, Fault>) -> Result<Fetched, Fault> {
        Arc::clone(&self.wire).unpack(reply)
    }

    fn abandon(&self, call: CallId) {
        self.wire.abandon(call);
    }
}

/// Waits until all promises can travel, if they cannot now.
pub(super) fn behind(
    promises: Vec<Arc<Promise>>,
    session: Option<usize>,
    deadline: Instant,
) -> Pinned<'static, Result<(), Fault>> {
    let mut promises = promises;
    until(deadline, move |cx| {
        while let Some(promise) = promises.last() {
            ready!(promise.poll_argument(session, cx))?;
            promises.pop();
        }
        Poll::Ready(Ok(()))
    })
}

/// Waits for something, until a deadline.
pub(super) fn until(
    deadline: Instant,
    poll: impl FnMut(&mut Context<'_>) -> Poll<Result<(), Fault>> + Send + 'static,
) -> Pinned<'static, Result<(), Fault>> {
    let within = {
        let _runtime = runtime().enter();
        tokio::time::timeout_at(deadline.into(), poll_fn(poll))
    };
    Box::pin(OnRuntime::new(async move {
        within.await.unwrap_or_else(|_| {
            let text = "the deadline passed while the call waited for the answer of another";
            Err(Fault::refused(ErrorKind::DeadlineExceeded, text))
        })
    }))
}
