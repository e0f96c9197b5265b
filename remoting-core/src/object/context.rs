//! The call that runs here.
//!
//! Its context is not stored anywhere while a handler runs: whoever polls the
//! handler puts it in place for the time of the poll and takes it back
//! afterwards, so that a call made inside the handler finds the deadline and the
//! locks it inherits.

use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use super::flow::{self, Flow};
use super::profile::Conduct;
use super::watchdog;
use crate::clock;
use crate::descriptor::MethodDescriptor;
use crate::error::{ErrorKind, Fault};
use crate::id::LockToken;
use crate::limits::Limits;
use crate::payload::{Headers, pairs, unless_empty};
use crate::peer::Peer;
use crate::proxy::{ReplyHeaders, check_headers};
use crate::session::Cancellation;
use crate::wire::locks::LockTokens;

thread_local! {
    static CURRENT: RefCell<Option<Box<Visit>>> = const { RefCell::new(None) };
}

/// The context of a handler between two polls.
pub(crate) struct Active {
    pub(crate) method: &'static MethodDescriptor,
    /// What is known of the method, if it is watched.
    pub(crate) conduct: Option<&'static Conduct>,
    pub(crate) peer: Arc<Peer>,
    pub(crate) deadline: Instant,
    pub(crate) headers: Headers,
    /// What goes back with the reply, once something does.
    pub(crate) reply: Option<ReplyHeaders>,
    /// The values that flow, once somebody has looked at them.
    pub(crate) flow: Option<Flow>,
    pub(crate) locks: LockTokens,
    /// How many calls stand above this one.
    pub(crate) depth: u32,
    /// How many calls may wait for the lock of one object.
    pub(crate) queue: usize,
    pub(crate) cancellation: Option<Arc<Cancellation>>,
    /// Whether the user's code has begun.
    pub(crate) started: bool,
    /// Whether it has ended, and only sinks are left.
    pub(crate) ended: bool,
    /// What the caller is to be told in place of the error that the user's code gives.
    pub(crate) refusal: Option<(&'static str, Fault)>,
}

impl Active {
    /// A call with which nothing has come along, and of which nothing has happened.
    #[inline]
    pub(crate) fn begin(
        method: &'static MethodDescriptor,
        peer: Arc<Peer>,
        deadline: Instant,
    ) -> Self {
        Self {
            method,
            conduct: None,
            peer,
            deadline,
            headers: None,
            reply: None,
            flow: None,
            locks: LockTokens::default(),
            depth: 0,
            queue: 0,
            cancellation: None,
            started: false,
            ended: false,
            refusal: None,
        }
    }
}

/// A running call on its way to the user's code. Boxed, since it is put in place and taken back
/// for each poll.
pub(crate) struct Visit {
    pub(crate) active: Active,
    pub(crate) door: Door,
    /// Who waits at the door, if it is reached through something that looks at wakers.
    waiting: Option<Waker>,
}

/// What stands between the object's gate, which the call has passed, and the user's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Open,
    /// The call is to stop there.
    Shut,
    /// It has stopped there.
    Reached,
}

impl Visit {
    pub(crate) fn new(active: Active) -> Box<Self> {
        Box::new(Self {
            active,
            door: Door::Open,
            waiting: None,
        })
    }

    /// Sets the door, and gives what it was, and who is to be woken then.
    pub(crate) fn set_door(&mut self, door: Door) -> (Door, Option<Waker>) {
        let before = std::mem::replace(&mut self.door, door);
        let waiting = self.waiting.take_if(|_| door == Door::Open);
        (before, waiting)
    }

    /// Puts the context in place while `run` runs, and takes it back.
    ///
    /// `run` must not unwind.
    pub(crate) fn during<R>(slot: &mut Option<Box<Self>>, run: impl FnOnce() -> R) -> R {
        let conduct = slot.as_ref().and_then(|visit| visit.active.conduct);
        let outer = CURRENT.replace(slot.take());
        let result = watchdog::during(conduct, run);
        *slot = CURRENT.replace(outer);
        result
    }
}

/// Looks at the running call, if there is one.
pub(super) fn with_active<R>(look: impl FnOnce(&mut Active) -> R) -> Option<R> {
    CURRENT.with_borrow_mut(|current| current.as_mut().map(|visit| look(&mut visit.active)))
}

/// How many calls may wait for the lock of one object, by the host that runs the call here.
pub(crate) fn queue() -> usize {
    let of_call = CURRENT.with_borrow(|current| current.as_ref().map(|visit| visit.active.queue));
    of_call.unwrap_or_else(|| Limits::default().queued_per_object)
}

/// Tells whether a caller of the running call holds the lock that `token` names.
pub(crate) fn holds(token: LockToken) -> bool {
    CURRENT.with_borrow(|current| {
        current
            .as_ref()
            .is_some_and(|visit| visit.active.locks.contains(token))
    })
}

/// Notes that the running call holds the lock that `token` names, from now on.
pub(crate) fn hold(token: LockToken) -> Result<(), Fault> {
    CURRENT.with_borrow_mut(|current| match current {
        None => Ok(()),
        Some(visit) => {
            let active = &mut visit.active;
            let text = "the call stands below too many locked objects";
            let full = || Fault::refused(ErrorKind::ResourceExhausted, text);
            active.locks = active.locks.with(token).ok_or_else(full)?;
            Ok(())
        }
    })
}

/// Notes that the user's code begins.
pub(crate) fn begin() {
    CURRENT.with_borrow_mut(|current| {
        if let Some(visit) = current {
            visit.active.started = true;
        }
    });
}

/// Notes that an object was made for the call, and that its method has not begun.
pub(crate) fn made() {
    CURRENT.with_borrow_mut(|current| {
        if let Some(visit) = current {
            visit.active.started = false;
        }
    });
}

/// Notes that the user's code has ended, and takes back what locks it has gone in to.
///
/// - `locks`: those that were held before it.
pub(crate) fn end(locks: LockTokens) {
    CURRENT.with_borrow_mut(|current| {
        if let Some(visit) = current {
            visit.active.locks = locks;
            visit.active.ended = true;
        }
    });
}

/// Whether the user's code has begun. Outside of a call it has.
pub(crate) fn has_begun() -> bool {
    CURRENT.with_borrow(|current| current.as_ref().is_none_or(|visit| visit.active.started))
}

/// Waits at the door until it is open. The user's code [begins](begin) behind it, when its
/// arguments have been read.
///
/// Who opens the door polls again, and wakes what is between them.
pub(crate) async fn door() {
    poll_fn(|cx| {
        CURRENT.with_borrow_mut(|current| match current {
            Some(visit) if visit.door != Door::Open => {
                visit.door = Door::Reached;
                visit.waiting = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(_) | None => Poll::Ready(()),
        })
    })
    .await;
}

/// Lets a part of the running call go to its door once, and no further.
pub(crate) fn approach<T>(part: impl FnOnce() -> Poll<T>) -> Poll<T> {
    let before = set_door(Door::Shut);
    let polled = part();
    if let Some(before) = before {
        set_door(before);
    }
    polled
}

/// Sets the running call's door, and gives what it was.
fn set_door(door: Door) -> Option<Door> {
    let (before, waiting) =
        CURRENT.with_borrow_mut(|current| Some(current.as_mut()?.set_door(door)))?;
    if let Some(waiting) = waiting {
        waiting.wake();
    }
    Some(before)
}

/// Sets what the caller of `constructor` is told in place of its error, if that is what runs.
pub(crate) fn refuse(constructor: &'static str, fault: Fault) {
    CURRENT.with_borrow_mut(|current| {
        if let Some(visit) = current {
            visit.active.refusal = Some((constructor, fault));
        }
    });
}

/// Takes what was set by [`refuse`].
pub(crate) fn take_refusal() -> Option<(&'static str, Fault)> {
    CURRENT.with_borrow_mut(|current| current.as_mut()?.active.refusal.take())
}

/// What a call made here inherits from the one that runs.
#[derive(Default)]
pub(crate) struct Inherited {
    /// The moment its caller stops waiting.
    pub(crate) deadline: Option<Instant>,
    /// The locks that are held above it.
    pub(crate) locks: LockTokens,
    /// How many calls stand above it.
    pub(crate) depth: u32,
}

/// What a call made here inherits.
pub(crate) fn inherited() -> Inherited {
    CURRENT.with_borrow(|current| match current {
        Some(visit) => Inherited {
            deadline: Some(visit.active.deadline),
            locks: visit.active.locks.clone(),
            depth: visit.active.depth.saturating_add(1),
        },
        None => Inherited::default(),
    })
}

/// What sinks see of the call that runs: who calls, until when they wait, and what came along.
pub(crate) fn seen() -> (Option<Arc<Peer>>, Instant, Headers) {
    CURRENT.with_borrow(|current| match current {
        Some(visit) => {
            let active = &visit.active;
            let peer = Some(Arc::clone(&active.peer));
            (peer, active.deadline, active.headers.clone())
        }
        None => (None, clock::now(), None),
    })
}

/// The locks that the callers of the call that runs hold, and it too.
pub(crate) fn locks() -> LockTokens {
    CURRENT.with_borrow(|current| match current {
        Some(visit) => visit.active.locks.clone(),
        None => LockTokens::default(),
    })
}

/// Sets what came along with the call that runs.
pub(crate) fn set_headers(headers: Vec<(String, String)>) {
    CURRENT.with_borrow_mut(|current| {
        if let Some(visit) = current {
            visit.active.headers = unless_empty(headers);
        }
    });
}

/// What goes back with the reply of the call that runs: the headers that were set, and of the values that flow and have
/// changed as many as there is room for behind those.
#[inline]
pub(crate) fn reply_headers() -> Vec<(String, String)> {
    let is_any = CURRENT.with_borrow(|current| {
        let active = current.as_ref().map(|visit| &visit.active);
        active.is_some_and(|active| active.reply.is_some() || active.flow.is_some())
    });
    match is_any {
        true => known_reply_headers(),
        false => Vec::new(),
    }
}

#[cold]
fn known_reply_headers() -> Vec<(String, String)> {
    let known = with_active(|active| {
        let (reply, flow) = (active.reply.clone(), active.flow.clone());
        (reply, flow, active.headers.clone())
    });
    let (reply, flow, sent) = known.unwrap_or_default();
    let mut headers = reply.map(|reply| reply.all()).unwrap_or_default();
    for change in flow.iter().flat_map(|flow| flow.changes(pairs(&sent))) {
        headers.push(change);
        if check_headers(&headers).is_err() {
            // The method has run: its result is worth more.
            headers.pop();
        }
    }
    headers
}

/// What tells the call that runs here from others that run at the moment; zero if there is none.
pub(super) fn place() -> usize {
    CURRENT.with_borrow(|current| {
        let visit = current.as_deref();
        visit.map_or(0, |visit| std::ptr::from_ref(visit) as usize)
    })
}

/// Whether there may be values that flow with the calls of the handler that runs here.
#[inline]
pub(super) fn may_flow() -> bool {
    CURRENT.with_borrow(|current| {
        let active = current.as_ref().map(|visit| &visit.active);
        active.is_some_and(|active| {
            active.flow.is_some() || pairs(&active.headers).iter().any(flow::is_flowing)
        })
    })
}

/// What came along with the call that runs, where it is passed on as it is.
pub(crate) fn headers() -> Headers {
    CURRENT.with_borrow(|current| current.as_ref()?.active.headers.clone())
}
