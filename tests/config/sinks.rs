//! Sinks that a file names: what passes through them, and what is said of those that there are not.

use std::sync::{Arc, Mutex};

use remoting::config::Classes;
use remoting::sink::{MessageSink, MethodCall, MethodReply, Next, TraceContext};

use crate::support::*;

/// Notes the calls that it sees.
#[derive(Clone)]
struct Noting(&'static str, Arc<Mutex<Vec<String>>>);

impl MessageSink for Noting {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        let line = format!("{} {:?} {}", self.0, call.side(), call.method());
        self.1.lock().unwrap().push(line);
        next.run(call).await
    }
}

fn with_sinks(seen: &Arc<Mutex<Vec<String>>>) -> Classes {
    let noting = |name| Noting(name, Arc::clone(seen));
    classes()
        .sink("demo.Audit", noting("audit"))
        .sink("demo.Trace", noting("trace"))
}

#[tokio::test]
async fn calls_pass_through_the_sinks_that_the_file_names_in_its_order() {
    let seen = Arc::default();
    for kind in ["tcp", "http"] {
        let text = format!(
            "[host]\nclient-sinks = [\"demo.Trace\"]\nserver-sinks = [\"demo.Trace\", \"demo.Audit\"]\n\
             [channels.c]\nkind = \"{kind}\"\nlisten = \"127.0.0.1:0\"\nsinks = [\"demo.Audit\"]\n\
             [publications.p]\nclass = \"demo.Tally\"\nactivation = \"singleton\"\nsinks = [\"demo.Audit\"]\n"
        );
        let config = parse(&text).unwrap();
        let host = config.start(with_sinks(&seen)).await.unwrap();
        let tally: TallyProxy = host.get(&host.url("p").unwrap()).unwrap();
        assert_eq!(tally.next().await.unwrap(), 1);
        assert_eq!(
            std::mem::take(&mut *seen.lock().unwrap()),
            [
                "trace Client next",
                "audit Client next",
                "trace Server next",
                "audit Server next",
                "audit Server next",
                "audit Server next"
            ],
            "{kind}"
        );
        assert!(
            config
                .to_string()
                .contains("sinks = [\"demo.Audit\"] # remoting.toml:11")
        );
    }
}

#[tokio::test]
async fn a_sink_that_the_program_does_not_have_is_told_with_those_that_it_has() {
    let text = "[host]\nserver-sinks = [\"demo.Audit\", \"demo.Autid\"]\n[publications.p]\nclass = \"demo.Tally\"\nactivation = \"singleton\"\nsinks = [\"demo.Nothing\"]\n";
    let config = parse(text).unwrap();
    let error = config.start(with_sinks(&Arc::default())).await.unwrap_err();
    assert_eq!(
        error.message(),
        "remoting.toml:2:16: host.server-sinks: the program has no sink `demo.Autid`; it has `demo.Audit`, `demo.Trace`, \
         `remoting.Logging`, `remoting.Tracing`, `remoting.Retry`\n\
         remoting.toml:6:9: publications.p.sinks: the program has no sink `demo.Nothing`; it has `demo.Audit`, `demo.Trace`, \
         `remoting.Logging`, `remoting.Tracing`, `remoting.Retry`"
    );
}

#[tokio::test]
async fn some_sinks_can_be_named_that_the_program_has_not_added() {
    let text = "[host]\nclient-sinks = [\"remoting.Retry\", \"remoting.Tracing\"]\nserver-sinks = [\"remoting.Tracing\", \"remoting.Logging\"]\n\
        [channels.c]\nkind = \"tcp\"\nlisten = \"127.0.0.1:0\"\n\
        [publications.p]\nclass = \"demo.Tally\"\nactivation = \"singleton\"\nsinks = [\"demo.Sees\"]\n";
    let seen = Arc::new(Mutex::new(None));
    let classes = classes().sink("demo.Sees", Sees(Arc::clone(&seen)));
    let host = parse(text).unwrap().start(classes).await.unwrap();
    let tally: TallyProxy = host.get(&host.url("p").unwrap()).unwrap();
    assert_eq!(tally.next().await.unwrap(), 1);
    assert!(seen.lock().unwrap().is_some(), "no trace has come along");
}

/// Keeps the trace that a call has with it.
struct Sees(Arc<Mutex<Option<TraceContext>>>);

impl MessageSink for Sees {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        let trace = call.header(TraceContext::HEADER);
        *self.0.lock().unwrap() = trace.and_then(TraceContext::parse);
        next.run(call).await
    }
}

#[tokio::test]
async fn a_sink_that_was_added_twice_is_told() {
    let classes = with_sinks(&Arc::default()).sink("demo.Audit", Noting("again", Arc::default()));
    let error = parse("").unwrap().start(classes).await.unwrap_err();
    assert!(error.message().contains("`demo.Audit` twice"), "{error}");
}
