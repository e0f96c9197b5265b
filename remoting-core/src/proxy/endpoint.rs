//! What a reference can lead to, as calls see it.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::keeping::behind;
use super::passage::promises;
use super::promise::Promise;
use super::{CallOptions, ConnectPolicy, Reference};
use crate::clock;
use crate::descriptor::{InterfaceDescriptor, MethodDescriptor};
use crate::error::{Error, Executed, Fault};
use crate::formatter::FormatterRef;
use crate::id::{CallId, MethodId, Slot};
use crate::limits::Limits;
use crate::object::{Flow, Pinned, ServerObject};
use crate::payload::Payload;
use crate::session::Reply;
use crate::sink::Sinks;
use crate::wire::locks::LockTokens;

/// Where calls go.
pub(crate) trait Endpoint: Send + Sync {
    /// How arguments are to be written for this endpoint.
    fn formatter(&self) -> FormatterRef;

    /// Drives a call. The state is between two polls whatever the endpoint left in it.
    fn poll(&self, call: &mut CallState, cx: &mut Context<'_>) -> Poll<Result<Fetched, Fault>>;

    /// What calls pass through before they go there, if anything can be.
    fn sinks(&self) -> Option<&Sinks> {
        None
    }

    /// How long a call waits unless something else was said.
    fn default_deadline(&self) -> Duration {
        Limits::default().default_deadline
    }

    /// The URL of the object, if it has one.
    fn url(&self) -> Option<String> {
        None
    }

    /// The object, if it lives in this process and is called without a connection.
    fn object(&self) -> Option<Arc<dyn ServerObject>> {
        None
    }

    /// The slot that stands for the object in a session, if it is known to be one of that session's.
    ///
    /// - `session`: what [`Identity::Slot`] names the session by.
    fn slot_in(&self, _session: usize) -> Option<Slot> {
        None
    }

    /// The call whose answer the object is to come with, if it is.
    fn promise(&self) -> Option<&Arc<Promise>> {
        None
    }

    /// Finds the way to the same object through another of its interfaces.
    fn cast(
        self: Arc<Self>,
        interface: &'static InterfaceDescriptor,
    ) -> Pinned<'static, Result<Reference, Fault>>;

    /// What two endpoints that lead to the same object share.
    fn identity(&self) -> Identity;
}

/// Which object an endpoint leads to, as far as that can be told from here.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    Local(usize),
    Slot {
        session: usize,
        slot: u32,
    },
    Url {
        host: usize,
        url: String,
        interface: u64,
    },
}

/// What a call brought back.
pub(crate) struct Fetched {
    pub(crate) payload: Payload,
    /// The new object, of a constructor.
    pub(crate) object: Option<Reference>,
    /// Whether the method has run: a sink may have answered in its place.
    pub(crate) executed: Executed,
}

impl Fetched {
    pub(crate) fn value(payload: Payload) -> Self {
        Self {
            payload,
            object: None,
            executed: Executed::Yes,
        }
    }

    /// What a oneway call brings back: the unit value.
    pub(crate) fn nothing(formatter: &FormatterRef) -> Self {
        Self::value(formatter.encode(&()).unwrap_or_default())
    }
}

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestKind {
    Method,
    Constructor,
    /// A call of a method that need not be known here, mostly somebody else's.
    Forwarded(MethodId),
    /// A call of a constructor that is not known here.
    #[cfg_attr(
        not(feature = "json"),
        expect(dead_code, reason = "only handles make such calls")
    )]
    ConstructorOf(MethodId),
    /// The same object, seen through another interface.
    Cast,
}

/// A call between two polls.
pub(crate) struct CallState {
    pub(crate) kind: RequestKind,
    pub(crate) interface: &'static InterfaceDescriptor,
    pub(crate) index: usize,
    /// How the payload is written, and the answer is to be.
    pub(crate) formatter: FormatterRef,
    pub(crate) payload: Payload,
    pub(crate) options: Option<Arc<CallOptions>>,
    /// Set at the first poll.
    pub(crate) deadline: Option<Instant>,
    /// The time of the first poll, until it was used or has grown old.
    pub(crate) departing: Option<Instant>,
    /// The locks that callers of this call hold; set at the first poll.
    pub(crate) locks: LockTokens,
    /// How many calls stand above this one; set at the first poll.
    pub(crate) depth: u32,
    pub(crate) flight: Flight,
    /// Where values go that flow back; set at the first poll.
    pub(crate) flow: Option<Flow>,
    /// How often the call has been tried on another connection.
    pub(crate) retries: usize,
    /// What is to know where the answer is kept, if that is asked for.
    pub(crate) promise: Option<Weak<Promise>>,
}

impl CallState {
    /// A call that is not sent; it carries a deadline through the dialling.
    pub(crate) fn probe(interface: &'static InterfaceDescriptor) -> Self {
        let formatter = FormatterRef::default();
        Self::new(RequestKind::Method, interface, 0, None, formatter)
    }

    /// A call of which nothing has happened.
    pub(crate) fn new(
        kind: RequestKind,
        interface: &'static InterfaceDescriptor,
        index: usize,
        options: Option<Arc<CallOptions>>,
        formatter: FormatterRef,
    ) -> Self {
        Self {
            kind,
            interface,
            index,
            formatter,
            payload: Payload::new(),
            options,
            deadline: None,
            departing: None,
            locks: LockTokens::default(),
            depth: 0,
            flight: Flight::Grounded,
            flow: None,
            retries: 0,
            promise: None,
        }
    }

    /// The answer was given out. Its number may be another call's from now on, and must not be given up.
    pub(crate) fn land(&mut self) {
        self.flight = Flight::Landed;
    }

    /// Waits until what the arguments refer to can travel: answers that have not come yet cannot stand in all of them.
    ///
    /// - `session`: the one that the call goes over, if answers may stand in its arguments.
    #[inline]
    pub(crate) fn poll_arguments(
        &mut self,
        session: Option<usize>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Fault>> {
        if !self.payload.has_attached() {
            return Poll::Ready(Ok(()));
        }
        self.poll_promises(session, cx)
    }

    #[cold]
    fn poll_promises(
        &mut self,
        session: Option<usize>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Fault>> {
        if !matches!(self.flight, Flight::Behind(_)) {
            let promises = promises(&self.payload);
            if promises.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let deadline = self.deadline.unwrap_or_else(clock::now);
            let mut behind = behind(promises, session, deadline);
            if let Poll::Ready(ready) = behind.as_mut().poll(cx) {
                return Poll::Ready(ready);
            }
            self.flight = Flight::Behind(behind);
            return Poll::Pending;
        }
        if let Flight::Behind(behind) = &mut self.flight {
            ready!(behind.as_mut().poll(cx))?;
        }
        self.flight = Flight::Grounded;
        Poll::Ready(Ok(()))
    }

    /// The time: that of the first poll for what happens in the course of it.
    pub(crate) fn now(&mut self) -> Instant {
        self.departing.take().unwrap_or_else(clock::now)
    }

    pub(crate) fn method(&self) -> Option<&'static MethodDescriptor> {
        match self.kind {
            RequestKind::Method => self.interface.methods.get(self.index),
            RequestKind::Constructor => self.interface.constructors.get(self.index),
            RequestKind::Forwarded(_) | RequestKind::ConstructorOf(_) | RequestKind::Cast => None,
        }
    }

    /// The number of the method.
    pub(crate) fn method_id(&self) -> Option<MethodId> {
        match self.kind {
            RequestKind::Forwarded(method) | RequestKind::ConstructorOf(method) => Some(method),
            RequestKind::Method | RequestKind::Constructor | RequestKind::Cast => {
                self.method().map(|known| known.id)
            }
        }
    }

    /// What the caller has said of calls that have no connection, if anything.
    pub(crate) fn connect_policy(&self) -> Option<ConnectPolicy> {
        self.options
            .as_ref()
            .and_then(|options| options.connect_policy)
    }

    /// Whether the call makes an object.
    pub(crate) fn is_constructor(&self) -> bool {
        matches!(
            self.kind,
            RequestKind::Constructor | RequestKind::ConstructorOf(_)
        )
    }

    /// Whether the call wants no answer.
    pub(crate) fn is_oneway(&self) -> bool {
        self.kind == RequestKind::Method && self.method().is_some_and(|method| method.oneway)
    }
}

/// How far a call has come.
pub(crate) enum Flight {
    /// Nothing has happened yet.
    Grounded,
    /// The call waits for the answer of another, which its object, or one of its arguments, is to come with.
    Behind(Pinned<'static, Result<(), Fault>>),
    /// A connection is being made.
    Dialing(Pinned<'static, Result<Arc<dyn Any + Send + Sync>, Error>>),
    /// The call waits for a place on a connection.
    Queued(Box<dyn Waiting>),
    /// The call is on its way.
    Sent { wire: Arc<dyn Wire>, call: CallId },
    /// The call runs in this process, or through a channel without sessions.
    Running(Pinned<'static, Result<Payload, Fault>>),
    /// The call is on its way through sinks, which have its state.
    Sunk(Pinned<'static, Result<Fetched, Fault>>),
    /// The call failed before it could start.
    Failed(Fault),
    /// The result was given out.
    Landed,
}

/// A place in a connection's queue, given back on drop.
pub(crate) trait Waiting: Send {
    fn as_any(&mut self) -> &mut dyn Any;
}

/// A connection, as far as a call that was sent needs it.
pub(crate) trait Wire: Send + Sync {
    /// Gives the answer of a call, as it has come.
    fn poll_reply(&self, call: CallId, cx: &mut Context<'_>) -> Poll<Result<Reply, Fault>>;

    /// Makes proxies of the objects that an answer holds, if it holds any.
    fn unpack(self: Arc<Self>, reply: Result<Reply, Fault>) -> Result<Fetched, Fault>;

    /// Gives a call up: nobody will ask for its answer.
    fn abandon(&self, call: CallId);
}

impl dyn Wire {
    /// Gives the answer of a call.
    pub(crate) fn poll(
        self: &Arc<Self>,
        call: CallId,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Fetched, Fault>> {
        Poll::Ready(match ready!(self.poll_reply(call, cx)) {
            Ok(reply) if reply.is_plain() => Ok(Fetched::value(reply.payload)),
            Err(Fault::Error(error)) => Err(Fault::Error(error)),
            reply => Arc::clone(self).unpack(reply),
        })
    }
}

impl Drop for CallState {
    fn drop(&mut self) {
        if let Flight::Sent { wire, call } = &self.flight {
            wire.abandon(*call);
        }
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Grounded => "not sent",
            Self::Behind(_) => "waiting for another call",
            Self::Dialing(_) => "connecting",
            Self::Queued(_) => "queued",
            Self::Sent { .. } => "sent",
            Self::Running(_) => "running",
            Self::Sunk(_) => "in sinks",
            Self::Failed(_) => "failed",
            Self::Landed => "done",
        })
    }
}

#[cfg(test)]
mod tests;
