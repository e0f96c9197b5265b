//! Traces that go along with calls, and spans round them.

use remoting::prelude::*;
use remoting::sink::{TraceContext, Tracing};

use crate::ground::{WAYS, Way, client, listening};
use crate::log::Log;
use crate::logging::line;

#[remote(name = "sinks.Relay")]
trait Relay {
    /// The trace that the handler finds.
    async fn here(&self) -> remoting::Result<Option<String>>;
    /// That of this handler, and that of one which it calls.
    async fn onward(&self) -> remoting::Result<(Option<String>, Option<String>)>;
    /// The state of the trace at the end of the line.
    async fn state(&self) -> remoting::Result<Option<String>>;
}

struct Last;

fn found() -> Option<String> {
    let context = CallContext::current().unwrap();
    context.header("traceparent").map(str::to_owned)
}

impl Relay for Last {
    async fn here(&self) -> remoting::Result<Option<String>> {
        tracing::info!("in the handler");
        Ok(found())
    }
    async fn onward(&self) -> remoting::Result<(Option<String>, Option<String>)> {
        Ok((found(), None))
    }
    async fn state(&self) -> remoting::Result<Option<String>> {
        let context = CallContext::current().unwrap();
        let state = context.header("tracestate").map(str::to_owned);
        let trace = context.trace();
        assert_eq!(
            trace.and_then(|trace| trace.state().map(str::to_owned)),
            state
        );
        Ok(state)
    }
}

struct Between(RelayProxy);

impl Relay for Between {
    async fn here(&self) -> remoting::Result<Option<String>> {
        Ok(found())
    }
    async fn onward(&self) -> remoting::Result<(Option<String>, Option<String>)> {
        Ok((found(), self.0.here().await?))
    }
    async fn state(&self) -> remoting::Result<Option<String>> {
        self.0.state().await
    }
}

fn traced() -> remoting::HostBuilder {
    Host::builder()
        .client_sink(Tracing::new())
        .server_sink(Tracing::new())
}

/// A server under `relay`.
async fn last(builder: remoting::HostBuilder) -> Host {
    let host = listening(builder).await;
    host.publish("relay", RelayDispatcher::singleton(|| Last))
        .unwrap();
    host
}

fn relay(way: Way, client: &Host, server: &Host) -> RelayProxy {
    client.get(&way.url(server, "relay")).unwrap()
}

/// A host at the end of a line, and the one between it and the client.
async fn traced_line(way: Way) -> (Host, Host) {
    let end = last(traced()).await;
    let between = listening(traced()).await;
    let beyond = relay(way, &between, &end);
    let publication = RelayDispatcher::singleton(move || Between(beyond.clone()));
    between.publish("relay", publication).unwrap();
    (end, between)
}

#[track_caller]
fn parsed(text: Option<String>) -> TraceContext {
    let text = text.expect("the handler has found a trace");
    TraceContext::parse(&text).unwrap_or_else(|| panic!("{text}"))
}

const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

#[tokio::test]
async fn a_call_takes_a_new_trace_along_and_calls_of_its_handler_continue_it() {
    for way in WAYS {
        let (_end, between) = traced_line(way).await;
        let client = client(traced());
        let relay = relay(way, &client, &between);
        let (first, second) = relay.onward().await.unwrap();
        let (first, second) = (parsed(first), parsed(second));
        assert!(first.is_sampled() && second.is_sampled(), "{way:?}");
        assert_eq!(first.trace_id(), second.trace_id(), "{way:?}");
        assert_ne!(first.span_id(), second.span_id(), "{way:?}");
        let (again, _) = relay.onward().await.unwrap();
        assert_ne!(parsed(again).trace_id(), first.trace_id(), "{way:?}");
    }
}

#[tokio::test]
async fn a_trace_that_a_call_has_already_is_continued_and_its_flag_kept() {
    for way in WAYS {
        let (_end, between) = traced_line(way).await;
        let client = client(traced());
        let call = relay(way, &client, &between).onward();
        let (first, second) = call.header("traceparent", GIVEN).await.unwrap();
        let given = TraceContext::parse(GIVEN).unwrap();
        for seen in [parsed(first), parsed(second)] {
            assert_eq!(seen.trace_id(), given.trace_id(), "{way:?}");
            assert_ne!(seen.span_id(), given.span_id(), "{way:?}");
            assert!(!seen.is_sampled(), "{way:?}");
        }
    }
}

#[tokio::test]
async fn a_trace_passes_as_it_is_where_there_are_no_sinks() {
    for way in WAYS {
        let (server, client) = (last(Host::builder()).await, client(Host::builder()));
        let relay = relay(way, &client, &server);
        let call = relay.here().header("traceparent", GIVEN);
        assert_eq!(call.await.unwrap().as_deref(), Some(GIVEN), "{way:?}");
        assert_eq!(relay.here().await.unwrap(), None, "{way:?}");
    }
}

#[tokio::test]
async fn what_is_no_traceparent_is_ignored_and_a_new_trace_begins() {
    for way in WAYS {
        let server = last(Host::builder().server_sink(Tracing::new())).await;
        let client = client(Host::builder());
        let relay = relay(way, &client, &server);
        let zeros = format!("00-{}-b7ad6b7169203331-01", "0".repeat(32));
        for text in ["", "nonsense", &zeros, &GIVEN.to_uppercase()] {
            let seen = relay.here().header("traceparent", text).await.unwrap();
            let seen = parsed(seen);
            assert!(seen.is_sampled(), "{way:?} {text}");
            let given = TraceContext::parse(GIVEN).unwrap();
            assert_ne!(seen.trace_id(), given.trace_id(), "{way:?}");
        }
    }
}

#[tokio::test]
async fn a_call_that_has_no_room_for_one_more_header_goes_without() {
    for way in WAYS {
        let (server, client) = (last(traced()).await, client(traced()));
        let relay = relay(way, &client, &server);
        let call = (0..64).fold(relay.here(), |call, number| {
            call.header(format!("h{number}"), "x")
        });
        assert_eq!(call.await.unwrap(), None, "{way:?}");
    }
}

/// The value of a field in a line of a log.
fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let (_, rest) = line.split_once(&format!(" {name}=")).expect(line);
    rest.split([' ', '}']).next().expect(line)
}

#[tokio::test]
async fn the_handler_runs_inside_of_the_spans_of_both_ends_which_name_the_trace() {
    for way in WAYS {
        let log = Log::default();
        let _guard = log.begin(tracing::Level::INFO);
        let (server, client) = (last(traced()).await, client(traced()));
        let seen = parsed(relay(way, &client, &server).here().await.unwrap());
        let line = line(&log, &["in the handler"]);
        let spans: Vec<&str> = line.split("call{").collect();
        let inside = spans.last().unwrap();
        for part in [
            "otel.name=\"sinks.Relay/here\"",
            "otel.kind=\"server\"",
            "rpc.system=\"remoting\"",
            "rpc.service=\"sinks.Relay\"",
            "rpc.method=\"here\"",
            "network.peer.address=127.0.0.1",
        ] {
            assert!(inside.contains(part), "{way:?} {part}: {line}");
        }
        let text = seen.to_string();
        let ids: Vec<&str> = text.split('-').collect();
        assert_eq!(field(inside, "trace_id"), ids[1], "{line}");
        assert_eq!(field(inside, "span_id"), ids[2], "{line}");
        assert_ne!(field(inside, "parent_id"), ids[2], "{line}");
    }
}

#[tokio::test]
async fn another_tracer_decides_about_the_ids() {
    for way in WAYS {
        let own = Tracing::new().linked(|_, above| {
            assert_eq!(above, None, "the client begins");
            TraceContext::new([7; 16], [8; 8], true)
        });
        let theirs = Tracing::new().linked(|_, above| {
            let above = above.expect("the server continues");
            assert_eq!(above.span_id(), [8; 8]);
            TraceContext::new(above.trace_id(), [9; 8], true)
        });
        let server = last(Host::builder().server_sink(theirs)).await;
        let client = client(Host::builder().client_sink(own));
        let seen = parsed(relay(way, &client, &server).here().await.unwrap());
        assert_eq!(Some(seen), TraceContext::new([7; 16], [9; 8], true));
    }
}

const STATE: &str = "rojo=00f067aa0ba902b7, congo@a=t61rcWkgMzE";

#[tokio::test]
async fn the_state_of_a_trace_goes_along_through_nested_calls() {
    for way in WAYS {
        let (end, between) = traced_line(way).await;
        let client = client(traced());
        for relay in [relay(way, &client, &end), relay(way, &client, &between)] {
            let call = relay.state().header("traceparent", GIVEN);
            let state = call.header("tracestate", STATE).await.unwrap();
            assert_eq!(state.as_deref(), Some(STATE), "{way:?}");
            assert_eq!(relay.state().await.unwrap(), None, "{way:?}");
        }
    }
}

#[tokio::test]
async fn the_state_of_a_trace_passes_as_it_is_where_there_are_no_sinks() {
    for way in WAYS {
        let (server, client) = (last(Host::builder()).await, client(Host::builder()));
        let call = relay(way, &client, &server).state();
        let call = call.header("traceparent", GIVEN);
        let state = call.header("tracestate", STATE).await.unwrap();
        assert_eq!(state.as_deref(), Some(STATE), "{way:?}");
    }
}

#[tokio::test]
async fn a_state_that_is_malformed_or_too_long_or_without_a_trace_goes_no_further() {
    let long = format!("a=1,b={}", "x".repeat(507));
    for way in WAYS {
        let server = last(Host::builder().server_sink(Tracing::new())).await;
        let client = client(Host::builder());
        let relay = relay(way, &client, &server);
        for state in ["", "a", "a=\u{1}", "a=1\r\nx: y", "a=\0", "ä=1", &long] {
            let call = relay.state().header("traceparent", GIVEN);
            let seen = call.header("tracestate", state).await.unwrap();
            assert_eq!(seen, None, "{way:?} {state:?}");
        }
        for trace in ["nonsense", ""] {
            let call = relay.state().header("traceparent", trace);
            let seen = call.header("tracestate", STATE).await.unwrap();
            assert_eq!(seen, None, "{way:?} {trace:?}");
        }
    }
}

#[tokio::test]
async fn another_tracer_sees_the_state_and_changes_it_or_lets_it_be() {
    for way in WAYS {
        let noting = Tracing::new().linked(|_, _| {
            let own = TraceContext::new([7; 16], [8; 8], true)?;
            Some(own.with_state("own=1"))
        });
        let silent = Tracing::new().linked(|_, above| {
            let above = above?;
            assert_eq!(above.state(), Some("own=1"));
            TraceContext::new(above.trace_id(), [9; 8], true)
        });
        let server = last(Host::builder().server_sink(silent)).await;
        let client = client(Host::builder().client_sink(noting));
        let state = relay(way, &client, &server).state().await.unwrap();
        assert_eq!(state.as_deref(), Some("own=1"), "{way:?}");
    }
}
