//! The gate for calls that come without a session.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::registry::Registry;
use crate::budget::ScanLimits;
use crate::clock;
use crate::connection::Service;
use crate::error::{Error, ErrorKind, Executed, Fault};
use crate::object::context::Active;
use crate::object::{Bytes, Prepared, RawCall, Reached, check_depth, reach};
use crate::session::{CancelReason, Cancellation};
use crate::sink::{CallMessage, ReplyMessage};

/// Runs one call. A dropped future gives the call up, by the same rule as a session's CANCEL.
pub(super) async fn run(
    registry: Arc<Registry>,
    call: CallMessage,
    peer: Arc<str>,
) -> ReplyMessage {
    let result = run_call(&registry, call, peer).await;
    result.inspect_err(|fault| registry.counters.count(fault))
}

async fn run_call(registry: &Registry, call: CallMessage, peer: Arc<str>) -> ReplyMessage {
    let now = clock::now();
    let patience = call.deadline.min(registry.limits.max_deadline);
    let deadline = now.checked_add(patience).unwrap_or(now);
    let (sender, receiver) = oneshot::channel();
    let mut guard = Guard {
        cancellation: None,
        reason: CancelReason::Caller,
    };
    if let Some(result) = start(registry, call, peer, deadline, &mut guard, sender)? {
        return result;
    }
    match tokio::time::timeout_at(deadline.into(), receiver).await {
        Ok(result) => {
            guard.cancellation = None;
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

/// Refuses what is too large, or stands below too many other calls.
fn check(registry: &Registry, call: &CallMessage) -> Result<(), Fault> {
    if call.payload.len() > registry.limits.max_message {
        registry.counters.max_message.add();
        return Err(Fault::of(ErrorKind::TooLarge));
    }
    check_depth(call.depth, &registry.limits, &registry.counters)
}

fn start(
    registry: &Registry,
    call: CallMessage,
    peer: Arc<str>,
    deadline: std::time::Instant,
    guard: &mut Guard,
    sender: oneshot::Sender<ReplyMessage>,
) -> Result<Option<ReplyMessage>, Fault> {
    check(registry, &call)?;
    let object = registry.entry(&call.object)?.object(call.interface)?;
    let Reached {
        object,
        interface,
        index,
        method,
        busy,
    } = reach(object, call.method)?;
    let permit = registry.workers().admit()?.keeping(busy);
    let formatter = registry
        .formatter(call.codec.0)
        .ok_or_else(|| Fault::of(ErrorKind::Unsupported))?;
    let context = Active {
        method,
        peer,
        deadline,
        headers: Some(call.headers)
            .filter(|pairs| !pairs.is_empty())
            .map(Arc::new),
        locks: call.locks,
        depth: call.depth,
        queue: registry.limits.queued_per_object,
        cancellation: None,
        started: false,
        refusal: None,
    };
    let limits = ScanLimits {
        depth: registry.limits.depth,
        elements: registry.limits.elements,
    };
    let raw = RawCall {
        interface,
        method,
        index,
        payload: Bytes::Owned(call.payload),
        formatter,
        limits,
    };
    let prepared = Prepared {
        object,
        call: raw,
        context,
        permit,
    };
    let workers = registry.workers();
    Ok(workers.launch(prepared, &mut clock::now(), |cancellation| {
        guard.cancellation = Some(cancellation);
        move |result| drop(sender.send(result))
    }))
}

/// Tells a running call that nobody waits for it, when dropped.
struct Guard {
    cancellation: Option<Arc<Cancellation>>,
    reason: CancelReason,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(cancellation) = &self.cancellation {
            cancellation.cancel(self.reason);
        }
    }
}
