//! How many calls there were, how they ended, and how long they took.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::call::{MethodCall, MethodReply, Side};
use super::chain::{MessageSink, Next};
use super::exposition;
use super::outcome::Ending;
use crate::clock;

/// How many methods are counted apart, each side for itself.
const MOST: usize = 1000;

/// What stands for the methods that are not counted apart.
const OTHER: &str = "(other)";

/// The upper ends of the buckets that durations are counted in.
const BUCKETS: [Duration; 14] = [
    Duration::from_micros(100),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];

/// A sink that counts calls by side, interface, method and outcome, knows how many are under way, and how long they took.
///
/// Clones count together: give one to a host, keep another, and ask it for a [`snapshot`](Self::snapshot) or for the text that Prometheus
/// reads, [`render`](Self::render).
///
/// Only methods of this program's own interfaces are counted apart, and 1,000 of each side at most. All others, such as calls
/// that are passed on to third parties, count together under the interface and the method `(other)`: no peer can make the
/// counts grow by names that it thinks of.
///
/// ```
/// use remoting_core::Host;
/// use remoting_core::sink::Metrics;
///
/// # fn main() -> remoting_core::Result<()> {
/// let metrics = Metrics::new();
/// let host = Host::builder()
///     .client_sink(metrics.clone())
///     .server_sink(metrics.clone())
///     .start_client()?;
/// println!("{}", metrics.render());
/// # drop(host);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Metrics(Arc<Mutex<Series>>);

type Series = BTreeMap<(Side, &'static str, &'static str), Counts>;

/// What is known of one method.
#[derive(Debug, Clone, Default)]
struct Counts {
    in_flight: u64,
    outcomes: BTreeMap<&'static str, u64>,
    /// One for each of [`BUCKETS`], and one for what takes longer.
    took: [u64; BUCKETS.len() + 1],
    total: Duration,
}

/// What was counted for one method.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MethodMetrics {
    /// Which end of the calls was looked at.
    pub side: Side,
    /// The name of the interface, or `(other)`.
    pub interface: &'static str,
    /// The name of the method, or `(other)`.
    pub method: &'static str,
    /// How many calls are under way.
    pub in_flight: u64,
    /// How many have ended in which way: `ok`, `user_error`, `given_up`, or the kind of an error, such as `deadline_exceeded`.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// How many have ended within a time, and not within a shorter one of these. The last one, without a time, is for all that took longer.
    pub took: Vec<(Option<Duration>, u64)>,
    /// How long all that have ended took together.
    pub total: Duration,
}

impl MethodMetrics {
    /// How many calls have ended, in whichever way.
    pub fn ended(&self) -> u64 {
        self.outcomes.values().sum()
    }
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was counted so far, sorted by side, interface and method.
    pub fn snapshot(&self) -> Vec<MethodMetrics> {
        let series = self.lock();
        let all = series.iter().map(|((side, interface, method), counts)| {
            let ends = BUCKETS.iter().copied().map(Some).chain([None]);
            MethodMetrics {
                side: *side,
                interface,
                method,
                in_flight: counts.in_flight,
                outcomes: counts.outcomes.clone(),
                took: ends.zip(counts.took).collect(),
                total: counts.total,
            }
        });
        all.collect()
    }

    /// What was counted so far, as the text format of Prometheus, version 0.0.4: `remoting_calls_total` with the label `outcome`,
    /// `remoting_calls_in_flight` and the histogram `remoting_call_duration_seconds`, all with the labels `side`, `interface` and
    /// `method`.
    pub fn render(&self) -> String {
        exposition::render(&self.snapshot())
    }

    fn lock(&self) -> MutexGuard<'_, Series> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a call begins, and gives what it is counted under.
    fn begin(&self, call: &MethodCall) -> (Side, &'static str, &'static str) {
        let side = call.side();
        let known = call.method.map_or(OTHER, |method| method.name);
        let interface = call.method.map_or(OTHER, |_| call.interface());
        let mut series = self.lock();
        let mut key = (side, interface, known);
        let of_side = || series.keys().filter(|(of, ..)| *of == side).count();
        if !series.contains_key(&key) && of_side() >= MOST {
            key = (side, OTHER, OTHER);
        }
        series.entry(key).or_default().in_flight += 1;
        key
    }
}

impl Counts {
    fn end(&mut self, outcome: &'static str, took: Duration) {
        self.in_flight = self.in_flight.saturating_sub(1);
        *self.outcomes.entry(outcome).or_default() += 1;
        let bucket = BUCKETS.partition_point(|end| *end < took);
        if let Some(bucket) = self.took.get_mut(bucket) {
            *bucket += 1;
        }
        self.total = self.total.saturating_add(took);
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Metrics").field(&self.snapshot()).finish()
    }
}

impl MessageSink for Metrics {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        let key = self.begin(&call);
        let begun = clock::now();
        let ending = Ending::new(&call, |outcome, _| {
            let took = clock::now().saturating_duration_since(begun);
            let mut series = self.lock();
            series.entry(key).or_default().end(outcome.word(), took);
        });
        let reply = next.run(call).await;
        ending.with(&reply);
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor::MethodDescriptor;
    use crate::formatter::FormatterRef;
    use crate::id::MethodId;

    fn call(method: Option<&'static MethodDescriptor>, side: Side) -> MethodCall {
        MethodCall {
            headers: Vec::new(),
            side,
            interface: "Desk",
            name: None,
            method,
            number: MethodId::of("x"),
            constructs: false,
            url: None,
            peer: None,
            size: 0,
            streams: Vec::new(),
            deadline: clock::now(),
            formatter: FormatterRef::default(),
        }
    }

    #[test]
    fn no_more_methods_than_a_thousand_of_each_side_are_counted_apart() {
        let metrics = Metrics::new();
        for number in 0..MOST + 50 {
            let name: &'static str = format!("method{number}").leak();
            let method: &'static _ = Box::leak(Box::new(MethodDescriptor::new(name, &[])));
            metrics.begin(&call(Some(method), Side::Client));
        }
        metrics.begin(&call(None, Side::Client));
        let all = metrics.snapshot();
        assert_eq!(all.len(), MOST + 1);
        let other = all.iter().find(|own| own.method == OTHER).unwrap();
        assert_eq!(other.in_flight, 51);
        static METHOD: MethodDescriptor = MethodDescriptor::new("next", &[]);
        metrics.begin(&call(Some(&METHOD), Side::Server));
        assert_eq!(metrics.snapshot().len(), MOST + 2);
    }

    #[test]
    fn a_duration_is_counted_in_the_first_bucket_that_it_fits_into() {
        let mut counts = Counts::default();
        for micros in [0, 100, 101, 30_000_000, 30_000_001] {
            counts.end("ok", Duration::from_micros(micros));
        }
        assert_eq!(counts.took[..3], [2, 1, 0]);
        assert_eq!(counts.took[13..], [1, 1]);
        assert_eq!(counts.outcomes["ok"], 5);
        assert_eq!(counts.total, Duration::from_micros(60_000_202));
    }
}
