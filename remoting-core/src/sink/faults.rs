//! Failures on purpose, for tests.

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::call::{MethodCall, MethodReply, Side};
use super::chain::{MessageSink, Next};
use crate::error::{Error, ErrorKind, Executed};

/// A sink that makes calls fail on purpose, so that you can test what your program does then.
///
/// Each kind of fault has a rate, and whether a call meets it is drawn from the seed and from how many calls have come before: the same calls in
/// the same order meet the same faults again. `{:?}` shows the seed. What is outside of the sink sees the faults, so at
/// a client it belongs behind a [`Retry`](super::Retry). Clones share the count.
///
/// A call that is lost or fails before it was passed on has not run, and `Error::executed` says `No`. A reply that is lost
/// leaves `Unknown`, as on a network, unless it was the error of a call that had not run.
///
/// ```
/// use std::time::Duration;
/// use remoting_core::{ErrorKind, Host};
/// use remoting_core::sink::{Faults, Retry};
///
/// # fn main() -> remoting_core::Result<()> {
/// let faults = Faults::seeded(7)
///     .delays(0.2, Duration::from_millis(30))
///     .errors(0.1, ErrorKind::Overloaded)
///     .only_method("Account", "balance");
/// let host = Host::builder().client_sink(Retry::new()).client_sink(faults).start_client()?;
/// # drop(host);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Faults {
    seed: u64,
    delays: (f64, Duration),
    errors: (f64, ErrorKind),
    lost_requests: f64,
    lost_replies: f64,
    only: Option<(String, Option<String>)>,
    calls: Arc<AtomicU64>,
}

impl Faults {
    /// No faults yet.
    ///
    /// - `seed`: what the faults are drawn from.
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            delays: (0.0, Duration::ZERO),
            errors: (0.0, ErrorKind::Overloaded),
            lost_requests: 0.0,
            lost_replies: 0.0,
            only: None,
            calls: Arc::default(),
        }
    }

    /// Has some calls wait before anything else.
    ///
    /// - `rate`: which share of the calls, from 0 to 1.
    #[must_use]
    pub fn delays(mut self, rate: f64, delay: Duration) -> Self {
        self.delays = (rate, delay);
        self
    }

    /// Has some calls end with an error of this kind without being passed on.
    ///
    /// - `rate`: which share of the calls, from 0 to 1.
    #[must_use]
    pub fn errors(mut self, rate: f64, kind: ErrorKind) -> Self {
        self.errors = (rate, kind);
        self
    }

    /// Has some calls never be passed on: they end at their deadline.
    ///
    /// - `rate`: which share of the calls, from 0 to 1.
    #[must_use]
    pub fn lost_requests(mut self, rate: f64) -> Self {
        self.lost_requests = rate;
        self
    }

    /// Has some calls run and their replies be lost. At a client the call then ends with `SessionLost`, as when
    /// the connection breaks; at a server nothing is answered, and it ends at its deadline.
    ///
    /// - `rate`: which share of the calls, from 0 to 1.
    #[must_use]
    pub fn lost_replies(mut self, rate: f64) -> Self {
        self.lost_replies = rate;
        self
    }

    /// Leaves calls of other interfaces alone; they do not count either.
    #[must_use]
    pub fn only_interface(mut self, interface: impl Into<String>) -> Self {
        self.only = Some((interface.into(), None));
        self
    }

    /// Leaves calls of other methods alone; they do not count either.
    #[must_use]
    pub fn only_method(mut self, interface: impl Into<String>, method: impl Into<String>) -> Self {
        self.only = Some((interface.into(), Some(method.into())));
        self
    }

    fn is_meant(&self, call: &MethodCall) -> bool {
        self.only.as_ref().is_none_or(|(interface, method)| {
            let is_method = method
                .as_ref()
                .is_none_or(|method| call.method() == *method);
            call.interface() == interface && is_method
        })
    }

    /// The faults that the next call meets.
    fn draw(&self) -> Drawn {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let meets = |which: u64, rate: f64| share(self.seed, number, which) < rate;
        Drawn {
            delay: meets(0, self.delays.0).then_some(self.delays.1),
            error: meets(1, self.errors.0).then_some(self.errors.1),
            loses_request: meets(2, self.lost_requests),
            loses_reply: meets(3, self.lost_replies),
        }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("seed", &self.seed)
            .field("delays", &self.delays)
            .field("errors", &self.errors)
            .field("lost_requests", &self.lost_requests)
            .field("lost_replies", &self.lost_replies)
            .field("only", &self.only)
            .field("calls", &self.calls)
            .finish()
    }
}

impl MessageSink for Faults {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        if !self.is_meant(&call) {
            return next.run(call).await;
        }
        let drawn = self.draw();
        if let Some(delay) = drawn.delay {
            tokio::time::sleep(delay).await;
        }
        if let Some(kind) = drawn.error {
            return Error::new(kind, "a fault was injected: the call was not passed on").into();
        }
        if drawn.loses_request {
            return pending().await;
        }
        if !drawn.loses_reply {
            return next.run(call).await;
        }
        let side = call.side();
        let executed = next.run_unheard(call).await;
        match side {
            Side::Client => lost(executed),
            Side::Server => pending().await,
        }
    }
}

/// What a client is told of a reply that was lost.
fn lost(executed: Executed) -> MethodReply {
    let text = "a fault was injected: the reply was lost";
    Error::new(ErrorKind::SessionLost, text)
        .with_executed(executed)
        .into()
}

/// The faults that one call meets.
#[derive(Debug, PartialEq)]
struct Drawn {
    delay: Option<Duration>,
    error: Option<ErrorKind>,
    loses_request: bool,
    loses_reply: bool,
}

/// A number from 0 to below 1 that depends on nothing else; by the finish of SplitMix64.
fn share(seed: u64, number: u64, which: u64) -> f64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let place = number.wrapping_mul(4).wrapping_add(which).wrapping_add(1);
    let mut bits = seed.wrapping_add(place.wrapping_mul(STEP));
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    let high = u32::try_from(bits >> 32).unwrap_or(u32::MAX);
    f64::from(high) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(seed: u64) -> Vec<Drawn> {
        let faults = Faults::seeded(seed)
            .delays(0.5, Duration::from_millis(1))
            .errors(0.25, ErrorKind::Overloaded)
            .lost_requests(0.1)
            .lost_replies(0.1);
        (0..1000).map(|_| faults.draw()).collect()
    }

    #[test]
    fn a_seed_gives_the_same_faults_each_time_and_another_one_others() {
        assert_eq!(all(3), all(3));
        assert_ne!(all(3), all(4));
    }

    #[test]
    fn faults_come_about_as_often_as_was_said() {
        let drawn = all(11);
        let count = |meets: fn(&Drawn) -> bool| drawn.iter().filter(|drawn| meets(drawn)).count();
        let delays = count(|drawn| drawn.delay.is_some());
        let errors = count(|drawn| drawn.error.is_some());
        let lost = count(|drawn| drawn.loses_reply);
        assert!((450..550).contains(&delays), "{delays}");
        assert!((200..300).contains(&errors), "{errors}");
        assert!((70..130).contains(&lost), "{lost}");
    }

    #[test]
    fn a_rate_of_one_is_always_and_of_zero_never() {
        let faults = Faults::seeded(1).errors(1.0, ErrorKind::NotFound);
        for _ in 0..100 {
            let drawn = faults.draw();
            assert_eq!(drawn.error, Some(ErrorKind::NotFound));
            assert!(!drawn.loses_reply && !drawn.loses_request && drawn.delay.is_none());
        }
    }

    #[test]
    fn the_seed_is_shown() {
        assert!(format!("{:?}", Faults::seeded(42)).contains("seed: 42"));
    }
}
