//! What a running handler can know of its call.
//!
//! The context is not stored anywhere while a handler runs: whoever polls the
//! handler puts it in place for the time of the poll and takes it back
//! afterwards, so that it costs no allocation and a call made inside the handler
//! finds the deadline and the locks it inherits.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::descriptor::MethodDescriptor;
use crate::error::{ErrorKind, Fault};
use crate::id::LockToken;
use crate::limits::Limits;
use crate::session::Cancellation;
use crate::wire::locks::LockTokens;

/// The call that is being handled: who made it, how long it may take, what came with it.
///
/// A context may be kept and sent to other threads; it then tells of the call it was
/// taken from, also after that call has ended. (.NET: `CallContext`.)
#[derive(Clone)]
pub struct CallContext {
    method: &'static MethodDescriptor,
    peer: Arc<str>,
    deadline: Instant,
    headers: Headers,
    cancellation: Arc<Cancellation>,
}

/// Pairs that a caller sent along; empty for most calls.
pub(crate) type Headers = Option<Arc<Vec<(String, String)>>>;

impl CallContext {
    /// The context of the call whose handler runs here, or `None` outside of one.
    ///
    /// It is seen by the handler itself, not by tasks that the handler starts.
    pub fn current() -> Option<Self> {
        CURRENT.with_borrow_mut(|current| {
            let active = current.as_mut()?;
            Some(Self {
                method: active.method,
                peer: Arc::clone(&active.peer),
                deadline: active.deadline,
                headers: active.headers.clone(),
                cancellation: Arc::clone(active.cancellation.get_or_insert_default()),
            })
        })
    }

    /// The name of the method that was called.
    pub fn method(&self) -> &'static str {
        self.method.name
    }

    /// Who called: an address for a remote caller, `local` for one in this process.
    pub fn peer(&self) -> &str {
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
        self.headers()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// All that the caller sent along, in its order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers
            .iter()
            .flat_map(|pairs| pairs.iter())
            .map(|(key, value)| (&**key, &**value))
    }
}

impl fmt::Debug for CallContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallContext")
            .field("method", &self.method())
            .field("peer", &self.peer())
            .field("remaining", &self.remaining())
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Active>> = const { RefCell::new(None) };
}

/// The context of a handler between two polls.
pub(crate) struct Active {
    pub(crate) method: &'static MethodDescriptor,
    pub(crate) peer: Arc<str>,
    pub(crate) deadline: Instant,
    pub(crate) headers: Headers,
    pub(crate) locks: LockTokens,
    /// How many calls may wait for the lock of one object.
    pub(crate) queue: usize,
    pub(crate) cancellation: Option<Arc<Cancellation>>,
    /// Whether the user's code has begun.
    pub(crate) started: bool,
    /// What the caller is to be told in place of the error that the user's code gives.
    pub(crate) refusal: Option<(&'static str, Fault)>,
}

impl Active {
    /// Puts the context in place while `run` runs, and takes it back.
    ///
    /// `run` must not unwind.
    pub(crate) fn during<R>(slot: &mut Option<Self>, run: impl FnOnce() -> R) -> R {
        let outer = CURRENT.replace(slot.take());
        let result = run();
        *slot = CURRENT.replace(outer);
        result
    }
}

/// How many calls may wait for the lock of one object, by the host that runs the call here.
pub(crate) fn queue() -> usize {
    let of_call = CURRENT.with_borrow(|current| current.as_ref().map(|active| active.queue));
    of_call.unwrap_or_else(|| Limits::default().queued_per_object)
}

/// Tells whether a caller of the running call holds the lock that `token` names.
pub(crate) fn holds(token: LockToken) -> bool {
    CURRENT.with_borrow(|current| {
        current
            .as_ref()
            .is_some_and(|active| active.locks.contains(token))
    })
}

/// Notes that the running call holds the lock that `token` names, from now on.
pub(crate) fn hold(token: LockToken) -> Result<(), Fault> {
    CURRENT.with_borrow_mut(|current| match current {
        None => Ok(()),
        Some(active) => {
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
        if let Some(active) = current {
            active.started = true;
        }
    });
}

/// Sets what the caller of the running call is told in place of its error.
pub(crate) fn refuse(constructor: &'static str, fault: Fault) {
    CURRENT.with_borrow_mut(|current| {
        if let Some(active) = current {
            active.refusal = Some((constructor, fault));
        }
    });
}

/// Takes what was set by [`refuse`].
pub(crate) fn take_refusal() -> Option<(&'static str, Fault)> {
    CURRENT.with_borrow_mut(|current| current.as_mut()?.refusal.take())
}

/// What a call made here inherits: the moment its caller stops waiting, and the locks above it.
pub(crate) fn inherited() -> (Option<Instant>, LockTokens) {
    CURRENT.with_borrow(|current| match current {
        Some(active) => (Some(active.deadline), active.locks.clone()),
        None => (None, LockTokens::default()),
    })
}
