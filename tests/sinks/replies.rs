//! Headers that come back with replies.

use remoting::prelude::*;
use remoting::sink::{MessageSink, MethodCall, MethodReply, Next};
use remoting::{Error, ErrorKind, ReplyHeaders};
use serde::{Deserialize, Serialize};

use crate::ground::{Before, WAYS, Way, client, listening};

#[derive(Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
enum ScaleError {
    #[error("empty")]
    Empty,
    #[error(transparent)]
    Remoting(#[from] Error),
}

#[remote(name = "sinks.Scale")]
trait Scale {
    #[constructor]
    async fn build(works: bool) -> Result<Self, ScaleError>;
    /// Tells in the header `cost` how much it is.
    async fn weigh(&self, things: &[u8]) -> Result<usize, ScaleError>;
    async fn weigh_alone(&mut self, things: Vec<u8>) -> Result<usize, ScaleError>;
    #[blocking]
    async fn many(&self, count: usize) -> Result<Vec<u8>, ScaleError>;
    async fn other(&self) -> Result<ScaleProxy, ScaleError>;
    /// Sets more than fits, and tells what that came to.
    async fn flood(&self, count: usize, length: usize) -> Result<Vec<bool>, ScaleError>;
    async fn panic(&self) -> Result<(), ScaleError>;
}

struct Balance;

fn set(name: &str, value: impl ToString) -> Result<(), Error> {
    let context = CallContext::current().expect("in a handler");
    context.set_reply_header(name, value.to_string())
}

impl Scale for Balance {
    async fn build(works: bool) -> Result<Self, ScaleError> {
        set("cost", "much")?;
        // Others, which take more than one poll, go on as a task.
        tokio::task::yield_now().await;
        match works {
            true => Ok(Self),
            false => Err(ScaleError::Empty),
        }
    }
    async fn weigh(&self, things: &[u8]) -> Result<usize, ScaleError> {
        set("cost", "to be replaced")?;
        set("cost", things.len())?;
        set("for", "ä &=\n")?;
        match things {
            [] => Err(ScaleError::Empty),
            things => Ok(things.len()),
        }
    }
    async fn weigh_alone(&mut self, things: Vec<u8>) -> Result<usize, ScaleError> {
        let context = CallContext::current().expect("in a handler");
        let length = things.len();
        let elsewhere =
            tokio::spawn(async move { context.set_reply_header("cost", length.to_string()) });
        elsewhere.await.expect("it does not panic")?;
        Ok(length)
    }
    async fn many(&self, count: usize) -> Result<Vec<u8>, ScaleError> {
        set("cost", count)?;
        Ok(vec![1; count])
    }
    async fn other(&self) -> Result<ScaleProxy, ScaleError> {
        set("cost", "another")?;
        Ok(ScaleProxy::local(Balance))
    }
    async fn flood(&self, count: usize, length: usize) -> Result<Vec<bool>, ScaleError> {
        let names = (0..count).map(|number| format!("{number:04}"));
        let all = names.map(|name| match set(&name, "x".repeat(length)) {
            Ok(()) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::TooLarge);
                false
            }
        });
        Ok(all.collect())
    }
    async fn panic(&self) -> Result<(), ScaleError> {
        set("cost", "lost")?;
        panic!("the balance is broken")
    }
}

async fn scale(
    way: Way,
    outer: remoting::HostBuilder,
    inner: remoting::HostBuilder,
) -> (Host, Host, ScaleProxy) {
    let (server, client) = (listening(inner).await, client(outer));
    server
        .publish("scale", ScaleDispatcher::singleton(|| Balance))
        .unwrap();
    server
        .publish("scales", ScaleDispatcher::<Balance>::activated())
        .unwrap();
    let scale = client.get(&way.url(&server, "scale")).unwrap();
    (server, client, scale)
}

async fn check(scale: &ScaleProxy, way: &str) {
    let back = ReplyHeaders::new();
    let cost = || {
        back.get("cost")
            .unwrap_or_else(|| panic!("{way}: {back:?}"))
    };
    let call = scale.weigh(b"four").reply_headers(&back);
    assert_eq!(call.await.unwrap(), 4, "{way}");
    assert_eq!(cost(), "4", "{way}");
    assert_eq!(back.get("for").as_deref(), Some("ä &=\n"), "{way}");
    assert_eq!(back.all().len(), 2, "{way}");
    let empty = scale.weigh(b"").reply_headers(&back).await;
    assert_eq!(empty.unwrap_err(), ScaleError::Empty, "{way}");
    assert_eq!(cost(), "0", "{way}");
    let alone = scale.weigh_alone(vec![1; 5]).reply_headers(&back).await;
    assert_eq!(alone.unwrap(), 5, "{way}");
    assert_eq!(cost(), "5", "{way}");
    // In many frames.
    let many = scale.many(1_000_000).reply_headers(&back).await.unwrap();
    assert_eq!(many.len(), 1_000_000, "{way}");
    assert_eq!(cost(), "1000000", "{way}");
    let other = scale.other().reply_headers(&back).await.unwrap();
    assert_eq!(cost(), "another", "{way}");
    assert_eq!(other.weigh(b"two").reply_headers(&back).await.unwrap(), 3);
    assert_eq!(cost(), "3", "{way}");
    scale.panic().reply_headers(&back).await.unwrap_err();
    assert_eq!(back.all(), [], "{way}");
}

#[tokio::test]
async fn what_a_handler_sets_comes_back_with_values_and_errors() {
    for way in WAYS {
        let (_server, _client, scale) = scale(way, Host::builder(), Host::builder()).await;
        check(&scale, &format!("{way:?}")).await;
    }
    check(&ScaleProxy::local(Balance), "here").await;
}

#[tokio::test]
async fn what_a_constructor_sets_comes_back_with_its_object_or_its_error() {
    for way in WAYS {
        let (server, client, _scale) = scale(way, Host::builder(), Host::builder()).await;
        let url = way.url(&server, "scales");
        let back = ReplyHeaders::new();
        let scales = client.activate::<ScaleProxy>(&url);
        let scale = scales.build(true).reply_headers(&back).await.unwrap();
        assert_eq!(back.get("cost").as_deref(), Some("much"), "{way:?}");
        assert_eq!(back.all().len(), 1, "{way:?}");
        assert_eq!(scale.weigh(b"four").reply_headers(&back).await.unwrap(), 4);
        assert_eq!(back.get("cost").as_deref(), Some("4"), "{way:?}");
        let failed = scales.build(false).reply_headers(&back).await.map(drop);
        assert_eq!(failed.unwrap_err(), ScaleError::Empty);
        assert_eq!(back.get("cost").as_deref(), Some("much"), "{way:?}");
    }
}

#[tokio::test]
async fn headers_of_a_pipelined_call_come_back_with_its_answer_and_those_of_a_call_on_it_too() {
    for way in WAYS {
        let (server, client, scale) = scale(way, Host::builder(), Host::builder()).await;
        let (first, last) = (ReplyHeaders::new(), ReplyHeaders::new());
        let cost = |back: &ReplyHeaders| back.get("cost").unwrap_or_default();
        let other = scale.other().reply_headers(&first).pipelined();
        let weighed = other.weigh(b"two").reply_headers(&last).await;
        assert_eq!(weighed.unwrap(), 3, "{way:?}");
        other.settled().await.unwrap();
        assert_eq!((&*cost(&first), &*cost(&last)), ("another", "3"), "{way:?}");

        let scales = client.activate::<ScaleProxy>(&way.url(&server, "scales"));
        let made = scales.build(true).reply_headers(&first).pipelined();
        made.weigh(b"").reply_headers(&last).await.unwrap_err();
        made.settled().await.unwrap();
        assert_eq!((&*cost(&first), &*cost(&last)), ("much", "0"), "{way:?}");

        let failed = scales.build(false).reply_headers(&last).pipelined();
        failed.settled().await.map(drop).unwrap_err();
        assert_eq!(cost(&last), "much", "{way:?}");
    }
}

#[tokio::test]
async fn what_a_sink_says_of_a_refused_constructor_comes_back() {
    let refuses = || {
        Before(|call: &mut MethodCall| {
            call.is_constructor().then(|| {
                let error = Error::new(ErrorKind::Overloaded, "not today");
                let mut reply = MethodReply::from(error);
                reply.set_header("reason", "a holiday").unwrap();
                reply
            })
        })
    };
    for way in WAYS {
        let inner = Host::builder().server_sink(refuses());
        let (server, client, _scale) = scale(way, Host::builder(), inner).await;
        let back = ReplyHeaders::new();
        let scales = client.activate::<ScaleProxy>(&way.url(&server, "scales"));
        let made = scales.build(true).reply_headers(&back).await.map(drop);
        made.unwrap_err();
        assert_eq!(back.get("reason").as_deref(), Some("a holiday"), "{way:?}");
    }
}

#[tokio::test]
async fn no_more_come_back_than_go_along() {
    for way in WAYS {
        let (_server, _client, scale) = scale(way, Host::builder(), Host::builder()).await;
        let back = ReplyHeaders::new();
        for (count, length, fits) in [(70, 1, 64), (9, 1020, 8), (1, 8189, 0)] {
            let set = scale.flood(count, length).reply_headers(&back).await;
            let set = set.unwrap();
            assert_eq!(set.iter().filter(|set| **set).count(), fits, "{way:?}");
            assert_eq!(back.all().len(), fits, "{way:?}");
        }
        assert_eq!(scale.weigh(b"four").await.unwrap(), 4, "{way:?}");
    }
}

/// Adds a header to each reply, and sees what is there.
struct Adding(&'static str);

impl MessageSink for Adding {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        let mut reply = next.run(call).await;
        let seen = reply.header("seen").unwrap_or_default();
        let seen = format!("{seen}{}", self.0);
        reply.set_header("seen", seen).unwrap();
        reply
    }
}

#[tokio::test]
async fn sinks_of_both_sides_add_to_replies_of_every_kind() {
    for way in WAYS {
        let refusing = Before(|call: &mut MethodCall| {
            let is_meant = call.method() == "other";
            is_meant.then(|| Error::new(ErrorKind::Overloaded, "not today").into())
        });
        let answering = Before(|call: &mut MethodCall| {
            (call.method() == "flood").then(|| call.answer(&[true]))
        });
        let outer = Host::builder().client_sink(Adding("c"));
        let inner = Host::builder().server_sink(Adding("s"));
        let inner = inner.server_sink(refusing).server_sink(answering);
        let (server, client, scale) = scale(way, outer, inner).await;
        let back = ReplyHeaders::new();
        let scales = client.activate::<ScaleProxy>(&way.url(&server, "scales"));
        drop(scales.build(true).reply_headers(&back).await.unwrap());
        assert_eq!(back.get("seen").as_deref(), Some("sc"), "{way:?}");
        assert_eq!(back.get("cost").as_deref(), Some("much"), "{way:?}");
        scale.weigh(b"four").reply_headers(&back).await.unwrap();
        assert_eq!(back.get("seen").as_deref(), Some("sc"), "{way:?}");
        assert_eq!(back.get("cost").as_deref(), Some("4"), "{way:?}");
        scale.weigh(b"").reply_headers(&back).await.unwrap_err();
        assert_eq!(back.get("seen").as_deref(), Some("sc"), "{way:?}");
        scale.panic().reply_headers(&back).await.unwrap_err();
        assert_eq!(back.get("seen").as_deref(), Some("sc"), "{way:?}");
        let refused = scale.other().reply_headers(&back).await.map(drop);
        let Err(ScaleError::Remoting(error)) = refused else {
            panic!("it was refused")
        };
        assert_eq!(error.kind(), ErrorKind::Overloaded, "{way:?}");
        assert_eq!(back.get("seen").as_deref(), Some("sc"), "{way:?}");
        let answered = scale.flood(7, 7).reply_headers(&back).await.unwrap();
        assert_eq!(answered, [true], "{way:?}");
        assert_eq!(back.get("seen").as_deref(), Some("sc"), "{way:?}");
    }
}

#[tokio::test]
async fn headers_of_a_third_partys_reply_come_all_the_way() {
    let middle = listening(Host::builder()).await;
    let (end, _client, _) = scale(Way::Tcp, Host::builder(), Host::builder()).await;
    let far_here: ScaleProxy = middle.get(&Way::Tcp.url(&end, "scale")).unwrap();
    middle
        .publish(
            "holder",
            HolderDispatcher::singleton(move || Holding(far_here.clone())),
        )
        .unwrap();
    let outside = client(Host::builder());
    let holder: HolderProxy = outside.get(&Way::Tcp.url(&middle, "holder")).unwrap();
    let scale = holder.lent().await.unwrap();
    let back = ReplyHeaders::new();
    assert_eq!(scale.weigh(b"four").reply_headers(&back).await.unwrap(), 4);
    assert_eq!(back.get("cost").as_deref(), Some("4"));
}

#[remote(name = "sinks.Holder")]
trait Holder {
    async fn lent(&self) -> remoting::Result<ScaleProxy>;
}

struct Holding(ScaleProxy);

impl Holder for Holding {
    async fn lent(&self) -> remoting::Result<ScaleProxy> {
        Ok(self.0.clone())
    }
}
