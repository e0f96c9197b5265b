//! Values that flow with calls through all that their handlers call, and come back changed.

use remoting::prelude::*;
use remoting::{Error, ErrorKind, Flow};
use serde::{Deserialize, Serialize};

use crate::ground::{Before, WAYS, Way, client, listening};

#[derive(Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
enum StepError {
    #[error("no further")]
    NoFurther,
    #[error(transparent)]
    Remoting(#[from] Error),
}

#[remote(name = "sinks.Step")]
trait Step {
    /// What flows here, of this handler and of the one that it calls.
    async fn seen(&self) -> Result<Vec<String>, StepError>;
    /// What header of a name the last handler finds.
    async fn header(&self, name: String) -> Result<Option<String>, StepError>;
    /// Has the last handler set a value, and tells what flows here afterwards.
    async fn set(&self, name: String, value: String) -> Result<Vec<String>, StepError>;
    /// Has both a header of the reply and a value that flows, of so many bytes each.
    async fn fill(&self, bytes: usize) -> Result<usize, StepError>;
    /// The same, and then fails.
    async fn set_and_fail(&self, name: String, value: String) -> Result<(), StepError>;
}

/// Goes on to the next one, if there is one.
#[derive(Clone, Default)]
struct Foot(Option<StepProxy>);

/// What flows here.
fn here() -> Vec<String> {
    let flow = Flow::current().expect("a handler has one");
    let all = flow.all().into_iter();
    all.map(|(name, value)| format!("{name}={value}")).collect()
}

impl Step for Foot {
    async fn seen(&self) -> Result<Vec<String>, StepError> {
        let mut all = here();
        if let Some(next) = &self.0 {
            all.extend(next.seen().await?);
        }
        Ok(all)
    }

    async fn header(&self, name: String) -> Result<Option<String>, StepError> {
        match &self.0 {
            Some(next) => next.header(name).await,
            None => {
                let context = CallContext::current().expect("in a handler");
                Ok(context.header(&name).map(str::to_owned))
            }
        }
    }

    async fn set(&self, name: String, value: String) -> Result<Vec<String>, StepError> {
        match &self.0 {
            Some(next) => drop(next.set(name, value).await?),
            None => Flow::current().expect("in a handler").set(name, value)?,
        }
        Ok(here())
    }

    async fn fill(&self, bytes: usize) -> Result<usize, StepError> {
        let context = CallContext::current().expect("in a handler");
        context.set_reply_header("full", "x".repeat(bytes))?;
        let flow = Flow::current().expect("in a handler");
        flow.set("small", "x")?;
        flow.set("large", "x".repeat(bytes))?;
        Ok(bytes)
    }

    async fn set_and_fail(&self, name: String, value: String) -> Result<(), StepError> {
        match &self.0 {
            Some(next) => next.set_and_fail(name, value).await,
            None => {
                Flow::current().expect("in a handler").set(name, value)?;
                Err(StepError::NoFurther)
            }
        }
    }
}

/// A client of a server that is a client of another one.
struct Chain {
    _hosts: [Host; 3],
    first: StepProxy,
}

async fn chain(way: Way) -> Chain {
    let (end, middle) = (
        listening(Host::builder()).await,
        listening(Host::builder()).await,
    );
    end.publish("step", StepDispatcher::singleton(Foot::default))
        .unwrap();
    let next: StepProxy = middle.get(&way.url(&end, "step")).unwrap();
    let foot = Foot(Some(next));
    middle
        .publish("step", StepDispatcher::singleton(move || foot.clone()))
        .unwrap();
    let client = client(Host::builder());
    let first = client.get(&way.url(&middle, "step")).unwrap();
    Chain {
        _hosts: [end, middle, client],
        first,
    }
}

fn flow(values: &[(&str, &str)]) -> Flow {
    let flow = Flow::new();
    for (name, value) in values {
        flow.set(*name, *value).unwrap();
    }
    flow
}

#[tokio::test]
async fn values_go_along_through_nested_calls_and_only_where_they_are_in_place() {
    for way in WAYS {
        let chain = chain(way).await;
        let flow = flow(&[("tenant", "blue"), ("ä =&", "\n")]);
        let seen = flow.scope(async { chain.first.seen().await });
        let both = ["tenant=blue", "ä =&=\n", "tenant=blue", "ä =&=\n"];
        assert_eq!(seen.await.unwrap(), both, "{way:?}");
        assert_eq!(chain.first.seen().await.unwrap(), [""; 0], "{way:?}");
    }
}

#[tokio::test]
async fn what_does_not_flow_does_not_go_on() {
    for way in WAYS {
        let chain = chain(way).await;
        let flow = flow(&[("tenant", "blue")]);
        let call = || chain.first.header("tenant".to_owned());
        let seen = flow.scope(async { call().header("tenant", "of the caller").await });
        assert_eq!(seen.await.unwrap(), None, "{way:?}");
    }
}

#[tokio::test]
async fn changes_and_additions_come_back_all_the_way() {
    for way in WAYS {
        let chain = chain(way).await;
        let flow = flow(&[("tenant", "blue"), ("kept", "as it is")]);
        let set = |name: &str, value: &str| chain.first.set(name.to_owned(), value.to_owned());
        let between = flow.scope(async { set("tenant", "green").await }).await;
        assert_eq!(between.unwrap(), ["kept=as it is", "tenant=green"]);
        assert_eq!(flow.get("tenant").as_deref(), Some("green"), "{way:?}");
        flow.scope(async { set("audit", "7").await }).await.unwrap();
        let all = ["audit=7", "kept=as it is", "tenant=green"];
        let seen = flow.scope(async { chain.first.seen().await }).await;
        assert_eq!(seen.unwrap(), [all, all].concat(), "{way:?}");
        assert_eq!(flow.all().len(), 3, "{way:?}");
    }
}

#[tokio::test]
async fn what_is_added_comes_back_to_who_has_sent_nothing() {
    for way in WAYS {
        let chain = chain(way).await;
        let flow = Flow::new();
        let set = chain.first.set("audit".to_owned(), "7".to_owned());
        let between = flow.scope(set).await.unwrap();
        assert_eq!(between, ["audit=7"], "{way:?}");
        assert_eq!(flow.get("audit").as_deref(), Some("7"), "{way:?}");
        // Nobody is there to take it.
        let set = chain.first.set("audit".to_owned(), "8".to_owned());
        set.await.unwrap();
        assert_eq!(flow.get("audit").as_deref(), Some("7"), "{way:?}");
    }
}

#[tokio::test]
async fn changes_come_back_with_an_error_too() {
    for way in WAYS {
        let chain = chain(way).await;
        let flow = flow(&[("tenant", "blue")]);
        let call = chain
            .first
            .set_and_fail("tenant".to_owned(), "red".to_owned());
        let failed = flow.scope(call).await.unwrap_err();
        assert_eq!(failed, StepError::NoFurther, "{way:?}");
        assert_eq!(flow.get("tenant").as_deref(), Some("red"), "{way:?}");
    }
}

#[tokio::test]
async fn calls_that_are_under_way_together_do_not_mix() {
    for way in WAYS {
        let chain = chain(way).await;
        let flows: Vec<Flow> = (0..20)
            .map(|number| flow(&[("number", &number.to_string())]))
            .collect();
        let mut calls = Vec::new();
        for (number, flow) in flows.iter().enumerate() {
            let (flow, first) = (flow.clone(), chain.first.clone());
            calls.push(tokio::spawn(async move {
                let seen = flow.scope(async { first.seen().await }).await.unwrap();
                let set = first.set("answer".to_owned(), format!("to {number}"));
                flow.scope(set).await.unwrap();
                seen
            }));
        }
        for (number, call) in calls.into_iter().enumerate() {
            let own = format!("number={number}");
            assert_eq!(call.await.unwrap(), [&*own, &*own], "{way:?}");
            let answer = flows[number].get("answer");
            assert_eq!(answer, Some(format!("to {number}")), "{way:?}");
        }
    }
}

#[tokio::test]
async fn they_flow_to_objects_of_the_same_process_and_do_not_leak_out_of_a_handler() {
    let end = StepProxy::local(Foot::default());
    let near = StepProxy::local(Foot(Some(end)));
    let flow = flow(&[("tenant", "blue")]);
    let seen = flow.scope(async { near.seen().await }).await.unwrap();
    assert_eq!(seen, ["tenant=blue", "tenant=blue"]);
    let set = near.set("tenant".to_owned(), "green".to_owned());
    flow.scope(set).await.unwrap();
    assert_eq!(flow.get("tenant").as_deref(), Some("green"));
    assert_eq!(near.seen().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn they_come_back_to_where_the_call_was_begun_wherever_it_is_awaited() {
    for way in WAYS {
        let server = listening(Host::builder()).await;
        let step = StepDispatcher::singleton(Foot::default);
        server.publish("step", step).unwrap();
        let url = way.url(&server, "step");
        for has_sink in [false, true] {
            let builder = match has_sink {
                true => Host::builder().client_sink(remoting::sink::Logging::new()),
                false => Host::builder(),
            };
            let host = client(builder);
            let step: StepProxy = host.get(&url).unwrap();
            let flow = Flow::new();
            let mut call = Box::pin(step.set("a".into(), "1".into()).into_future());
            let begin = std::future::poll_fn(|cx| {
                let _begun = call.as_mut().poll(cx);
                std::task::Poll::Ready(())
            });
            flow.scope(begin).await;
            call.await.unwrap();
            assert_eq!(flow.get("a").as_deref(), Some("1"), "{way:?} {has_sink}");
        }
    }
}

#[tokio::test]
async fn sinks_see_them_as_headers() {
    for way in WAYS {
        let recolours = Before(|call: &mut remoting::sink::MethodCall| {
            assert_eq!(call.header("flow.tenant"), Some("blue"));
            call.set_header("flow.tenant", "green");
            None
        });
        let server = listening(Host::builder().server_sink(recolours)).await;
        server
            .publish("step", StepDispatcher::singleton(Foot::default))
            .unwrap();
        let client = client(Host::builder());
        let step: StepProxy = client.get(&way.url(&server, "step")).unwrap();
        let flow = flow(&[("tenant", "blue")]);
        let seen = flow.scope(async { step.seen().await }).await.unwrap();
        assert_eq!(seen, ["tenant=green"], "{way:?}");
    }
}

#[tokio::test]
async fn more_than_a_call_carries_is_refused_before_it_leaves() {
    let chain = chain(Way::Tcp).await;
    let flow = flow(&[("large", &"x".repeat(8000))]);
    let call = chain.first.seen().header("more", "x".repeat(500));
    let Err(StepError::Remoting(error)) = flow.scope(call).await else {
        panic!("it is too large")
    };
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    // So is what a handler adds to what has come.
    let set = chain.first.set("more".to_owned(), "x".repeat(500));
    let Err(StepError::Remoting(error)) = flow.scope(set).await else {
        panic!("it is too large")
    };
    assert_eq!(error.kind(), ErrorKind::UpstreamFailed);
    assert_eq!(flow.all().len(), 1);
}

#[tokio::test]
async fn a_result_is_not_lost_for_what_flows_back_beside_it() {
    let server = listening(Host::builder()).await;
    let steps = StepDispatcher::singleton(Foot::default);
    server.publish("step", steps).unwrap();
    let client = client(Host::builder());
    let step: StepProxy = client.get(&Way::Tcp.url(&server, "step")).unwrap();
    let (flow, headers) = (flow(&[]), remoting::ReplyHeaders::default());
    let call = step.fill(5000).reply_headers(&headers);
    assert_eq!(flow.scope(call).await.unwrap(), 5000);
    assert_eq!(headers.get("full").map(|value| value.len()), Some(5000));
    assert_eq!(flow.get("small").as_deref(), Some("x"));
    assert_eq!(flow.get("large"), None, "there was no room for it");
}
