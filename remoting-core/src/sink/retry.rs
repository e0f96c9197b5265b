//! Calls that are made again where that is safe.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::call::{MethodCall, MethodReply, Side};
use super::chain::{MessageSink, Next};
use crate::error::{Error, ErrorKind, Executed};
use crate::jitter;

/// What one more try costs; a call puts in its share of that, in hundredths.
const TRY: u32 = 100;

/// How much can be put by: ten tries.
const MOST: u32 = 10 * TRY;

/// A sink of clients that makes calls again which have failed for the moment: `ConnectFailed`, `Disconnected`,
/// `SessionLost`, `Overloaded`.
///
/// A call with a stream is made again only if its stream was not sent. Only calls that did not run are made again, and those that may have run if their trait marks them `#[idempotent]`. It waits
/// between tries, longer each time, and at least as long as the server has asked for; a try that would begin after the
/// call's deadline is not made. Of all calls together one in ten is made again at most, with a reserve of ten, so that
/// a server in trouble does not get twice the work.
///
/// ```
/// use remoting_core::Host;
/// use remoting_core::sink::Retry;
///
/// # fn main() -> remoting_core::Result<()> {
/// let host = Host::builder().client_sink(Retry::new().tries(5)).start_client()?;
/// # drop(host);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Retry {
    tries: u32,
    first: Duration,
    longest: Duration,
    share: u32,
    /// What is put by, in hundredths of a try.
    budget: AtomicU32,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            tries: 3,
            first: Duration::from_millis(50),
            longest: Duration::from_secs(1),
            share: 10,
            budget: AtomicU32::new(MOST),
        }
    }
}

impl Retry {
    /// Three tries, 50 ms and 100 ms apart, for one call in ten.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how often a call is made at most, the first time included.
    #[must_use]
    pub fn tries(mut self, tries: u32) -> Self {
        self.tries = tries;
        self
    }

    /// Sets how long it waits before the second try, and how long before any; it doubles in between. Half of that is left to chance.
    #[must_use]
    pub fn waits(mut self, first: Duration, longest: Duration) -> Self {
        (self.first, self.longest) = (first, longest);
        self
    }

    /// Sets how many of a hundred calls are made again at most, beyond the reserve of ten.
    #[must_use]
    pub fn percent(mut self, percent: u32) -> Self {
        self.share = percent.min(TRY);
        self
    }

    /// How long to wait for the next try, if there is to be one.
    ///
    /// - `tried`: how often the call was made, at least once.
    fn wait_after(&self, reply: &MethodReply, call: &MethodCall, tried: u32) -> Option<Duration> {
        let error = reply.error()?;
        if tried >= self.tries || !is_safe(error, call) {
            return None;
        }
        let doubled = 1_u32.checked_shl(tried - 1).unwrap_or(u32::MAX);
        let most = self.first.saturating_mul(doubled).min(self.longest);
        let half = most / 2;
        let wait = half + jitter::full(half);
        let wait = wait.max(error.retry_after().unwrap_or_default());
        (wait < call.remaining() && self.take()).then_some(wait)
    }

    /// Puts in the share of one call.
    fn put(&self) {
        let more = |budget: u32| Some(budget.saturating_add(self.share).min(MOST));
        let update = self
            .budget
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        debug_assert!(update.is_ok(), "there is always a next value");
    }

    /// Takes out one try, if there is as much.
    fn take(&self) -> bool {
        let less = |budget: u32| budget.checked_sub(TRY);
        self.budget
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }
}

/// Whether a call may be made again after an error, and that may help.
fn is_safe(error: &Error, call: &MethodCall) -> bool {
    let may_help = matches!(
        error.kind(),
        ErrorKind::ConnectFailed
            | ErrorKind::Disconnected
            | ErrorKind::SessionLost
            | ErrorKind::Overloaded
    );
    may_help
        && !call.is_spent()
        && match error.executed() {
            Executed::No => true,
            Executed::Unknown => call.is_idempotent(),
            Executed::Yes => false,
        }
}

impl MessageSink for Retry {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        if call.side() == Side::Server {
            // There it is the caller's to try again.
            return next.run(call).await;
        }
        self.put();
        let mut tried = 1;
        loop {
            let reply = next.clone().run(call.clone()).await;
            let Some(wait) = self.wait_after(&reply, &call, tried) else {
                return reply;
            };
            tokio::time::sleep(wait).await;
            tried += 1;
        }
    }
}
