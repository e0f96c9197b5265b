//! A line in the log for each call.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use super::call::{MethodCall, MethodReply, Side};
use super::chain::{MessageSink, Next};
use super::outcome::{Ending, Outcome, OutcomeKind};
use crate::clock;
use crate::id::TICKET;
use crate::peer::{Peer, Principal};

/// A sink that tells of each call in one event of `tracing`, when it has ended or was given up.
///
/// The target is `remoting::call`. The level is `INFO` for values, for errors of the user's own type and for calls that their
/// caller gave up; `ERROR` where the server's code has failed: `Internal`, `Poisoned`, `BadResult`; `WARN` for every other
/// error. There is a line for each call, however many there are: filter by target and level, or give only some
/// objects the sink.
///
/// | field | |
/// |---|---|
/// | `side` | `client` or `server` |
/// | `interface`, `method` | what was called |
/// | `object` | its URL, at the client, of an object with a ticket all but the ticket; at the server the name of its publication, if it was called by that |
/// | `peer`, `principal` | who called, at the server |
/// | `sent`, `received` | how many bytes the arguments and the result are |
/// | `took_ms` | how long it took, in milliseconds |
/// | `outcome` | `ok`, `user_error`, `given_up`, or the error's kind: `deadline_exceeded` |
/// | `executed` | whether the method has run: `yes`, `no`, `unknown` |
/// | `correlation` | the number by which the server's log knows the failure |
///
/// No argument, result, header, error text or ticket is told. In .NET: a sink of one's own.
///
/// ```
/// use remoting_core::Host;
/// use remoting_core::sink::Logging;
///
/// # fn main() -> remoting_core::Result<()> {
/// let host = Host::builder().client_sink(Logging::new()).start_client()?;
/// # drop(host);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Logging(());

impl Logging {
    /// A line for each call.
    pub fn new() -> Self {
        Self::default()
    }
}

impl MessageSink for Logging {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        let line = Line::of(&call);
        let ending = Ending::new(&call, move |outcome, reply| line.write(outcome, reply));
        let reply = next.run(call).await;
        ending.with(&reply);
        reply
    }
}

/// What is told of a call.
struct Line {
    side: Side,
    interface: &'static str,
    method: Cow<'static, str>,
    object: Option<String>,
    peer: Option<Arc<Peer>>,
    sent: usize,
    begun: Instant,
}

/// Writes an event of a level, which has to be known when this is compiled.
macro_rules! event {
    ($level:ident, $line:expr, $outcome:expr, $reply:expr) => {{
        let (line, outcome, reply) = ($line, $outcome, $reply);
        let peer = line.peer.as_deref();
        let error = reply.and_then(MethodReply::error);
        let correlation = error.and_then(|error| error.correlation());
        tracing::event!(
            target: "remoting::call",
            tracing::Level::$level,
            side = line.side.word(),
            interface = line.interface,
            method = &*line.method,
            object = line.object.as_deref(),
            peer = peer.map(display),
            principal = peer.and_then(Peer::principal).map(Principal::name),
            sent = line.sent,
            received = reply.map_or(0, MethodReply::size),
            took_ms = line.took_ms(),
            outcome = outcome.word(),
            executed = outcome.executed(),
            correlation = correlation.map(|number| display(format!("{number:016x}"))),
            "call"
        );
    }};
}

impl Line {
    fn of(call: &MethodCall) -> Self {
        Self {
            side: call.side(),
            interface: call.interface(),
            method: call.method(),
            object: call
                .url()
                .map(without_ticket)
                .or_else(|| call.name().map(str::to_owned)),
            peer: call.peer.clone(),
            sent: call.size(),
            begun: clock::now(),
        }
    }

    fn took_ms(&self) -> f64 {
        let took = clock::now().saturating_duration_since(self.begun);
        took.as_secs_f64() * 1000.0
    }

    fn write(&self, outcome: Outcome, reply: Option<&MethodReply>) {
        match outcome.kind {
            OutcomeKind::Error(_) if outcome.is_failure_of_server() => {
                event!(ERROR, self, outcome, reply);
            }
            OutcomeKind::Error(_) => event!(WARN, self, outcome, reply),
            OutcomeKind::Value | OutcomeKind::UserError | OutcomeKind::GivenUp => {
                event!(INFO, self, outcome, reply);
            }
        }
    }
}

/// A URL that may be shown: whoever knows a ticket has its object.
fn without_ticket(url: &str) -> String {
    match url.find(TICKET) {
        Some(at) => format!("{}{TICKET}…", &url[..at]),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_not_shown() {
        let url = format!("http://127.0.0.1:80/~/{}", crate::id::ticket());
        assert_eq!(without_ticket(&url), "http://127.0.0.1:80/~/rt1.…");
        assert_eq!(without_ticket("tcp://a:1/desk"), "tcp://a:1/desk");
    }
}
