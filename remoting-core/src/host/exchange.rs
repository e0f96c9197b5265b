//! The gate for calls that come without a session.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::drain::{Calls, Underway};
use super::lookup::Redeemer;
use super::registry::Registry;
use super::streaming::{self, Terms};
use crate::budget::ScanLimits;
use crate::clock;
use crate::connection::Service;
use crate::descriptor::MethodDescriptor;
use crate::error::{Error, ErrorKind, Executed, Fault};
use crate::id::InterfaceId;
use crate::limits::Limits;
use crate::object::context::Active;
use crate::object::{Around, Busy, Bytes, Prepared, RawCall, Reached, check_depth, reach};
use crate::payload::unless_empty;
use crate::peer::Peer;
use crate::proxy::Style;
use crate::session::CancelReason;
use crate::sink::{CallMessage, ReplyMessage, Sinks};
use crate::url::is_ticket;

/// What a call without a session comes through.
pub(super) struct Through {
    /// Those of its channel.
    pub(super) limits: Arc<Limits>,
    /// Those of the host and of the channel.
    pub(super) sinks: Sinks,
    /// The calls of the channel that run, which a drain waits for.
    pub(super) calls: Calls,
}

impl Through {
    /// No channel.
    pub(super) fn new(limits: Arc<Limits>, sinks: Sinks) -> Self {
        Self::channel(limits, sinks, Calls::default())
    }

    pub(super) fn channel(limits: Arc<Limits>, sinks: Sinks, calls: Calls) -> Self {
        Self {
            limits,
            sinks,
            calls,
        }
    }
}

/// Runs one call. A dropped future gives the call up, by the same rule as a session's CANCEL.
pub(super) async fn run(
    registry: Arc<Registry>,
    through: Through,
    call: CallMessage,
    peer: Arc<Peer>,
) -> ReplyMessage {
    let by_ticket = call.by_ticket && !call.unanswered;
    let shows_details = registry.shows_details(&peer);
    let terms = Terms {
        registry: Arc::clone(&registry),
        owner: peer.principal().cloned(),
        shows_details,
        formatter: call.formatter.clone(),
        takes_stream: call.takes_stream,
        longest: through.limits.max_frame,
    };
    let most = through.limits.max_message;
    let mut kept = None;
    let result = run_call(&registry, through, call, peer, &mut kept).await;
    let mut result = fitting(&registry, most, result);
    if by_ticket {
        result = streaming::give_out(terms, result, kept);
    }
    let result = result.inspect_err(|fault| registry.counters.count(fault));
    result.map_err(|fault| fault.shown(shows_details))
}

/// Tells of a result, or the user's error, that it is longer than a message may be.
fn fitting(registry: &Registry, most: usize, result: ReplyMessage) -> ReplyMessage {
    match &result {
        Ok(answer) | Err(Fault::App(answer)) if answer.len() > most => {
            registry.counters.max_message.add();
            let text = "the answer is larger than the server sends (its limit `max_message`)";
            Err(Fault::executed(ErrorKind::TooLarge, text))
        }
        _ => result,
    }
}

/// - `kept`: what is to keep the object as long as the stream goes on that it answers with.
async fn run_call(
    registry: &Arc<Registry>,
    through: Through,
    call: CallMessage,
    peer: Arc<Peer>,
    kept: &mut Option<Busy>,
) -> ReplyMessage {
    let Through {
        limits,
        sinks,
        calls,
    } = through;
    let deadline = deadline_of(&limits, &call, clock::now());
    let mut guard = Guard {
        calls,
        underway: None,
        reason: CancelReason::Caller,
    };
    let receiver = match start((registry, &limits), call, (peer, sinks), (&mut guard, kept))? {
        Started::Done(result) => return result,
        Started::Task(receiver) => receiver,
    };
    match tokio::time::timeout_at(deadline.into(), receiver).await {
        Ok(result) => {
            guard.underway = None;
            result.unwrap_or_else(|_| {
                Err(Fault::executed(
                    ErrorKind::Cancelled,
                    "the call's runtime was shut down",
                ))
            })
        }
        Err(_) => {
            guard.reason = CancelReason::Deadline;
            let kind = ErrorKind::DeadlineExceeded;
            Err(Fault::Error(
                Error::new(kind, "the call's deadline has passed").with_executed(Executed::Unknown),
            ))
        }
    }
}

/// Until when the caller of a call waits.
fn deadline_of(limits: &Limits, call: &CallMessage, now: Instant) -> Instant {
    let patience = call.deadline.min(limits.max_deadline);
    now.checked_add(patience).unwrap_or(now)
}

/// What the object is handed, and what the call runs in.
///
/// - `method`: the interface that the call came through, and the method's place and description there.
///
/// # Errors
///
/// `Unsupported` if the host does not read the arguments' format.
pub(super) fn call_of(
    (registry, limits): (&Arc<Registry>, &Limits),
    call: CallMessage,
    (interface, (index, method)): (InterfaceId, (usize, &'static MethodDescriptor)),
    peer: Arc<Peer>,
    now: Instant,
) -> Result<(RawCall<'static>, Active), Fault> {
    let formatter = registry
        .formatter(call.formatter.codec().0)
        .ok_or_else(|| Fault::of(ErrorKind::Unsupported))?;
    let deadline = deadline_of(limits, &call, now);
    let style = if call.by_ticket {
        let mut redeemer = Redeemer {
            registry: Arc::clone(registry),
            caller: Arc::clone(&peer),
            stream: None,
        };
        redeemer.stream = call
            .stream
            .map(|items| streaming::incoming(items, redeemer.clone()));
        Style::by_ticket(formatter, Arc::new(redeemer))
    } else {
        Style::by_number(formatter)
    };
    let context = Active {
        headers: unless_empty(call.headers),
        locks: call.locks,
        depth: call.depth,
        queue: limits.queued_per_object,
        ..Active::begin(method, peer, deadline)
    };
    let raw = RawCall {
        interface,
        method,
        index,
        payload: Bytes::Owned(call.payload),
        style,
        limits: ScanLimits {
            depth: limits.depth,
            elements: limits.elements,
        },
    };
    Ok((raw, context))
}

/// Refuses what is too large, or stands below too many other calls.
pub(super) fn check(registry: &Registry, limits: &Limits, call: &CallMessage) -> Result<(), Fault> {
    if call.payload.len() > limits.max_message {
        registry.counters.max_message.add();
        return Err(Fault::of(ErrorKind::TooLarge));
    }
    check_depth(call.depth, limits, &registry.counters)
}

fn start(
    (registry, limits): (&Arc<Registry>, &Limits),
    call: CallMessage,
    (peer, outer): (Arc<Peer>, Sinks),
    (guard, kept): (&mut Guard, &mut Option<Busy>),
) -> Result<Started, Fault> {
    check(registry, limits, &call)?;
    let object = registry.object(&call.object, call.interface, &peer)?;
    let Reached {
        object,
        interface,
        index,
        method,
        busy,
        sinks,
    } = reach(object, call.method, &peer)?;
    if call.takes_stream {
        *kept = busy.as_ref().and_then(Busy::again);
    }
    // Whoever knows a ticket has its object: nobody is told one.
    let name = || (!is_ticket(&call.object)).then(|| call.object.as_str().into());
    let around = Around::new(outer.then(sinks), name);
    let permit = registry.workers().admit()?.keeping(busy);
    let (call, context) = call_of(
        (registry, limits),
        call,
        (interface, (index, method)),
        peer,
        clock::now(),
    )?;
    let prepared = Prepared {
        object,
        call,
        context,
        permit,
        around,
        longest: limits.max_deadline,
    };
    let workers = registry.workers();
    let mut task = None;
    let done = workers.launch(prepared, &mut clock::now(), |cancellation, _| {
        guard.underway = Some(guard.calls.add(cancellation));
        let (sender, receiver) = oneshot::channel();
        task = Some(receiver);
        move |result| drop(sender.send(result))
    });
    match (done, task) {
        (Some(result), _) => Ok(Started::Done(result)),
        (None, Some(receiver)) => Ok(Started::Task(receiver)),
        (None, None) => Err(Fault::of(ErrorKind::Internal)),
    }
}

/// A call that has ended at once, or goes on as a task.
enum Started {
    Done(ReplyMessage),
    Task(oneshot::Receiver<ReplyMessage>),
}

/// Tells a running call that nobody waits for it, when dropped.
struct Guard {
    calls: Calls,
    underway: Option<Underway>,
    reason: CancelReason,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(underway) = &self.underway {
            underway.cancel(self.reason);
        }
    }
}
