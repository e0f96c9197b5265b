//! Calls of objects in this process.
//!
//! They take the same way as remote ones, through the dispatcher and the formatter,
//! so that what works here works remotely too.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::sync::oneshot;

use super::endpoint::{CallState, Endpoint, Fetched, Flight, Identity};
use super::{Reference, Style, runtime};
use crate::budget::ScanLimits;
use crate::clock;
use crate::descriptor::{InterfaceDescriptor, MethodDescriptor};
use crate::error::{Error, ErrorKind, Executed, Fault};
use crate::formatter::FormatterRef;
use crate::limits::Limits;
use crate::object::context::Active;
use crate::object::{
    Around, Bytes, Pinned, Prepared, RawCall, Reached, ServerObject, Workers, check_depth, reach,
    seen_through,
};
use crate::peer::Peer;
use crate::session::{CancelReason, Cancellation};
use crate::sink::ReplyMessage;
use crate::wire::locks::LockTokens;

/// An object in this process.
pub(super) struct LocalEndpoint {
    object: Arc<dyn ServerObject>,
    formatter: FormatterRef,
    workers: Arc<Workers>,
}

impl LocalEndpoint {
    pub(super) fn new(object: Arc<dyn ServerObject>) -> Self {
        Self {
            object,
            formatter: FormatterRef::default(),
            workers: Workers::of_process(),
        }
    }

    /// Starts a call: it ends at once, or goes on as a task.
    fn start(&self, call: &mut CallState) -> Result<Started, Fault> {
        let id = call
            .method_id()
            .ok_or_else(|| Fault::of(ErrorKind::NoSuchMethod))?;
        let Reached {
            object,
            interface,
            index,
            method,
            busy,
            sinks,
        } = reach(Arc::clone(&self.object), id, &Peer::local())?;
        check_depth(call.depth, &Limits::default(), self.workers.counters())?;
        let permit = self.workers.admit()?.keeping(busy);
        let mut now = clock::now();
        let context = context(call, method, now);
        let raw = RawCall {
            interface,
            method,
            index,
            payload: Bytes::Owned(std::mem::take(&mut call.payload)),
            style: Style::by_number(call.formatter.clone()),
            limits: ScanLimits::default(),
        };
        let prepared = Prepared {
            object,
            call: raw,
            context,
            permit,
            around: Around::new(sinks, || None),
            longest: self.workers.longest(),
        };
        let mut task = None;
        let _runtime = runtime().enter();
        let done = self.workers.launch(prepared, &mut now, |cancellation, _| {
            let (sender, receiver) = oneshot::channel();
            task = Some((receiver, cancellation));
            move |result| drop(sender.send(result))
        });
        match (done, task) {
            (Some(result), _) => Ok(Started::Done(result)),
            (None, Some((receiver, cancellation))) => Ok(Started::Task(receiver, cancellation)),
            (None, None) => Err(Fault::of(ErrorKind::Internal)),
        }
    }
}

/// The context that a call of an object here runs in.
fn context(call: &mut CallState, method: &'static MethodDescriptor, now: Instant) -> Active {
    let headers = call
        .options
        .as_ref()
        .filter(|options| !options.headers.is_empty());
    Active {
        headers: headers.map(|options| Arc::new(options.headers.clone())),
        // Nobody waits for a oneway call, so it may wait for the locks of its own callers.
        locks: if method.oneway {
            LockTokens::EMPTY
        } else {
            std::mem::take(&mut call.locks)
        },
        depth: call.depth,
        queue: Limits::default().queued_per_object,
        ..Active::begin(method, Peer::local(), call.deadline.unwrap_or(now))
    }
}

enum Started {
    Done(ReplyMessage),
    Task(oneshot::Receiver<ReplyMessage>, Arc<Cancellation>),
}

impl Endpoint for LocalEndpoint {
    fn formatter(&self) -> FormatterRef {
        self.formatter.clone()
    }

    fn poll(&self, call: &mut CallState, cx: &mut Context<'_>) -> Poll<Result<Fetched, Fault>> {
        ready!(call.poll_arguments(None, cx))?;
        // A call that has waited for another of its object's ways has not started either.
        if let Flight::Grounded | Flight::Queued(_) = call.flight {
            let oneway = call.is_oneway();
            match self.start(call) {
                Err(fault) => return Poll::Ready(Err(fault)),
                Ok(started) if oneway => {
                    if let Started::Task(receiver, cancellation) = started {
                        let deadline = call.deadline.unwrap_or_else(clock::now);
                        runtime().spawn(watch(receiver, cancellation, deadline));
                    }
                    return Poll::Ready(Ok(Fetched::nothing(&call.formatter)));
                }
                Ok(Started::Done(result)) => return Poll::Ready(result.map(Fetched::value)),
                Ok(Started::Task(receiver, cancellation)) => {
                    let deadline = call.deadline.unwrap_or_else(Instant::now);
                    call.flight = Flight::Running(watch(receiver, cancellation, deadline));
                }
            }
        }
        match &mut call.flight {
            Flight::Running(running) => running.as_mut().poll(cx).map_ok(Fetched::value),
            _ => Poll::Ready(Err(Fault::of(ErrorKind::Internal))),
        }
    }

    fn object(&self) -> Option<Arc<dyn ServerObject>> {
        Some(Arc::clone(&self.object))
    }

    fn cast(
        self: Arc<Self>,
        interface: &'static InterfaceDescriptor,
    ) -> Pinned<'static, Result<Reference, Fault>> {
        let target = Arc::clone(&self.object).target();
        Box::pin(std::future::ready(target.and_then(|target| {
            let found = seen_through(&target, interface.id);
            found.map(Reference::local).ok_or_else(|| {
                let text = format!(
                    "the object has the interface `{}`, and not `{}`",
                    target.interface().name,
                    interface.name
                );
                Fault::refused(ErrorKind::WrongInterface, text)
            })
        })))
    }

    fn identity(&self) -> Identity {
        Identity::Local(self.object.identity())
    }
}

/// Waits for a call that runs as a task; the call is told when nobody waits any more.
fn watch(
    receiver: oneshot::Receiver<ReplyMessage>,
    cancellation: Arc<Cancellation>,
    deadline: Instant,
) -> Pinned<'static, ReplyMessage> {
    let mut guard = CancelOnDrop {
        cancellation,
        reason: Some(CancelReason::Caller),
    };
    Box::pin(async move {
        let mut receiver = receiver;
        let mut timer = {
            let _runtime = runtime().enter();
            Box::pin(tokio::time::sleep_until(deadline.into()))
        };
        poll_fn(move |cx| {
            if let Poll::Ready(result) = Pin::new(&mut receiver).poll(cx) {
                guard.tell(None);
                return Poll::Ready(result.unwrap_or_else(|_| Err(abandoned())));
            }
            ready!(timer.as_mut().poll(cx));
            guard.tell(Some(CancelReason::Deadline));
            let kind = ErrorKind::DeadlineExceeded;
            Poll::Ready(Err(Fault::Error(
                Error::new(kind, kind.sentence()).with_executed(Executed::Unknown),
            )))
        })
        .await
    })
}

/// The fault of a call whose task ended without a result.
fn abandoned() -> Fault {
    let text = "the runtime that the call ran on was shut down";
    Fault::Error(Error::new(ErrorKind::Cancelled, text).with_executed(Executed::Unknown))
}

struct CancelOnDrop {
    cancellation: Arc<Cancellation>,
    reason: Option<CancelReason>,
}

impl CancelOnDrop {
    fn tell(&mut self, reason: Option<CancelReason>) {
        self.reason = reason;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(reason) = self.reason {
            self.cancellation.cancel(reason);
        }
    }
}
