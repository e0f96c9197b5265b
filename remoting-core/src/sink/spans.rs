//! A span for each call, and its place in a trace that goes along with it.

use std::fmt;
use std::sync::Arc;

use tracing::field::{Empty, display};
use tracing::{Instrument, Span};

use super::call::{MethodCall, MethodReply, Side};
use super::chain::{MessageSink, Next};
use super::outcome::{Ending, Outcome, OutcomeKind};
use crate::object::CallContext;
use crate::peer::Peer;
use crate::proxy::check_headers;
use crate::trace::{Hex, TraceContext};

/// A sink that puts a span of `tracing` round each call and has the trace go along with it, as W3C Trace Context says.
///
/// At the client a call continues the trace of the header `traceparent` if it has one, else that of the handler which makes the call, and
/// otherwise begins one with a random id, sampled. Each call is a span of its own in it, and the server gets that as a
/// `traceparent`. At the server the span below it is what the handler finds in `CallContext::trace`, and what calls of
/// its own continue, through a client's sink of the same kind. A `tracestate` goes along with its trace as it is, unless it is
/// malformed or longer than 512 bytes. What a peer sends and is no `traceparent` is
/// ignored, and a new trace begins. A handler's calls from tasks that it has spawned do not know of it: pass the header on.
///
/// Both are of the call's 64 headers; where there is no room for them the call goes without.
///
/// The span's target is `remoting::trace`, its level `INFO`, and its fields are named by OpenTelemetry's semantic conventions:
/// `otel.name` (`Interface/method`), `otel.kind`, `rpc.system` (`remoting`), `rpc.service`, `rpc.method`, at the server
/// `network.peer.address`; when the call has ended `otel.status_code` and `error.type`; and `trace_id`, `span_id`, `parent_id`. The handler's own
/// spans and events are inside of it.
///
/// ```
/// use remoting_core::Host;
/// use remoting_core::sink::Tracing;
///
/// # fn main() -> remoting_core::Result<()> {
/// let host = Host::builder()
///     .client_sink(Tracing::new())
///     .server_sink(Tracing::new())
///     .start_client()?;
/// # drop(host);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Tracing {
    link: Option<Arc<Link>>,
}

/// Tells another tracer of a span, and what it continues; gives its place in the trace as that tracer has it.
type Link = dyn Fn(&Span, Option<&TraceContext>) -> Option<TraceContext> + Send + Sync;

impl Tracing {
    /// Spans with ids of their own.
    pub fn new() -> Self {
        Self::default()
    }

    /// Has another tracer know of each span, and decide about its ids: OpenTelemetry, say.
    ///
    /// - `link`: is called with each new span and with what it continues, if anything; gives the span's place in the trace, or
    ///   `None` if the tracer has none for it. One of the same trace and without a state keeps the state of what it
    ///   continues. It runs in each call, and must not block.
    #[must_use]
    pub fn linked(
        mut self,
        link: impl Fn(&Span, Option<&TraceContext>) -> Option<TraceContext> + Send + Sync + 'static,
    ) -> Self {
        self.link = Some(Arc::new(link));
        self
    }
}

impl fmt::Debug for Tracing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracing")
            .field("linked", &self.link.is_some())
            .finish()
    }
}

impl MessageSink for Tracing {
    async fn process(&self, mut call: MethodCall, next: Next<'_>) -> MethodReply {
        let above = above(&call);
        let span = span_of(&call);
        let link = self.link.as_ref();
        let linked = link.and_then(|link| link(&span, above.as_ref()));
        let own = match (linked, &above) {
            (Some(own), Some(above)) => own.or_state_of(above),
            (Some(own), None) => own,
            (None, Some(above)) => above.child(),
            (None, None) => TraceContext::begin(),
        };
        span.record("trace_id", display(Hex(&own.trace_id())));
        span.record("span_id", display(Hex(&own.span_id())));
        if let Some(above) = &above {
            span.record("parent_id", display(Hex(&above.span_id())));
        }
        carry(&mut call, &own);
        let told = span.clone();
        let ending = Ending::new(&call, move |outcome, _| tell(&told, outcome));
        let reply = next.run(call).instrument(span).await;
        ending.with(&reply);
        reply
    }
}

/// What a call continues.
fn above(call: &MethodCall) -> Option<TraceContext> {
    TraceContext::of_headers(&call.headers).or_else(|| match call.side() {
        Side::Client => CallContext::current()?.trace(),
        Side::Server => None,
    })
}

fn span_of(call: &MethodCall) -> Span {
    let (interface, method) = (call.interface(), call.method());
    let address = call.peer().and_then(Peer::address);
    tracing::info_span!(
        target: "remoting::trace",
        "call",
        otel.name = format!("{interface}/{method}"),
        otel.kind = call.side().word(),
        rpc.system = "remoting",
        rpc.service = interface,
        rpc.method = &*method,
        network.peer.address = address.map(|address| display(address.ip())),
        trace_id = Empty,
        span_id = Empty,
        parent_id = Empty,
        otel.status_code = Empty,
        error.r#type = Empty,
    )
}

/// Has a place in a trace go along with a call, in the place of any other, and as much of it as there is room for.
fn carry(call: &mut MethodCall, trace: &TraceContext) {
    let old = [TraceContext::HEADER, TraceContext::STATE_HEADER];
    call.headers
        .retain(|(name, _)| !old.contains(&name.as_str()));
    for header in trace.headers() {
        call.headers.push(header);
        if check_headers(&call.headers).is_err() {
            call.headers.pop();
            return;
        }
    }
}

fn tell(span: &Span, outcome: Outcome) {
    match outcome.kind {
        OutcomeKind::Value => {}
        OutcomeKind::UserError | OutcomeKind::Error(_) => {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", outcome.word());
        }
        OutcomeKind::GivenUp => {
            span.record("error.type", outcome.word());
        }
    }
}
