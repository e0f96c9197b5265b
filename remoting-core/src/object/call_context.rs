//! What a running handler can know of its call, and say back.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::context;
use crate::clock;
use crate::descriptor::MethodDescriptor;
use crate::error::Error;
use crate::payload::{Headers, header_of, pairs};
use crate::peer::Peer;
use crate::proxy::ReplyHeaders;
use crate::session::Cancellation;
use crate::trace::TraceContext;

/// The call that is being handled: who made it, how long it may take, what came with it.
///
/// A context may be kept and sent to other threads; it then tells of the call it was
/// taken from, also after that call has ended. (.NET: `CallContext`.)
#[derive(Clone)]
pub struct CallContext {
    method: &'static MethodDescriptor,
    peer: Arc<Peer>,
    deadline: Instant,
    headers: Headers,
    reply: ReplyHeaders,
    cancellation: Arc<Cancellation>,
}

impl CallContext {
    /// The context of the call whose handler runs here, or `None` outside of one.
    ///
    /// It is seen by the handler itself, not by tasks that the handler starts.
    pub fn current() -> Option<Self> {
        context::with_active(|active| Self {
            method: active.method,
            peer: Arc::clone(&active.peer),
            deadline: active.deadline,
            headers: active.headers.clone(),
            reply: active.reply.get_or_insert_default().clone(),
            cancellation: Arc::clone(active.cancellation.get_or_insert_default()),
        })
    }

    /// The name of the method that was called.
    pub fn method(&self) -> &'static str {
        self.method.name
    }

    /// Who called: where it is, by which certificate it has proved who it is, and whom the host takes it
    /// for. What a server that the host's channel is mounted in tells of its callers is up to that
    /// server.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// When the caller stops waiting.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// How long the caller will still wait.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(clock::now())
    }

    /// Whether nobody waits for the result any more: the caller gave up, went away, or its time is over.
    ///
    /// A `&mut self` method and a `#[detached]` one run on and can look here.
    pub fn is_cancelled(&self) -> bool {
        self.cancellation.reason().is_some() || clock::now() >= self.deadline
    }

    /// Ends when nobody waits for the result any more.
    pub async fn cancelled(&self) {
        self.cancellation.watch().await;
    }

    /// The value that the caller sent under `name`.
    pub fn header(&self, name: &str) -> Option<&str> {
        header_of(pairs(&self.headers), name)
    }

    /// The place in a trace that the call has, where its caller has told one: the headers `traceparent` and `tracestate`.
    pub fn trace(&self) -> Option<TraceContext> {
        TraceContext::of_headers(pairs(&self.headers))
    }

    /// Sets a header that goes back with the reply, whatever that is, in the place of one of the same name. The caller gets
    /// it by [`Call::reply_headers`](crate::Call::reply_headers), and sinks see it on its way.
    ///
    /// One that is set when the method has ended goes nowhere. A panic loses all.
    ///
    /// # Errors
    ///
    /// `TooLarge` if these were more than 64 headers, or more than 8 KiB in all; nothing is changed then.
    pub fn set_reply_header(
        &self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<(), Error> {
        self.reply.set(name.into(), value.into())
    }

    /// All that the caller sent along, in its order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = pairs(&self.headers).iter();
        pairs.map(|(key, value)| (&**key, &**value))
    }
}

impl fmt::Debug for CallContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallContext")
            .field("method", &self.method())
            .field("peer", &format_args!("{}", self.peer()))
            .field("remaining", &self.remaining())
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}
