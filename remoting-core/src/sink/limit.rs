//! Not too many calls at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::call::{MethodCall, MethodReply};
use super::chain::{MessageSink, Next};
use crate::error::{Error, ErrorKind};

/// How many calls may wait for a place, unless something else is said.
const QUEUE: usize = 100;

/// How long a call waits for its place, unless something else is said.
const WAIT: Duration = Duration::from_secs(1);

/// A sink that lets so many calls pass at a time, and has some others wait, first come first served.
///
/// A call that finds the queue full, or has waited too long in it, ends with `Overloaded`, has not run, and is told to come back
/// after the time that calls may wait here (`Error::retry_after`). A call has its place until its reply
/// comes back through the sink. One that is given up leaves its place, or the queue, at once; where its method
/// may not be cut, the method runs on without the place.
///
/// Clones share places and queue: a limit may so be one for several publications. A handler whose own calls come to the
/// same limit waits for a place while it has one; that ends after the wait at the latest.
///
/// ```
/// use remoting_core::Host;
/// use remoting_core::sink::ConcurrencyLimit;
///
/// # fn main() -> remoting_core::Result<()> {
/// let limit = ConcurrencyLimit::new(8).queue(32);
/// let host = Host::builder().server_sink(limit).start_client()?;
/// # drop(host);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ConcurrencyLimit {
    queue: usize,
    wait: Duration,
    places: Arc<Places>,
}

#[derive(Debug)]
struct Places {
    free: Semaphore,
    waiting: AtomicUsize,
}

impl ConcurrencyLimit {
    /// So many calls at once, with 100 more that wait for at most a second.
    ///
    /// - `most`: at least one; zero counts as one.
    pub fn new(most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            queue: QUEUE,
            wait: WAIT,
            places: Arc::new(Places {
                free: Semaphore::new(most),
                waiting: AtomicUsize::new(0),
            }),
        }
    }

    /// Sets how many calls may wait; zero: none.
    #[must_use]
    pub fn queue(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }

    /// Sets how long a call may wait, and after which time a call that was refused is to come back.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    async fn place(&self) -> Result<SemaphorePermit<'_>, Error> {
        let free = &self.places.free;
        if let Ok(place) = free.try_acquire() {
            return Ok(place);
        }
        let _turn = Turn::of(&self.places.waiting, self.queue)
            .ok_or_else(|| self.refusal("too many calls wait already"))?;
        match timeout(self.wait, free.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(self.refusal("no place became free in time")),
        }
    }

    fn refusal(&self, why: &str) -> Error {
        let text = format!("only so many calls are let in at once, and {why}; try again later");
        Error::new(ErrorKind::Overloaded, text).with_retry_after(Some(self.wait))
    }
}

impl MessageSink for ConcurrencyLimit {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        match self.place().await {
            Ok(_place) => next.run(call).await,
            Err(error) => error.into(),
        }
    }
}

/// A place in the queue, given back on drop.
struct Turn<'a>(&'a AtomicUsize);

impl<'a> Turn<'a> {
    fn of(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let more = |waiting: usize| Some(waiting + 1).filter(|waiting| *waiting <= most);
        waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()
            .map(|_| Self(waiting))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
