//! The library's own sinks, which calls pass in some of the worlds. What is true of calls without them stays true.

use std::time::Duration;

use remoting::sink::{ConcurrencyLimit, Faults, Logging, Metrics, Retry, Tracing};
use remoting::{ErrorKind, HostBuilder};

use crate::book::Entry;
use crate::contract::Failure;
use crate::plan::Plan;

/// How many calls of all clients run at a time at most, and how many more wait for that.
const AT_ONCE: [usize; 2] = [6, 4];

/// The calls in which faults are put.
const VICTIM: &str = "add";

/// The sinks of a server.
pub fn of_server(plan: &Plan, builder: HostBuilder) -> HostBuilder {
    if plan.sinks.is_none() {
        return builder;
    }
    let [most, more] = AT_ONCE;
    builder
        .server_sink(Logging::new())
        .server_sink(Tracing::new())
        .server_sink(ConcurrencyLimit::new(most).queue(more))
}

/// The sinks of a client.
///
/// - `metrics`: counts its calls.
pub fn of_client(plan: &Plan, builder: HostBuilder, metrics: &Metrics) -> HostBuilder {
    let Some(seed) = plan.sinks else {
        return builder;
    };
    let faults = Faults::seeded(seed)
        .delays(0.2, Duration::from_millis(30))
        .errors(0.1, ErrorKind::Overloaded)
        .lost_requests(0.05)
        .lost_replies(0.05)
        .only_method("Ledger", VICTIM);
    builder
        .client_sink(Tracing::new())
        .client_sink(metrics.clone())
        .client_sink(Retry::new())
        .client_sink(Logging::new())
        .client_sink(faults)
}

/// Whether a call may have failed because of a sink.
pub fn may_have_failed(plan: &Plan, entry: &Entry, failed: &Failure) -> bool {
    let of_faults = failed.cause == ErrorKind::SessionLost && entry.what == VICTIM;
    plan.sinks.is_some() && (of_faults || failed.cause == ErrorKind::Overloaded)
}
