//! The lock of an object whose interface has `&mut self` methods.
//!
//! Order and re-entrancy are decided by the [`Gate`]; the value itself sits in a
//! read-write cell that is only ever tried, since the gate has already made sure
//! that it is free. Nothing is held across user code but the place at the gate.

use std::future::poll_fn;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use super::context;
use super::gate::{Entry, Gate, Mode};
use crate::error::{Error, ErrorKind, Fault};
use crate::id::LockToken;
use crate::limits::Reached;

/// A value behind a gate.
pub(crate) struct Lock<T> {
    value: Arc<RwLock<T>>,
    post: Arc<Post>,
}

/// What a visitor needs to know of the gate it went through.
struct Post {
    gate: Mutex<Gate>,
    token: LockToken,
    poisoned: AtomicBool,
}

impl<T> Lock<T> {
    pub(crate) fn new(value: T) -> Self {
        let post = Post {
            gate: Mutex::default(),
            token: LockToken::random(),
            poisoned: AtomicBool::new(false),
        };
        Self {
            value: Arc::new(RwLock::new(value)),
            post: Arc::new(post),
        }
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.post.poisoned.load(Ordering::Acquire)
    }

    /// Whether the running call, or one above it, has gone in here.
    pub(crate) fn is_above(&self) -> bool {
        context::holds(self.post.token)
    }

    /// Looks at the value, unless a call has it for itself.
    pub(crate) fn look(&self, look: impl FnOnce(&T)) {
        if !self.post.gate().slip_in() {
            return;
        }
        let _pass = Pass {
            post: Arc::clone(&self.post),
            mode: Mode::Shared,
        };
        if let Ok(value) = self.value.try_read() {
            look(&value);
        }
    }

    /// Waits for a place beside other shared calls.
    pub(crate) async fn shared(&self) -> Result<SharedGuard<T>, Fault> {
        let pass = self.post.clone().enter(Mode::Shared).await?;
        let value = Arc::clone(&self.value)
            .try_read_owned()
            .map_err(|_| out_of_step())?;
        Ok(SharedGuard { value, _pass: pass })
    }

    /// Waits until no other call is inside.
    ///
    /// The value is to be dropped before its watch, so that the next call finds it free.
    pub(crate) async fn exclusive(&self) -> Result<(Watch, OwnedRwLockWriteGuard<T>), Fault> {
        let pass = self.post.clone().enter(Mode::Exclusive).await?;
        let value = Arc::clone(&self.value)
            .try_write_owned()
            .map_err(|_| out_of_step())?;
        Ok((
            Watch {
                pass,
                stage: Stage::Entered,
            },
            value,
        ))
    }
}

/// The gate let in somebody for whom the cell had no room: a mistake of ours, not of the caller's.
fn out_of_step() -> Fault {
    Fault::refused(
        ErrorKind::Internal,
        "the object's lock is out of step with its queue",
    )
}

impl Post {
    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn enter(self: Arc<Self>, mode: Mode) -> Result<Pass, Fault> {
        let below_holder = context::holds(self.token);
        let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        let capacity = context::queue();
        let entry = self.gate().enter(mode, below_holder, capacity, &waker);
        match entry {
            Entry::Granted => {}
            Entry::Queued(number) => {
                Waiting {
                    post: &self,
                    number,
                    mode,
                    done: false,
                }
                .await_turn()
                .await
            }
            Entry::Reentrant => return Err(Fault::of(ErrorKind::Reentrant)),
            Entry::Full => {
                let text = "too many calls wait for this object; try again later";
                let error = Error::new(ErrorKind::Overloaded, text);
                return Err(Fault::Error(error.with_source(Reached::QueuedPerObject)));
            }
        }
        let pass = Pass { post: self, mode };
        if pass.post.poisoned.load(Ordering::Acquire) {
            return Err(Fault::of(ErrorKind::Poisoned));
        }
        context::hold(pass.post.token)?;
        Ok(pass)
    }
}

/// A place in the queue; dropped before its turn, it is given up.
struct Waiting<'a> {
    post: &'a Post,
    number: u64,
    mode: Mode,
    done: bool,
}

impl Waiting<'_> {
    async fn await_turn(mut self) {
        poll_fn(
            |cx| match self.post.gate().is_granted(self.number, cx.waker()) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            },
        )
        .await;
        self.done = true;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.done {
            let wakers = self.post.gate().give_up(self.number, self.mode);
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}

/// The right to be inside, given back on drop.
struct Pass {
    post: Arc<Post>,
    mode: Mode,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let wakers = self.post.gate().leave(self.mode);
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// A value that others may read too. The value is let go before the place at the gate.
pub(crate) struct SharedGuard<T> {
    value: OwnedRwLockReadGuard<T>,
    _pass: Pass,
}

impl<T> Deref for SharedGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Watches over a value that nobody else sees: dropped while a call changes it, it poisons the object.
pub(crate) struct Watch {
    pass: Pass,
    stage: Stage,
}

/// How far a call has come that may change the value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Entered,
    /// The user's code runs, and may leave the value half changed.
    Changing,
    /// The user's code runs, and promises to leave the value whole wherever it is cut.
    ChangingSafely,
}

impl Watch {
    /// Notes that the user's code begins.
    ///
    /// - `cut_is_harmless`: whether it may be dropped half-way without poisoning the object.
    pub(crate) fn begin(&mut self, cut_is_harmless: bool) {
        self.stage = if cut_is_harmless {
            Stage::ChangingSafely
        } else {
            Stage::Changing
        };
    }

    /// Ends a call that came to its end.
    pub(crate) fn finish(mut self) {
        self.stage = Stage::Entered;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let panicked = std::thread::panicking() && self.stage != Stage::Entered;
        // Who never came past reading the arguments has changed nothing.
        if (panicked || self.stage == Stage::Changing) && context::has_begun() {
            self.pass.post.poisoned.store(true, Ordering::Release);
        }
    }
}

#[cfg(all(test, feature = "macros"))]
mod tests;
