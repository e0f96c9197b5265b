//! Sinks that panic, overdo it, or are left in the middle; callers who may not call.

use remoting::prelude::*;
use remoting::sink::{MessageSink, MethodCall, MethodReply, Next};
use remoting::{Error, ErrorKind, Executed, HostBuilder, Principal, Principals};

use crate::ground::*;

fn with_panic(builder: HostBuilder) -> HostBuilder {
    builder.server_sink(Before(|call: &mut MethodCall| {
        assert!(call.method() != "count", "a sink that does not like it");
        None
    }))
}

#[tokio::test]
async fn a_panic_in_a_sink_of_the_server_ends_that_call_alone() {
    for way in WAYS {
        let server = server(with_panic(Host::builder())).await;
        let client = client(Host::builder());
        let desk = way.desk(&client, &server);
        let error = desk.count().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal, "{way:?}");
        assert_eq!(error.executed(), Executed::No, "{way:?}");
        assert!(error.correlation().is_some(), "{error:?}");
        assert!(
            error.message().contains("a sink of `count` panicked"),
            "{error}"
        );
        assert_eq!(desk.header("x").await.unwrap(), None, "{way:?}");
    }
}

/// Panics when the call has run.
struct Late;

impl MessageSink for Late {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        let reply = next.run(call).await;
        panic!("a sink that does not like {reply:?}");
    }
}

#[tokio::test]
async fn a_panic_in_a_sink_after_the_call_says_that_it_has_run_and_harms_no_object() {
    for way in WAYS {
        let server = server(Host::builder().server_sink(Late)).await;
        let client = client(Host::builder());
        let desk = way.desk(&client, &server);
        for _ in 0..2 {
            let error = desk.count().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Internal, "{way:?} {error}");
            assert_eq!(error.executed(), Executed::Yes, "{way:?}");
            assert!(error.message().contains("a sink of `count`"), "{error}");
        }
    }
}

#[tokio::test]
async fn headers_of_a_sink_at_the_server_are_bounded_too() {
    for way in WAYS {
        let server = server(Host::builder().server_sink(Before(|call: &mut MethodCall| {
            call.headers.push(("x".to_owned(), "x".repeat(9000)));
            None
        })));
        let server = server.await;
        let error = way
            .desk(&client(Host::builder()), &server)
            .count()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{way:?}");
        assert_eq!(error.executed(), Executed::No, "{way:?}");
    }
}

#[tokio::test]
async fn what_a_sink_refuses_is_not_held_against_the_caller() {
    let server = server(Host::builder().server_sink(Before(|call: &mut MethodCall| {
        (call.method() == "count").then(|| Error::new(ErrorKind::BadArguments, "odd").into())
    })));
    let server = server.await;
    let client = client(Host::builder());
    let desk = Way::Tcp.desk(&client, &server);
    for _ in 0..2000 {
        let error = desk.count().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadArguments, "{error}");
    }
    assert_eq!(desk.header("x").await.unwrap(), None);
}

#[tokio::test]
async fn headers_of_a_sink_that_are_too_large_end_the_call_before_it_is_sent() {
    for way in WAYS {
        let inside = Record::default();
        let server = server(Host::builder().server_sink(inside.sink("s"))).await;
        let client = client(Host::builder().client_sink(Before(|call: &mut MethodCall| {
            call.headers.push(("x".to_owned(), "x".repeat(9000)));
            None
        })));
        let error = way.desk(&client, &server).count().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{way:?}");
        assert_eq!(error.executed(), Executed::No, "{way:?}");
        assert_eq!(inside.take(), [""; 0], "{way:?}");
    }
}

#[tokio::test]
async fn a_caller_who_gives_up_takes_the_sinks_of_both_sides_along() {
    for way in WAYS {
        let (outside, inside) = (Watching::default(), Watching::default());
        let server = server(Host::builder().server_sink(inside.clone())).await;
        let client = client(Host::builder().client_sink(outside.clone()));
        let call = tokio::spawn(way.desk(&client, &server).wait());
        inside.0.notified().await;
        call.abort();
        outside.1.notified().await;
        inside.1.notified().await;
    }
}

#[tokio::test]
async fn a_caller_who_may_not_call_does_not_get_as_far_as_the_sinks() {
    for way in WAYS {
        let inside = Record::default();
        let known = Principals::new().token("a token of ann's", Principal::new("ann"));
        let builder = Host::builder().authenticator(known);
        let server = listening(builder.server_sink(inside.sink("s"))).await;
        let desk = DeskDispatcher::singleton(Clerk::default).roles(["clerk"]);
        server.publish("desk", desk.sink(inside.sink("p"))).unwrap();
        let client = Host::builder()
            .channel(TcpChannel::client().token("a token of ann's"))
            .channel(HttpChannel::client().token("a token of ann's"))
            .start_client()
            .unwrap();
        let error = way.desk(&client, &server).count().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{way:?}");
        assert_eq!(inside.take(), [""; 0], "{way:?}");
    }
}

#[tokio::test]
async fn a_sink_sees_who_calls_where_to_and_how_much() {
    for way in WAYS {
        let inside = Record::default();
        let (record, also) = (inside.clone(), inside.clone());
        let builder = Host::builder().server_sink(Before(move |call: &mut MethodCall| {
            let peer = call.peer().expect("somebody calls");
            let is_near = peer.address().is_some_and(|at| at.ip().is_loopback());
            record.add(format!("{is_near} {:?} {}", call.url(), call.size() > 1000));
            None
        }));
        let server = server(builder).await;
        let url = way.url(&server, "desk");
        let client = client(
            Host::builder().client_sink(Before(move |call: &mut MethodCall| {
                also.add(format!("{} {}", call.url().unwrap(), call.peer().is_none()));
                assert!(!call.remaining().is_zero());
                None
            })),
        );
        let desk: DeskProxy = client.get(&url).unwrap();
        desk.block(&[0; 2000]).await.unwrap();
        assert_eq!(
            inside.take(),
            [format!("{url} true"), "true None true".to_owned()]
        );
    }
}
